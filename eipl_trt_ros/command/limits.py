# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What each driven joint may do: position, velocity and acceleration, from several sources."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from eipl_trt_ros.errors import LimitsError


@dataclass(frozen=True)
class JointLimit:
    """
    What one source says of one joint; None where it says nothing.

    Attributes:
        lower, upper: positions that may be commanded, in rad (m for a prismatic joint). Infinite
            for a joint that turns without end.
        velocity: greatest speed, in rad/s, above 0.
        acceleration: greatest acceleration, in rad/s^2, above 0.

    """

    lower: float | None = None
    upper: float | None = None
    velocity: float | None = None
    acceleration: float | None = None


@dataclass(frozen=True)
class MotionLimits:
    """The limits of all driven joints: float64 (n,) each, in the order of ``names``."""

    names: tuple[str, ...]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    velocity: NDArray[np.float64]
    acceleration: NDArray[np.float64]


def narrower(one: JointLimit, other: JointLimit) -> JointLimit:
    """Return what both sources allow: of two values the narrower, of one the one there is."""
    return JointLimit(
        lower=_pick(max, one.lower, other.lower),
        upper=_pick(min, one.upper, other.upper),
        velocity=_pick(min, one.velocity, other.velocity),
        acceleration=_pick(min, one.acceleration, other.acceleration),
    )


def _pick(
    choose: Callable[[list[float]], float], one: float | None, other: float | None
) -> float | None:
    known = [value for value in (one, other) if value is not None]
    return choose(known) if known else None


def resolve_limits(
    names: Sequence[str],
    sources: Sequence[Mapping[str, JointLimit]],
    *,
    default_acceleration: float | None = None,
    speed_scale: float = 1.0,
) -> MotionLimits:
    """
    Put together what several sources allow; where two speak, the narrower counts.

    Args:
        names: the driven joints.
        sources: limits by joint name, such as the URDF's and the parameters'.
        default_acceleration: in rad/s^2, for joints of which no source tells one.
        speed_scale: velocities and accelerations are multiplied by this, 0 to 1.

    Raises:
        LimitsError: a limit of a joint is told by no source, or the limits contradict each other.

    """
    resolved = []
    unknown: list[str] = []
    for name in names:
        limit = JointLimit()
        for source in sources:
            limit = narrower(limit, source.get(name, JointLimit()))
        if limit.acceleration is None:
            limit = narrower(limit, JointLimit(acceleration=default_acceleration))
        missing = [field.name for field in fields(limit) if getattr(limit, field.name) is None]
        if missing:
            unknown.append(f'{name} ({", ".join(missing)})')
        else:
            _check(name, limit)
        resolved.append(limit)
    if unknown:
        msg = (
            f'limits unknown: {"; ".join(unknown)}: give them by robot_description or by the '
            'parameters limits.<joint>.<limit>'
        )
        raise LimitsError(msg)

    def column(name: str, scale: float = 1.0) -> NDArray[np.float64]:
        return np.array([scale * getattr(limit, name) for limit in resolved], np.float64)

    return MotionLimits(
        names=tuple(names),
        lower=column('lower'),
        upper=column('upper'),
        velocity=column('velocity', speed_scale),
        acceleration=column('acceleration', speed_scale),
    )


def _check(name: str, limit: JointLimit) -> None:
    lower, upper = limit.lower, limit.upper
    if lower is None or upper is None or not lower < upper:
        msg = f'joint {name!r}: the lower limit {lower} is not below the upper limit {upper}'
        raise LimitsError(msg)
    for what in ('velocity', 'acceleration'):
        value = getattr(limit, what)
        if not (math.isfinite(value) and value > 0):
            msg = f'joint {name!r}: the {what} limit is {value}, expected a number above 0'
            raise LimitsError(msg)
