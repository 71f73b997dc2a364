# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Demonstrations to calibrate with: recordings, or the arrays that EIPL trains on."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.documents import read_array
from eipl_trt_ros.errors import BagError
from eipl_trt_ros.evaluation.bags import Bag, JointsEvent
from eipl_trt_ros.picture import PictureShaper
from eipl_trt_ros.sync import Synchronizer


@dataclass(frozen=True)
class Demonstration:
    """
    One demonstration, as a bundle's model sees it; T frames at its rate.

    Attributes:
        images: uint8 (T, H, W, 3).
        joints: float32 (T, D), joint units (rad); NaN where a joint was not recorded.

    """

    images: NDArray[np.uint8]
    joints: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.images)


def digest(demonstrations: Sequence[Demonstration]) -> str:
    """Return a SHA-256 that is equal for equal demonstrations in equal order."""
    result = hashlib.sha256()
    for one in demonstrations:
        result.update(repr((one.images.shape, one.joints.shape)).encode())
        result.update(np.ascontiguousarray(one.images).data)
        result.update(np.ascontiguousarray(one.joints).data)
    return result.hexdigest()


def read_demonstrations(path: Path, bundle: Bundle) -> list[Demonstration]:
    """
    Read demonstrations for a bundle.

    Args:
        path: a rosbag2 recording, read as the node would; or a folder that holds EIPL's
            ``images.npy``, uint8 (N, T, H, W, 3) in the bundle's encoding and size, and
            ``joints.npy``, float (N, T, D) in joint units.
        bundle: the model.

    Raises:
        BagError: there is nothing of the kind, or it does not fit the bundle.

    """
    if (path / 'images.npy').is_file():
        return _read_arrays(path, bundle)
    return [_read_bag(path, bundle)]


def _read_arrays(path: Path, bundle: Bundle) -> list[Demonstration]:
    model = bundle.model
    try:
        images = read_array(path / 'images.npy')
        joints = read_array(path / 'joints.npy')
    except (OSError, ValueError) as error:
        msg = f'{path}: the demonstrations cannot be read: {error}'
        raise BagError(msg) from None
    ends = (model.image_height, model.image_width, 3)
    if images.dtype != np.uint8 or images.ndim != 5 or images.shape[2:] != ends:
        msg = (
            f'{path}/images.npy is {images.dtype} {images.shape}, expected uint8 (N, T, '
            f'{", ".join(map(str, ends))}): pictures as the model sees them'
        )
        raise BagError(msg)
    if joints.dtype.kind != 'f' or joints.shape != (*images.shape[:2], model.joint_dim):
        expected = (*images.shape[:2], model.joint_dim)
        msg = f'{path}/joints.npy is {joints.dtype} {joints.shape}, expected float {expected}'
        raise BagError(msg)
    return [
        Demonstration(pictures, positions.astype(np.float32))
        for pictures, positions in zip(images, joints, strict=True)
    ]


def _read_bag(path: Path, bundle: Bundle) -> Demonstration:
    """Take the frames that the node would run; only the first stretch, if time jumps back."""
    model = bundle.model
    shaper = PictureShaper(bundle.camera, model.image_height, model.image_width)
    synchronizer = Synchronizer(bundle.joints, rate_hz=bundle.rate_hz)
    measured = [joint.name for joint in bundle.joints if joint.source == 'joint_states']
    images: list[NDArray[np.uint8]] = []
    joints: list[NDArray[np.float32]] = []
    with Bag(path, joint_names=measured) as bag:
        for event in bag.events():
            if isinstance(event, JointsEvent):
                synchronizer.add_joints(event.stamp_ns, event.names, event.positions.tolist())
                continue
            offer = synchronizer.offer(event.stamp_ns)
            if offer.reset and images:
                break
            if offer.cause is None:
                picture = np.empty((model.image_height, model.image_width, 3), np.uint8)
                shaper.shape_into(event.picture(bundle.camera.encoding), picture)
                images.append(picture)
                joints.append(offer.joints.astype(np.float32))
    if not images:
        msg = f'{path}: no image became a frame: do its images and joints cover the same time?'
        raise BagError(msg)
    return Demonstration(np.stack(images), np.stack(joints))
