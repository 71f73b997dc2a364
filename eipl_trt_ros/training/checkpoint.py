# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Checkpoints as EIPL's training scripts leave them: model.pth, args.json, joint_bounds.npy."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from eipl_trt_ros.documents import read_array, read_json
from eipl_trt_ros.errors import CheckpointError
from eipl_trt_ros.models import Model, build_model
from eipl_trt_ros.training.settings import TrainingSettings


@dataclass(frozen=True)
class Checkpoint:
    """
    A trained model with what it needs to run.

    Attributes:
        model: the network, on the CPU.
        settings: it was trained with.
        bounds: float64 (2, D), that normalise the joints.

    """

    model: Model
    settings: TrainingSettings
    bounds: NDArray[np.float64]


def write_checkpoint(folder: Path, checkpoint: Checkpoint, *, update: int, error: float) -> None:
    """
    Write a checkpoint's three files.

    Args:
        folder: where to; made if it is not there.
        checkpoint: what to write; its model may be on any device.
        update: how many updates were made.
        error: joint error on the validation demonstrations.

    """
    folder.mkdir(parents=True, exist_ok=True)
    model = checkpoint.model
    weights = {
        name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()
    }
    torch.save(
        {'epoch': update, 'model_state_dict': weights, 'test_loss': error}, folder / 'model.pth'
    )
    spec = model.spec
    arguments = checkpoint.settings.as_dict() | {
        'joint_dim': spec.joint_dim,
        'im_size': [spec.image_height, spec.image_width],
        'vmin': 0.0,
        'vmax': 1.0,
    }
    (folder / 'args.json').write_text(json.dumps(arguments, indent=2) + '\n', encoding='utf-8')
    np.save(folder / 'joint_bounds.npy', checkpoint.bounds)


def read_checkpoint(folder: Path) -> Checkpoint:
    """
    Read a checkpoint that ``write_checkpoint`` wrote.

    Args:
        folder: holds the three files.

    Raises:
        CheckpointError: a file is missing or is not one of ours.

    """
    try:
        arguments = read_json(folder / 'args.json')
        bounds = read_array(folder / 'joint_bounds.npy')
        weights = torch.load(folder / 'model.pth', map_location='cpu', weights_only=True)
        settings = _settings(arguments)
        model = build_model(settings.spec(arguments['joint_dim'], *arguments['im_size']))
        model.load_state_dict(weights['model_state_dict'])
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        msg = (
            f'{folder} is not a checkpoint of python -m eipl_trt_ros.training train: '
            f'{type(error).__name__}: {str(error).splitlines()[0]}'
        )
        raise CheckpointError(msg) from error
    return Checkpoint(model, settings, bounds)


def _settings(arguments: dict[str, Any]) -> TrainingSettings:
    known = TrainingSettings.__dataclass_fields__
    values = {name: value for name, value in arguments.items() if name in known}
    values['prediction_joints'] = tuple(values['prediction_joints'])
    return TrainingSettings(**values)
