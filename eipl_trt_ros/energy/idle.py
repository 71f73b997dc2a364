# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a board draws at rest, and what is spent above that."""

from __future__ import annotations

import math
from dataclasses import dataclass

from eipl_trt_ros.energy.integrate import Energy
from eipl_trt_ros.energy.meter import PredictorEnergy, WindowReport


@dataclass(frozen=True)
class IdlePower:
    """
    The power of a board at rest.

    Attributes:
        power_mw: in mW.
        uncertainty_mw: standard uncertainty from sampling; 0 where the power was given by hand.

    """

    power_mw: float
    uncertainty_mw: float = 0.0


def idle_power(window: WindowReport) -> IdlePower:
    """Return the mean power of a window in which nothing ran."""
    energy, seconds = window.energy, window.seconds
    return IdlePower(energy.energy_mj / seconds, energy.uncertainty_mj / seconds)


def above_idle(window: WindowReport, idle: IdlePower) -> Energy:
    """Return a window's energy less that of the board at rest."""
    at_rest_mj = idle.power_mw * window.seconds
    uncertainty_mj = math.hypot(window.energy.uncertainty_mj, idle.uncertainty_mw * window.seconds)
    return Energy(window.energy.energy_mj - at_rest_mj, uncertainty_mj)


def frame_above_idle(above: Energy, of_one: PredictorEnergy) -> Energy:
    """Return a predictor's part of a window's energy above idle, per frame."""
    part = of_one.share / of_one.frames
    return Energy(above.energy_mj * part, above.uncertainty_mj * part)
