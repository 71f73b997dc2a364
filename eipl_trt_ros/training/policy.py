# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A trained checkpoint as a policy of the simulated robot, through PyTorch on the CPU."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from eipl_trt_ros.sim.kinematics import Vector
from eipl_trt_ros.training.checkpoint import Checkpoint, read_checkpoint

GRIPPER_OPEN = 0.0


class CheckpointPolicy:
    """
    Runs a model frame by frame; see ``eipl_trt_ros.sim.rollout.Policy``.

    Args:
        checkpoint: the model; of the settings' ``prediction_joints`` it sees its own prediction.

    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._model = checkpoint.model.eval()
        self._lower, self._upper = checkpoint.bounds
        self._fed_back = list(checkpoint.settings.prediction_joints)
        self.reset()

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


@functools.cache
def load_policy(folder: Path) -> CheckpointPolicy:
    """Read a checkpoint's folder, once a process, to run on one core."""
    torch.set_num_threads(1)
    return CheckpointPolicy(read_checkpoint(folder))
