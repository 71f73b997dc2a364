# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
From a model's few targets a second to a controller's many commands: a path without steps.

Each joint moves by itself with constant acceleration from one command to the next: the path is
continuous in position and velocity, within its limits of velocity and acceleration at every
moment, and it never goes past its target, unless a new target lies nearer than the joint can
brake. A joint that brakes stops where it would have stopped for its earlier targets or sooner, so
a path whose targets lie within position limits stays within them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from eipl_trt_ros.command.limits import MotionLimits

_AT_REST = 1e-12  # rad and rad/s: rounding errors of a position near pi, thousands of times

Vector = NDArray[np.float64]


class PathFollower:
    """
    Moves a command towards targets, one period of the controller a step; allocates nothing.

    With ``a = acceleration * period``, a joint that brakes from the velocity v loses a in every
    step and the rest in the last one, and goes on for

        ``S(v) = period * (n**2 * a / 2 + (n + 1/2) * (v - n * a))``, ``n = floor(v / a)``.

    The velocity after a step is the greatest v' for which half a period of v and of v', and then
    S(v'), lead no farther than the target: with ``e = distance / period - v / 2`` that is
    ``v' = e / (n + 1) + a * n / 2``, ``n = floor((sqrt(1 + 8 * e / a) - 1) / 2)``.

    Args:
        limits: of the driven joints.
        period: of the controller, in seconds.

    """

    def __init__(self, limits: MotionLimits, period: float) -> None:
        self._limits = limits
        self._period = period
        self._gain = limits.acceleration * period
        count = len(limits.names)
        self.position: Vector = np.zeros(count)
        """The last command, in rad."""
        self.velocity: Vector = np.zeros(count)
        """Its velocity, in rad/s."""
        self.target: Vector = np.zeros(count)
        """Where the command goes."""
        self._steps = 0
        self._distance, self._sign, self._speed = (np.zeros(count) for _ in range(3))
        self._next, self._low, self._high, self._index = (np.zeros(count) for _ in range(4))
        self._flags = np.zeros(count, np.bool_)
        self._other = np.zeros(count, np.bool_)

    @property
    def braking_steps(self) -> int:
        """How many steps any joint needs at most to come to rest."""
        return int(np.ceil(self._limits.velocity / self._gain).max(initial=0)) + 1

    @property
    def at_rest(self) -> bool:
        """Whether every joint has come to rest on its target; one that turns back has not."""
        np.not_equal(self.velocity, 0.0, out=self._flags)
        np.not_equal(self.position, self.target, out=self._other)
        return not (self._flags.any() or self._other.any())

    def start(self, position: Vector) -> None:
        """Begin anew, at rest at a position: the first command is that position."""
        np.clip(position, self._limits.lower, self._limits.upper, out=self.position)
        self.velocity.fill(0.0)
        np.copyto(self.target, self.position)
        self._steps = 0

    def aim(self, target: Vector, steps: int) -> None:
        """
        Take a new target.

        Args:
            target: (n,), rad; cut to the position limits.
            steps: in how many steps to arrive; if the limits do not allow it, as soon as they do.

        """
        np.clip(target, self._limits.lower, self._limits.upper, out=self.target)
        self._steps = steps

    def brake(self) -> None:
        """Come to rest as soon as the limits allow."""
        speed, whole = np.abs(self.velocity, out=self._speed), self._index
        np.floor(np.divide(speed, self._gain, out=whole), out=whole)
        # S(v) = period * (n**2 * a / 2 + (n + 1/2) * (v - n * a)), as (n + 1/2) v - a n (n + 1)/2
        np.add(whole, 0.5, out=self._next)
        self._next *= speed
        np.add(whole, 1.0, out=self._low)
        self._low *= whole
        self._low *= self._gain
        self._low *= 0.5
        self._next -= self._low
        self._next *= self._period
        np.copysign(self._next, self.velocity, out=self._next)
        self._next += self.position
        self.aim(self._next, 0)

    def step(self) -> None:
        """Go on by one period of the controller."""
        sign, distance, speed = self._sign, self._distance, self._speed
        np.subtract(self.target, self.position, out=distance)
        np.copysign(1.0, distance, out=sign)
        np.abs(distance, out=distance)
        np.multiply(sign, self.velocity, out=speed)  # towards the target, from here on
        self._greatest()
        if self._steps > 0:
            np.divide(distance, self._steps * self._period, out=self._low)
            np.minimum(self._next, self._low, out=self._next)
            self._steps -= 1
        np.clip(self._next, self._low_bound(), self._high_bound(), out=self._next)
        self._next *= sign
        self.velocity += self._next
        self.velocity *= 0.5 * self._period
        self.position += self.velocity
        np.copyto(self.velocity, self._next)
        self._settle()

    def _greatest(self) -> None:
        """Put into ``_next`` the greatest velocity from which the joint can stop in time."""
        ahead, whole = self._low, self._index
        np.divide(self._distance, self._period, out=ahead)
        np.multiply(self._speed, 0.5, out=self._high)
        ahead -= self._high
        np.copysign(1.0, ahead, out=self._high)  # where negative, it must come back
        np.abs(ahead, out=ahead)
        np.divide(ahead, self._gain, out=whole)
        whole *= 8.0
        whole += 1.0
        np.sqrt(whole, out=whole)
        whole -= 1.0
        whole *= 0.5
        np.floor(whole, out=whole)
        np.multiply(whole, self._gain, out=self._next)
        self._next *= 0.5
        whole += 1.0
        ahead /= whole
        self._next += ahead
        self._next *= self._high

    def _low_bound(self) -> Vector:
        np.subtract(self._speed, self._gain, out=self._low)
        np.negative(self._limits.velocity, out=self._high)
        return np.maximum(self._low, self._high, out=self._low)

    def _high_bound(self) -> Vector:
        np.add(self._speed, self._gain, out=self._high)
        return np.minimum(self._high, self._limits.velocity, out=self._high)

    def _settle(self) -> None:
        """Take away rounding errors: none may add up, nor lead beyond a limit."""
        np.clip(self.position, self._limits.lower, self._limits.upper, out=self.position)
        np.subtract(self.target, self.position, out=self._distance)
        np.abs(self._distance, out=self._distance)
        np.less_equal(self._distance, _AT_REST, out=self._flags)
        np.abs(self.velocity, out=self._speed)
        np.less_equal(self._speed, _AT_REST / self._period, out=self._other)
        self._flags &= self._other
        np.copyto(self.position, self.target, where=self._flags)
        np.copyto(self.velocity, 0.0, where=self._flags)

    def copy_from(self, other: PathFollower) -> None:
        """Go on from where another follower of the same limits is."""
        np.copyto(self.position, other.position)
        np.copyto(self.velocity, other.velocity)
        np.copyto(self.target, other.target)
        self._steps = other._steps
