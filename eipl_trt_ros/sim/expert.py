# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The scripted teacher: wait, go above the cube, descend, close the gripper, lift, hold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eipl_trt_ros.sim.environment import HOME_POSITION
from eipl_trt_ros.sim.kinematics import Kinematics, Vector

FRAMES = 72

# Last frame of each leg of the motion, and the gripper's ramp.
WAIT_UNTIL = 3
ABOVE_AT = 24
DOWN_AT = 38
CLOSING = (39, 46)
LIFT_FROM = 48
LIFTED_AT = 63

_ABOVE = 0.13  # metres over the cube's centre
_GRASP = 0.005
_LIFT = 0.15
# What is left, after one frame, of the distance to the planned path: the expert's haste.
_RECOVERY = 0.4


@dataclass(frozen=True)
class Expert:
    """
    A plan for one cube.

    Attributes:
        path: float64 (frames + 1, 3), where the fingertips shall meet, metres, one a frame.
        gripper: float64 (frames + 1,), its command, 0 open, 1 closed.

    """

    path: Vector
    gripper: Vector

    @classmethod
    def for_cube(cls, cube: Vector, frames: int = FRAMES) -> Expert:
        """
        Plan the motion to a cube.

        Args:
            cube: float64 (3,), its centre, metres.
            frames: how many frames the plan covers, at 10 a second.

        """
        up = np.array([0.0, 0.0, 1.0])
        above, down, lifted = cube + _ABOVE * up, cube + _GRASP * up, cube + _LIFT * up
        time = np.arange(frames + 1)
        path = np.tile(HOME_POSITION, (frames + 1, 1))
        for start, end, target in (
            (WAIT_UNTIL, ABOVE_AT, above),
            (ABOVE_AT, DOWN_AT, down),
            (LIFT_FROM, LIFTED_AT, lifted),
        ):
            share = minimum_jerk((time - start) / (end - start))[:, None]
            path = path + share * (target - path[min(start, frames)])
        begin, end = CLOSING
        ramp = 0.5 - 0.5 * np.cos(np.pi * np.clip((time - begin) / (end - begin), 0.0, 1.0))
        return cls(path, ramp)

    def command(
        self, frame: int, displacement: Vector, near: Vector, kinematics: Kinematics
    ) -> Vector:
        """
        Tell where to be at the next frame.

        Args:
            frame: the present one, from 0.
            displacement: float64 (3,), how far the fingertips are off the path now, metres.
            near: float64 (7,), present joint angles, radians.
            kinematics: of the arm.

        Returns:
            float64 (8,): joint angles in radians and the gripper's command.

        """
        goal = self.path[frame + 1] + _RECOVERY * displacement
        return np.append(kinematics.joints_for(goal, near), self.gripper[frame + 1])


def minimum_jerk(share: Vector) -> Vector:
    """Go smoothly from 0 to 1 (Flash and Hogan 1985): share of the way at a share of the time."""
    share = np.clip(share, 0.0, 1.0)
    return share**3 * (10.0 - 15.0 * share + 6.0 * share**2)
