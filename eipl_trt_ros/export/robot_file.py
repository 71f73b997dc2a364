# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The YAML file that tells how a model is wired to its robot, which no checkpoint knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eipl_trt_ros.documents import read_yaml
from eipl_trt_ros.errors import BundleError, CheckpointError
from eipl_trt_ros.records import read_record
from eipl_trt_ros.robot import CameraSpec, JointSpec

TEMPLATE = """\
# How a trained model is wired to its robot. For: eipl_trt import --robot THIS_FILE

# Rate of the training data in Hz. The model is stepped at this rate, whatever the camera's.
rate_hz: 10.0

# What was done to the camera's pictures before training; the robot then does the same, in the
# order stride, crop, flip, resize to the model's image.
camera:
  # Channel order of the training pictures: rgb8 or bgr8. OpenCV reads bgr8, and so EIPL's data
  # of AIREC and OpenManipulator is bgr8; robosuite's is rgb8. A wrong order does not fail, it
  # only predicts badly.
  encoding: bgr8
  # Keep every n-th row and column (AIREC: 2); 1 keeps all.
  stride: 1
  # Part of the picture after the stride, in pixels, such as
  # {top: 150, left: 110, height: 320, width: 320} (AIREC); null keeps all.
  crop: null
  # none, vertical (upside down; robosuite), horizontal (mirrored) or both.
  flip: none

# One entry per dimension of the joint vector, in the order of the training data. A name alone is
# a joint that is measured in joint_states and moved to the predicted position.
joints:
  - joint1
  - joint2
  # A gripper that nobody measures: the model gets its own last prediction (at first: initial),
  # and the gripper closes above one value and opens below another.
  - name: gripper
    source: prediction
    initial: 0.0
    sink: open_close
    close_above: 0.7
    open_below: 0.3
"""

_FASTEST = 10_000  # Hz, far above any model's
_HINTS = {
    'rate_hz': 'the rate of the training data in Hz',
    'camera': 'what was done to the pictures before training',
    'joints': "the names of the joints in the model's order",
}


@dataclass(frozen=True)
class _Wiring:
    """A joint without its bounds, which come from the training data."""

    name: str
    source: str
    sink: str
    initial: float | None = None
    close_above: float | None = None
    open_below: float | None = None


@dataclass(frozen=True)
class RobotFile:
    """
    What the file says.

    Attributes:
        path: the file.
        rate_hz: rate of the training data in Hz.
        camera: how pictures were prepared.

    """

    path: Path
    rate_hz: float
    camera: CameraSpec
    _joints: tuple[_Wiring, ...]

    def joints(self, bounds: NDArray[np.float64]) -> tuple[JointSpec, ...]:
        """
        Put wiring and bounds together.

        Args:
            bounds: float64 (2, D), minima and maxima, in joint units.

        Raises:
            CheckpointError: the file lists another number of joints, or the two do not fit.

        """
        if len(self._joints) != bounds.shape[1]:
            names = ', '.join(joint.name for joint in self._joints)
            msg = (
                f'{self.path} lists {len(self._joints)} joints ({names}), but the model has '
                f'{bounds.shape[1]}'
            )
            raise CheckpointError(msg)
        try:
            return tuple(
                JointSpec(
                    joint.name,
                    float(low),
                    float(high),
                    joint.source,
                    joint.sink,
                    joint.initial,
                    joint.close_above,
                    joint.open_below,
                )
                for joint, low, high in zip(self._joints, *bounds, strict=True)
            )
        except BundleError as error:
            msg = f'{self.path}: {error}'
            raise CheckpointError(msg) from None


def read_robot_file(path: Path) -> RobotFile:
    """
    Read a robot file, such as `TEMPLATE`; nothing in it has a default.

    Args:
        path: the YAML file.

    Raises:
        CheckpointError: it cannot be read, or a key is missing, unknown or wrong.

    """
    try:
        data = read_yaml(path)
    except (OSError, ValueError) as error:
        msg = f'{path} cannot be read as YAML: {error}'
        raise CheckpointError(msg) from None
    try:
        return _parse(path, data)
    except BundleError as error:
        msg = f'{path}: {error} (eipl_trt import --template shows a whole file)'
        raise CheckpointError(msg) from None


def _parse(path: Path, data: Any) -> RobotFile:
    if not isinstance(data, Mapping):
        msg = f'it must hold {", ".join(_HINTS)}, found {type(data).__name__}'
        raise BundleError(msg)
    for key in (*_HINTS, *data):
        if key not in data:
            msg = f'it lacks {key}: {_HINTS[key]}'
            raise BundleError(msg)
        if key not in _HINTS:
            msg = f'it has the unknown key {key!r}; known are {", ".join(_HINTS)}'
            raise BundleError(msg)
    rate, camera, joints = data['rate_hz'], data['camera'], data['joints']
    if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 < rate < _FASTEST:
        msg = f'rate_hz must be a number above 0, found {rate!r}'
        raise BundleError(msg)
    if isinstance(camera, Mapping) and 'encoding' not in camera:
        msg = (
            'camera lacks encoding: rgb8 or bgr8, the channel order of the training pictures '
            "(OpenCV reads bgr8; EIPL's data of AIREC and OpenManipulator is bgr8)"
        )
        raise BundleError(msg)
    if not isinstance(joints, list):
        msg = f'joints must be a list, found {joints!r}'
        raise BundleError(msg)
    return RobotFile(
        path,
        float(rate),
        read_record(CameraSpec, camera, 'camera'),
        tuple(_wiring(joint, f'joints[{i}]') for i, joint in enumerate(joints)),
    )


def _wiring(joint: Any, where: str) -> _Wiring:
    if isinstance(joint, str):
        return _Wiring(joint, 'joint_states', 'position')
    wiring: _Wiring = read_record(_Wiring, joint, where)
    return wiring
