# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Limits and settings to test commands with."""

from __future__ import annotations

from typing import Any

import numpy as np

from eipl_trt_ros.command.drive import DriveSettings
from eipl_trt_ros.command.limits import MotionLimits
from eipl_trt_ros.command.vetting import Policies
from eipl_trt_ros.command.watchdog import WatchdogTimes

MS = 1_000_000


def make_limits(
    count: int,
    *,
    lower: float = -2.0,
    upper: float = 2.0,
    velocity: float = 2.0,
    acceleration: float = 10.0,
) -> MotionLimits:
    """Return the same limits for joint1, joint2, ..."""
    return MotionLimits(
        tuple(f'joint{i + 1}' for i in range(count)),
        np.full(count, lower),
        np.full(count, upper),
        np.full(count, velocity),
        np.full(count, acceleration),
    )


def make_times(**changes: int) -> WatchdogTimes:
    """Return times of a watchdog; the changes are in milliseconds."""
    times = {'image': 500, 'joints': 200, 'prediction': 350, 'hold': 1000, 'recovery': 300}
    return WatchdogTimes(**{name: MS * value for name, value in (times | changes).items()})


def make_settings(**changes: Any) -> DriveSettings:
    """Return settings of a drive at 100 Hz, of a model at 10 Hz."""
    settings: dict[str, Any] = {
        'command_rate': 100.0,
        'model_rate': 10.0,
        'arrival': 1.2,
        'policies': Policies(),
        'times': make_times(),
        'recovery': 'engage',
        'training_margin': 0.05,
        'max_age_ns': 500 * MS,
    }
    return DriveSettings(**(settings | changes))
