# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Files as EIPL's training scripts leave them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from references import random_weights

from eipl_trt_ros.spec import ModelSpec

SPECS = {
    'sarnn': ModelSpec('sarnn', 40, 56, 4, 20, k_dim=3, temperature=1e-4, heatmap_size=0.1),
    'cnnrnn': ModelSpec('cnnrnn', 128, 128, 8, 50, feat_dim=10),
    'cnnrnnln': ModelSpec('cnnrnnln', 128, 128, 3, 20, feat_dim=6),
}


@dataclass
class Training:
    """A folder with SARNN.pth (or so), args.json and joint_bounds.npy; change, then write."""

    folder: Path
    spec: ModelSpec
    content: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    bounds: Any = None

    def __post_init__(self) -> None:
        spec = self.spec
        self.content = {
            'epoch': 812,
            'model_state_dict': random_weights(spec),
            'train_loss': 0.0021,
            'test_loss': 0.0034,
        }
        # What argparse gives EIPL's train.py, and check_args saves.
        self.settings = {
            'batch_size': 5,
            'compile': False,
            'device': 0,
            'epoch': 10000,
            'img_loss': 0.1,
            'joint_loss': 1.0,
            'log_dir': 'log/',
            'lr': 0.001,
            'optimizer': 'adam',
            'rec_dim': spec.rec_dim,
            'stdev': 0.1,
            'tag': '20261123_1200_00',
            'vmax': 1.0,
            'vmin': 0.0,
        }
        if spec.type == 'sarnn':
            self.settings |= {
                'model': 'sarnn',
                'k_dim': spec.k_dim,
                'pt_loss': 0.1,
                'heatmap_size': spec.heatmap_size,
                'temperature': spec.temperature,
            }
        else:
            self.settings |= {'model': spec.type.upper(), 'feat_dim': spec.feat_dim}
        low = -0.5 - 0.1 * np.arange(spec.joint_dim)
        self.bounds = np.stack([low, low + 2]).astype(np.float32)

    @property
    def weights(self) -> Path:
        """The .pth file."""
        return self.folder / f'{self.spec.type.upper()}.pth'

    @property
    def arguments(self) -> Path:
        """The args.json."""
        return self.folder / 'args.json'

    @property
    def state(self) -> dict[str, Any]:
        """The state_dict, to change."""
        state: dict[str, Any] = self.content['model_state_dict']
        return state

    def write(self) -> Training:
        """Write the three files."""
        self.folder.mkdir(parents=True, exist_ok=True)
        torch.save(self.content, self.weights)
        self.arguments.write_text(json.dumps(self.settings, indent=4, sort_keys=True))
        np.save(self.folder / 'joint_bounds.npy', self.bounds)
        return self


def robot_text(spec: ModelSpec) -> str:
    """Return a robot file for such a model: its last joint is a gripper."""
    names = '\n'.join(f'  - arm{index}' for index in range(spec.joint_dim - 1))
    return f"""\
rate_hz: 10
camera: {{encoding: bgr8, stride: 2, crop: {{top: 1, left: 2, height: 30, width: 40}}, flip: none}}
joints:
{names}
  - {{name: hand, source: prediction, initial: 0.0, sink: open_close, close_above: 0.7,
     open_below: 0.3}}
"""
