# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A trained checkpoint as a policy of the simulated robot, through PyTorch on the CPU."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from eipl_trt_ros.models import Model, build_model
from eipl_trt_ros.sim.kinematics import Vector
from eipl_trt_ros.training.settings import TrainingSettings
from eipl_trt_ros.training.trainer import read_weights

GRIPPER_OPEN = 0.0


class CheckpointPolicy:
    """
    Runs a model frame by frame; see ``eipl_trt_ros.sim.rollout.Policy``.

    Args:
        model: the network, on the CPU.
        bounds: float64 (2, D), that normalise the joints.
        prediction_joints: joints for which the model sees its own last prediction.

    """

    def __init__(self, model: Model, bounds: NDArray[np.float64],
                 prediction_joints: tuple[int, ...]) -> None:
        self._model = model.eval()
        self._lower, self._upper = bounds
        self._fed_back = list(prediction_joints)
        self.reset()

    @classmethod
    def load(cls, folder: Path) -> CheckpointPolicy:
        """Read a checkpoint's folder: model.pth, args.json, joint_bounds.npy."""
        model, settings = load_model(folder)
        bounds = np.load(folder / 'joint_bounds.npy', allow_pickle=False)
        return cls(model, bounds, settings.prediction_joints)

    def reset(self) -> None:
        """Forget the past."""
        self._state: tuple[torch.Tensor, torch.Tensor] | None = None
        self._previous = np.full(len(self._lower), GRIPPER_OPEN)

    @torch.no_grad()
    def step(self, picture: NDArray[np.uint8], joints: Vector) -> Vector:
        """Predict the next joints, (D,), in radians; see ``Policy.step``."""
        seen = joints.copy()
        seen[self._fed_back] = self._previous[self._fed_back]
        normalised = (seen - self._lower) / (self._upper - self._lower)
        image = torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float().div_(255.0)
        features = self._model.encode(image, torch.from_numpy(normalised).float()[None])
        self._state = self._model.step(features, self._state)
        predicted = self._model.decode_joints(self._state[0])[0].numpy().astype(np.float64)
        self._previous = predicted * (self._upper - self._lower) + self._lower
        return self._previous


def load_model(folder: Path) -> tuple[Model, TrainingSettings]:
    """
    Read a checkpoint written by ``train``.

    Args:
        folder: holds model.pth and args.json.

    Returns:
        The network, on the CPU, and the settings it was trained with.

    """
    arguments = json.loads((folder / 'args.json').read_text(encoding='utf-8'))
    known = TrainingSettings.__dataclass_fields__
    values = {name: value for name, value in arguments.items() if name in known}
    values['prediction_joints'] = tuple(values['prediction_joints'])
    settings = TrainingSettings(**values)
    model = build_model(settings.spec(arguments['joint_dim'], *arguments['im_size']))
    model.load_state_dict(read_weights(folder))
    return model, settings
