# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
From power to energy, on the samples' own stamps.

Between two samples the power is taken to be on the straight line between them (trapezoid), and a
window that begins or ends between two samples gets its part of that line. Where samples are
further apart than a limit, nothing is known of the power there, and the energy is refused rather
than bridged.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eipl_trt_ros.energy.history import Trace
from eipl_trt_ros.errors import EnergyError

LONGEST_GAP = 3.0
"""How many sampling intervals may lie between two samples; more is a gap."""


COUNTER_RENEWAL = 0.1
"""Seconds after which an energy counter is renewed: those of NVML, seen on an H200."""


@dataclass(frozen=True)
class Energy:
    """
    The energy of a window.

    Attributes:
        energy_mj: in mJ.
        uncertainty_mj: standard uncertainty in mJ that comes from sampling alone, see
            `power_integral` and `counter_difference`; the sensor's own error is not in it.

    """

    energy_mj: float
    uncertainty_mj: float


def window_energy(trace: Trace, begin_ns: int, end_ns: int, gap_ns: float) -> Energy:
    """
    Return the energy of a window: by the counter where there is one, else by integration.

    Raises:
        EnergyError: see `power_integral`.

    """
    if has_counter(trace, begin_ns, end_ns):
        return counter_difference(trace.stamps_ns, trace.energy_mj, begin_ns, end_ns, gap_ns)
    return power_integral(trace.stamps_ns, trace.power_mw, begin_ns, end_ns, gap_ns)


def has_counter(trace: Trace, begin_ns: int, end_ns: int) -> bool:
    """Return whether all samples that a window needs have a counter's reading."""
    first = max(0, int(np.searchsorted(trace.stamps_ns, begin_ns, side='right')) - 1)
    last = int(np.searchsorted(trace.stamps_ns, end_ns, side='left'))
    readings = trace.energy_mj[first : last + 1]
    return len(readings) > 0 and not np.isnan(readings).any()


def unbroken_since(trace: Trace, gap_ns: float) -> int:
    """Return the stamp of the first sample after the last gap; there must be a sample."""
    gaps = np.flatnonzero(np.diff(trace.stamps_ns) > gap_ns)
    return int(trace.stamps_ns[gaps[-1] + 1 if len(gaps) else 0])


def power_integral(
    stamps_ns: NDArray[np.int64],
    power_mw: NDArray[np.float64],
    begin_ns: int,
    end_ns: int,
    gap_ns: float,
) -> Energy:
    """
    Integrate power over a window by the trapezoidal rule.

    The uncertainty is that of a mean of independent samples, with the variance taken from
    successive differences (von Neumann et al., Annals of Mathematical Statistics 12, 1941), so
    that a slow drift, which the samples follow, does not count as noise:
    u^2 = sum over intervals of (difference of the two powers x seconds)^2 / 2. It holds for power
    that varies faster than it is sampled, if the sampling does not keep step with it, and is too
    large where the samples follow the power.

    Args:
        stamps_ns: (N,), strictly increasing.
        power_mw: (N,), the power at each stamp.
        begin_ns: begin of the window, not before the first stamp.
        end_ns: end of the window, after its begin, not after the last stamp.
        gap_ns: samples further apart than this leave a gap.

    Returns:
        The energy in mJ.

    Raises:
        EnergyError: the samples do not cover the window, or leave a gap in it, or tell no power.

    """
    stamps, power = _covering(stamps_ns, power_mw, begin_ns, end_ns, gap_ns)
    begin = (begin_ns - stamps[0]) / 1e9
    end = (end_ns - stamps[0]) / 1e9
    seconds = (stamps - stamps[0]) / 1e9
    edges = np.interp([begin, end], seconds, power)
    times = np.concatenate([[begin], seconds[1:-1], [end]])
    powers = np.concatenate([edges[:1], power[1:-1], edges[1:]])
    steps = np.diff(times)
    energy = float(np.sum(steps * (powers[:-1] + powers[1:])) / 2)
    uncertainty = float(np.sqrt(np.sum((np.diff(power) * steps) ** 2) / 2))
    return Energy(energy, uncertainty)


def counter_difference(
    stamps_ns: NDArray[np.int64],
    energy_mj: NDArray[np.float64],
    begin_ns: int,
    end_ns: int,
    gap_ns: float,
) -> Energy:
    """
    Return what an energy counter counted over a window, interpolated at the window's edges.

    The uncertainty is that of the two edges, of rectangular distributions, whose standard
    deviation is their width over the square root of 12. A counter is renewed every
    `COUNTER_RENEWAL` seconds, so a reading may be that old; and within the interval that an edge
    cuts, its course between the two readings is unknown.

    Args:
        stamps_ns: (N,), strictly increasing.
        energy_mj: (N,), the counter's reading at each stamp.
        begin_ns: begin of the window.
        end_ns: end of the window.
        gap_ns: as in `power_integral`.

    Raises:
        EnergyError: as `power_integral`; or the counter began anew within the window.

    """
    stamps, readings = _covering(stamps_ns, energy_mj, begin_ns, end_ns, gap_ns)
    if (np.diff(readings) < 0).any():
        msg = 'the energy counter began anew in this window'
        raise EnergyError(msg)
    seconds = (stamps - stamps[0]) / 1e9
    times = [(begin_ns - stamps[0]) / 1e9, (end_ns - stamps[0]) / 1e9]
    begin, end = np.interp(times, seconds, readings - readings[0])
    renewal = (readings[-1] - readings[0]) / seconds[-1] * COUNTER_RENEWAL
    widths = [renewal, renewal]
    if begin_ns != stamps[0]:
        widths.append(readings[1] - readings[0])
    if end_ns != stamps[-1]:
        widths.append(readings[-1] - readings[-2])
    return Energy(float(end - begin), float(np.sqrt(np.sum(np.square(widths)) / 12)))


def _covering(
    stamps_ns: NDArray[np.int64],
    values: NDArray[np.float64],
    begin_ns: int,
    end_ns: int,
    gap_ns: float,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the samples from the last at or before a window to the first at or after it."""
    if begin_ns >= end_ns:
        msg = f'the window ends {(begin_ns - end_ns) / 1e9:.3f} s before it begins'
        raise EnergyError(msg)
    first = int(np.searchsorted(stamps_ns, begin_ns, side='right')) - 1
    last = int(np.searchsorted(stamps_ns, end_ns, side='left'))
    if first < 0 or last == len(stamps_ns):
        msg = "no power was measured at the window's " + ('begin' if first < 0 else 'end')
        raise EnergyError(msg)
    stamps, values = stamps_ns[first : last + 1], values[first : last + 1]
    longest = int(np.diff(stamps).max())
    if longest > gap_ns:
        msg = (
            f'no power was measured for {longest / 1e9:.2f} s, more than the {gap_ns / 1e9:.2f} s'
        )
        msg += ' that may lie between two samples'
        raise EnergyError(msg)
    if np.isnan(values).any():
        msg = 'the source tells no power in this window'
        raise EnergyError(msg)
    return stamps, values
