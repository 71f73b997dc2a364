# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Decides whether a prediction becomes a target, cut to what is allowed, or is dropped."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eipl_trt_ros.command.interventions import Intervention, Interventions
from eipl_trt_ros.command.limits import MotionLimits
from eipl_trt_ros.command.path import PathFollower

POLICIES = ('clamp', 'refuse')

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Policies:
    """
    What happens to a prediction beyond a limit: ``clamp`` cuts it down, ``refuse`` drops it.

    A dropped prediction leaves the target as it is: the arm finishes its way and holds there.

    Attributes:
        position: of predictions outside the position limits.
        velocity: of predictions that ask for more than the velocity limit within a model period;
            clamped, they are reached later.
        acceleration: the same for acceleration.
        jump: of predictions farther than ``max_jump`` from the measured position.
        max_jump: in rad; also how far the command may run away from the measured position.

    """

    position: str = 'clamp'
    velocity: str = 'clamp'
    acceleration: str = 'clamp'
    jump: str = 'refuse'
    max_jump: float = 0.35


class Vetting:
    """
    Checks predictions in one order: finite, position, jump, velocity, acceleration.

    Args:
        limits: of the driven joints.
        policies: what to do with a prediction beyond one.
        model_period: in seconds; the time a prediction is meant for.
        interventions: counts what was found.

    """

    def __init__(
        self,
        limits: MotionLimits,
        policies: Policies,
        model_period: float,
        interventions: Interventions,
    ) -> None:
        self._limits = limits
        self._policies = policies
        self._period = model_period
        self._interventions = interventions
        count = len(limits.names)
        self.target: Vector = np.zeros(count)
        """The last prediction that was let through, as it was let through."""
        self._wanted, self._scratch, self._other = (np.zeros(count) for _ in range(3))
        self._bad = np.zeros(count, np.bool_)

    def check(
        self, predicted: Vector, measured: Vector, command: PathFollower, now_ns: int
    ) -> bool:
        """
        Check one prediction; `target` is written only where it is let through.

        Args:
            predicted: (n,), rad.
            measured: (n,), rad; NaN where a joint was never measured.
            command: the path as it is now.
            now_ns: on a steady clock.

        Returns:
            Whether there is a new target.

        """
        wanted, scratch, bad = self._wanted, self._scratch, self._bad
        limits, policies = self._limits, self._policies
        np.copyto(wanted, predicted)
        np.logical_not(np.isfinite(wanted, out=bad), out=bad)
        if bad.any():
            self._tell(Intervention.NOT_FINITE, 'refuse', predicted, now_ns)
            return False
        np.logical_not(np.isfinite(measured, out=bad), out=bad)
        if bad.any():
            self._tell(Intervention.NOT_MEASURED, 'refuse', measured, now_ns)
            return False
        np.clip(wanted, limits.lower, limits.upper, out=scratch)
        np.not_equal(wanted, scratch, out=bad)
        if not self._allow(Intervention.POSITION, policies.position, predicted, now_ns):
            return False
        np.copyto(wanted, scratch)
        np.subtract(wanted, measured, out=scratch)
        np.clip(scratch, -policies.max_jump, policies.max_jump, out=self._other)
        np.not_equal(scratch, self._other, out=bad)
        if not self._allow(Intervention.JUMP, policies.jump, predicted, now_ns):
            return False
        np.add(measured, self._other, out=wanted, where=bad)
        if not self._dynamics(command, predicted, now_ns):
            return False
        np.copyto(self.target, wanted)
        return True

    def _dynamics(self, command: PathFollower, predicted: Vector, now_ns: int) -> bool:
        """Check the mean velocity and the constant acceleration that would lead there in time."""
        need, bad = self._scratch, self._bad
        np.subtract(self._wanted, command.position, out=need)
        need /= self._period
        np.greater(np.abs(need, out=self._other), self._limits.velocity, out=bad)
        policies = self._policies
        if not self._allow(Intervention.VELOCITY, policies.velocity, predicted, now_ns):
            return False
        need -= command.velocity
        need *= 2.0 / self._period
        np.greater(np.abs(need, out=need), self._limits.acceleration, out=bad)
        return self._allow(Intervention.ACCELERATION, policies.acceleration, predicted, now_ns)

    def _allow(self, kind: Intervention, policy: str, values: Vector, now_ns: int) -> bool:
        """Count what is marked as bad; tell whether the prediction may still be used."""
        if not self._bad.any():
            return True
        self._tell(kind, policy, values, now_ns)
        return policy == 'clamp'

    def _tell(self, kind: Intervention, policy: str, values: Vector, now_ns: int) -> None:
        joints = ', '.join(
            f'{name} {value:.4g}'
            for name, value, bad in zip(self._limits.names, values, self._bad, strict=True)
            if bad
        )
        done = 'clamped' if policy == 'clamp' else 'refused'
        self._interventions.add(kind, f'{joints}; {done}', now_ns)
