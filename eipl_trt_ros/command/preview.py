# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The whole way to a target at once, as a joint_trajectory_controller takes it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from eipl_trt_ros.command.limits import MotionLimits
from eipl_trt_ros.command.path import PathFollower


class Preview:
    """
    Runs a path ahead into memory taken once.

    The way ends at rest whatever comes: at the target, or, where that is too far, by braking after
    ``steps``. A controller that is sent nothing more stops there.

    Args:
        limits: of the driven joints.
        period: of the controller, in seconds.
        steps: how far ahead to follow the target.

    """

    def __init__(self, limits: MotionLimits, period: float, steps: int) -> None:
        self._ahead = PathFollower(limits, period)
        self.steps = steps
        """After so many it begins to brake."""
        self.longest = steps + self._ahead.braking_steps
        """The most points there may be."""
        shape = (self.longest, len(limits.names))
        self.positions: NDArray[np.float64] = np.zeros(shape)
        """(points, n), rad: where the joints are after each period."""
        self.velocities: NDArray[np.float64] = np.zeros(shape)
        """(points, n), rad/s; the last row is zero."""

    def run(self, follower: PathFollower) -> int:
        """
        Write the way ahead of a follower, which itself stays where it is.

        Returns:
            How many rows were written, at least 1.

        """
        ahead = self._ahead
        ahead.copy_from(follower)
        for row in range(self.longest):
            if row == self.steps:
                ahead.brake()
            ahead.step()
            np.copyto(self.positions[row], ahead.position)
            np.copyto(self.velocities[row], ahead.velocity)
            if ahead.at_rest:
                return row + 1
        return self.longest
