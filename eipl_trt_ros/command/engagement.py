# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Why an arm may not begin to move from where it stands."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from eipl_trt_ros.command.limits import MotionLimits
from eipl_trt_ros.robot import JointSpec

Vector = NDArray[np.float64]


class StartCheck:
    """
    Compares where the arm stands with what the model has seen and what the limits allow.

    Args:
        joints: the bundle's joints, in its order.
        limits: of those driven by position.
        margin: how far outside the training range a joint may stand, in rad.
        max_jump: how far from where the arm stands the newest prediction may be, in rad.

    """

    def __init__(
        self, joints: Sequence[JointSpec], limits: MotionLimits, margin: float, max_jump: float
    ) -> None:
        self._joints = joints
        self._limits = limits
        self._margin = margin
        self._max_jump = max_jump

    def refusal(self, measured: Vector, driven: Vector, predicted: Vector) -> str | None:
        """
        Return why the arm may not move, or None.

        Args:
            measured: (D,), rad, in the bundle's order; NaN where never measured.
            driven: (n,), the same of the joints driven by position.
            predicted: (n,), their newest prediction.

        """
        for joint, position in zip(self._joints, measured, strict=True):
            if joint.source != 'joint_states':
                continue
            low, high = joint.minimum - self._margin, joint.maximum + self._margin
            if not low <= position <= high:
                return (
                    f'{joint.name} is at {position:.4g}, outside the training range '
                    f'[{joint.minimum:.4g}, {joint.maximum:.4g}] with a margin of '
                    f'{self._margin:g}: move the arm to where the demonstrations began'
                )
        for i, name in enumerate(self._limits.names):
            position, low, high = driven[i], self._limits.lower[i], self._limits.upper[i]
            if not np.isfinite(position):
                return f'{name} is to be driven, but its position is not measured'
            if not low <= position <= high:
                return f'{name} is at {position:.4g}, outside its limits [{low:.4g}, {high:.4g}]'
            if not abs(predicted[i] - position) <= self._max_jump:
                return (
                    f'the model predicts {predicted[i]:.4g} for {name}, more than '
                    f'{self._max_jump:g} from where it is ({position:.4g})'
                )
        return None
