# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A path through waypoints over time, as ros2_control's joint trajectories are interpolated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from eipl_trt_ros.sim.kinematics import Vector


@dataclass(frozen=True)
class State:
    """
    Where joints are at a moment, and how they move as far as that is said.

    Attributes:
        positions: float64 (D,), radians.
        velocities: float64 (D,), rad/s, or ``None``.
        accelerations: float64 (D,), rad/s^2, or ``None``.

    """

    positions: Vector
    velocities: Vector | None = None
    accelerations: Vector | None = None

    @property
    def order(self) -> int:
        """How many derivatives are given without a gap: 0, 1 or 2."""
        if self.velocities is None:
            return 0
        return 1 if self.accelerations is None else 2


@dataclass(frozen=True)
class Waypoint:
    """A state and when it is to be reached, in nanoseconds."""

    time_ns: int
    state: State


def between(first: State, second: State, share: float, seconds: float) -> State:
    """
    Interpolate with the polynomial that fits what both ends say.

    A straight line where one of them has positions only, a cubic where both have velocities, a
    quintic where both have accelerations too. The coefficients follow from the values and
    derivatives at both ends, with time counted in shares of the way.

    Args:
        first: at share 0.
        second: at share 1.
        share: of the time between them, 0 to 1.
        seconds: between them, above 0.

    """
    order = min(first.order, second.order)
    start, way = first.positions, second.positions - first.positions
    zero = np.zeros_like(start)
    v0, v1, a0, a1 = (
        zero if given is None or order < needed else given * seconds**needed
        for given, needed in (
            (first.velocities, 1),
            (second.velocities, 1),
            (first.accelerations, 2),
            (second.accelerations, 2),
        )
    )
    if order == 0:
        terms = [start, way]
    elif order == 1:
        terms = [start, v0, 3 * way - 2 * v0 - v1, v0 + v1 - 2 * way]
    else:
        terms = [
            start,
            v0,
            a0 / 2,
            10 * way - 6 * v0 - 4 * v1 - 1.5 * a0 + 0.5 * a1,
            -15 * way + 8 * v0 + 7 * v1 + 1.5 * a0 - a1,
            6 * way - 3 * (v0 + v1) - 0.5 * (a0 - a1),
        ]
    derivatives = [terms]
    for _ in range(2):
        derivatives.append([n * term for n, term in enumerate(derivatives[-1])][1:])
    positions, velocities, accelerations = (
        sum((term * share**n for n, term in enumerate(row)), zero) for row in derivatives
    )
    return State(positions, velocities / seconds, accelerations / seconds**2)


class Trajectory:
    """
    A start and the waypoints after it; beyond the last one, it rests there.

    Args:
        start: where the joints were when the trajectory was taken over.
        waypoints: in the order of their times, at least one. Where the first one's time is not
            after the start's, the path begins at it with a step.

    """

    def __init__(self, start: Waypoint, waypoints: Sequence[Waypoint]) -> None:
        self._waypoints = [start, *waypoints]

    def at(self, time_ns: int) -> State:
        """Tell where the joints shall be."""
        for first, second in pairwise(self._waypoints):
            if first.time_ns <= time_ns < second.time_ns:
                length = second.time_ns - first.time_ns
                share = (time_ns - first.time_ns) / length
                return between(first.state, second.state, share, length / 1e9)
        last = self._waypoints[-1].state
        rest = np.zeros_like(last.positions)
        return State(last.positions, rest, rest)
