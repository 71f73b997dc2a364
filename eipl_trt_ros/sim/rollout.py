# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Closed loop: a policy sees the simulated camera and moves the simulated arm."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from eipl_trt_ros.sim.environment import PandaEnvironment
from eipl_trt_ros.sim.expert import FRAMES
from eipl_trt_ros.sim.kinematics import Vector
from eipl_trt_ros.sim.positions import Placement

EXTRA_FRAMES = 18  # a policy may be a little slower than the expert


class Policy(Protocol):
    """Whatever turns a picture and joints into the next joints."""

    def reset(self) -> None:
        """Forget the past."""

    def step(self, picture: NDArray[np.uint8], joints: Vector) -> NDArray[np.floating]:
        """
        Tell where the joints shall be at the next frame.

        Args:
            picture: uint8 (128, 128, 3), RGB.
            joints: float64 (8,), measured, in radians, and the gripper's command.

        Returns:
            (8,), in the same units.

        """


@dataclass(frozen=True)
class Outcome:
    """
    How one rollout went.

    Attributes:
        placement: where the cube lay.
        hidden: whether the cube was invisible (the control).
        lifted: whether the cube was in the air at the end.
        miss: smallest distance, across the table, between the fingertips and the cube's first
            place while the fingertips were at its height, metres; infinity if they never were.

    """

    placement: Placement
    hidden: bool
    lifted: bool
    miss: float


def roll_out(environment: PandaEnvironment, policy: Policy, placement: Placement, *,
             hidden: bool = False, frames: int = FRAMES + EXTRA_FRAMES) -> Outcome:
    """
    Let a policy try once.

    Args:
        environment: the robot; it is reset first.
        policy: what moves it; it is reset first.
        placement: of the cube.
        hidden: do not draw the cube: a policy that looks must fail then.
        frames: how long, at 10 a second.

    """
    environment.reset((placement.x, placement.y), yaw=placement.yaw, hidden=hidden)
    policy.reset()
    first = environment.cube_position
    miss = math.inf
    for _ in range(frames):
        joints = environment.joints
        tip = environment.kinematics.pinch_position(joints[:-1])
        if tip[2] < environment.settings.cube_side:
            miss = min(miss, float(np.hypot(*(tip - first)[:2])))
        environment.step(policy.step(environment.picture(), joints))
    return Outcome(placement, hidden, environment.lifted, miss)


def success_rate(outcomes: Sequence[Outcome]) -> tuple[int, int]:
    """Count the rollouts that lifted the cube, and all of them."""
    return sum(outcome.lifted for outcome in outcomes), len(outcomes)
