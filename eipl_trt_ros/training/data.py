# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Demonstrations on the training device, and the batches made of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eipl_trt_ros.documents import read_array
from eipl_trt_ros.training.settings import TrainingError, TrainingSettings


@dataclass(frozen=True)
class Demonstrations:
    """
    All demonstrations of a split.

    Attributes:
        images: uint8 (N, T, 3, H, W).
        joints: float32 (N, T, D), measured, normalised to 0..1.
        targets: float32 (N, T, D), what joints should be at the next frame, normalised.
        cubes: float32 (N, T, 3), metres; NaN where the data does not tell.

    """

    images: Tensor
    joints: Tensor
    targets: Tensor
    cubes: Tensor

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True)
class Batch:
    """
    What one update sees.

    Attributes:
        images: float32 (N, T, 3, H, W), normalised, without noise.
        noise: standard deviation of the noise to add to the images that the model sees.
        joints: float32 (N, T, D), with noise.
        targets: float32 (N, T, D).
        fed_back: bool (N, T, D), where the model sees its own prediction in place of joints.

    """

    images: Tensor
    noise: float
    joints: Tensor
    targets: Tensor
    fed_back: Tensor


def load_bounds(folder: Path) -> NDArray[np.float64]:
    """
    Read joint_bounds.npy, float64 (2, D).

    Args:
        folder: that holds the splits.

    Raises:
        TrainingError: it is not there.

    """
    return _load(folder / 'joint_bounds.npy').astype(np.float64)


def load_demonstrations(folder: Path, split: str, device: torch.device) -> Demonstrations:
    """
    Read a split of EIPL-style arrays.

    Without ``targets.npy`` the target of a frame is what the joints are at the next one, as in
    EIPL; the last frame then is its own target.

    Args:
        folder: holds joint_bounds.npy and a folder for each split.
        split: such as ``'train'``.
        device: where the tensors shall live.

    Raises:
        TrainingError: an array is missing.

    """
    lower, upper = load_bounds(folder)
    source = folder / split
    images = torch.from_numpy(_load(source / 'images.npy')).to(device).permute(0, 1, 4, 2, 3)
    joints = _load(source / 'joints.npy')
    targets = (
        _load(source / 'targets.npy')
        if (source / 'targets.npy').exists()
        else np.concatenate([joints[:, 1:], joints[:, -1:]], axis=1)
    )
    cubes = (
        _load(source / 'cubes.npy')
        if (source / 'cubes.npy').exists()
        else np.full((*joints.shape[:2], 3), np.nan)
    )

    def normalised(array: NDArray[np.floating]) -> Tensor:
        return torch.from_numpy(((array - lower) / (upper - lower)).astype(np.float32)).to(device)

    return Demonstrations(
        images.contiguous(),
        normalised(joints),
        normalised(targets),
        torch.from_numpy(cubes.astype(np.float32)),
    )


def make_batch(
    data: Demonstrations,
    rows: Tensor,
    settings: TrainingSettings,
    *,
    feedback: float,
    generator: torch.Generator,
) -> Batch:
    """
    Take some demonstrations and disturb what the model will see of them.

    Args:
        data: where they are from.
        rows: int64 (N,), which ones.
        settings: how much to disturb.
        feedback: largest share of fed-back frames, at this point of the run.
        generator: on the data's device.

    """
    device = data.images.device

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, device=device, generator=generator)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(shape, device=device, generator=generator)

    count, frames, joint_dim = len(rows), data.joints.shape[1], data.joints.shape[2]
    images = data.images[rows].float().div_(255.0)
    contrast = 1 + settings.brightness * (2 * uniform(count, 1, 1, 1, 1) - 1)
    shift = settings.brightness * (2 * uniform(count, 1, 1, 1, 1) - 1)
    images = images.sub_(0.5).mul_(contrast).add_(0.5 + shift)

    joints = (
        data.joints[rows]
        + settings.joint_noise * normal(count, frames, joint_dim)
        + settings.joint_offset * normal(count, 1, joint_dim)
    )
    share = feedback * uniform(count, 1, 1)  # demonstrations differ in how much is fed back
    fed_back = (uniform(count, frames, 1) < share).expand(-1, -1, joint_dim).clone()
    fed_back[:, :, list(settings.prediction_joints)] = True
    fed_back[:, 0] = False  # there is no prediction yet
    joints[:, 0, list(settings.prediction_joints)] = data.joints[rows, 0][
        :, list(settings.prediction_joints)
    ]
    return Batch(images, settings.image_noise, joints, data.targets[rows], fed_back)


def _load(path: Path) -> NDArray[Any]:
    try:
        return read_array(path)
    except (OSError, ValueError) as error:
        msg = (
            f'cannot read {path}: {error}; record demonstrations first, with '
            'python -m eipl_trt_ros.sim demonstrations FOLDER'
        )
        raise TrainingError(msg) from error
