# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
What a frame costs, two ways, which are told apart by name everywhere.

*The paper's method* (section 5.4): the mean of the power samples, without the first 3 s; the total
energy is that mean times (elapsed - 3 s), the energy per frame is that mean times the time of one
frame, steps (1) to (5). *Integrated*: the integral of the power over the window, or the difference
of an energy counter, divided by the frames in it. The two agree where frames run back to back. A
predictor that waits for its camera between frames has the board's power to pay meanwhile: the
integrated figure holds it, the paper's does not.

Several predictors on one board share its power by the time that each was busy. In the integrated
figure, the window's energy is split in proportion to it. In the paper's, the time of a frame is
reduced by the ratio of the time in which any predictor was busy to the sum of their busy times: 1
for one predictor, or for several that take turns; 1/2 for two that always run at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eipl_trt_ros.energy.frames import FrameLedger, FrameSpan, busy_ns, covered_ns
from eipl_trt_ros.energy.history import History, Trace
from eipl_trt_ros.energy.integrate import Energy, has_counter, power_integral, window_energy
from eipl_trt_ros.errors import EnergyError

PAPER_WARM_UP = 3.0
"""Seconds at the begin whose samples the paper leaves out."""

PAPER_INTERVAL = 1.0
"""Seconds between two samples of the paper."""

PAPER_FRAMES = 10_000
"""Frames of one measurement in the paper."""


@dataclass(frozen=True)
class PaperEnergy:
    """
    Energy by the paper's method.

    Attributes:
        mean_power_mw: arithmetic mean of the samples after the warm-up.
        samples: how many these are.
        seconds: elapsed time less the warm-up.
        total_energy_mj: mean power times these seconds.
        energy_per_frame_mj: mean power times the time of one frame.

    """

    mean_power_mw: float
    samples: int
    seconds: float
    total_energy_mj: float
    energy_per_frame_mj: float


def paper_energy(
    trace: Trace,
    begin_ns: int,
    end_ns: int,
    seconds_per_frame: float,
    *,
    warm_up: float = PAPER_WARM_UP,
) -> PaperEnergy:
    """
    Return the energy of a run by the method of the paper's section 5.4, to the letter.

    The paper's samples are those nearest to every full second, counted from the first after the
    warm-up; what was read more often than once per second is left out.

    Args:
        trace: power samples.
        begin_ns: monotonic time at which the first frame began.
        end_ns: monotonic time at which the last frame ended.
        seconds_per_frame: mean time of steps (1) to (5), in seconds.
        warm_up: how many seconds at the begin are left out.

    Raises:
        EnergyError: the run is no longer than the warm-up, or has no sample after it.

    """
    settled_ns = begin_ns + round(warm_up * 1e9)
    seconds = (end_ns - settled_ns) / 1e9
    if seconds <= 0:
        msg = f'{(end_ns - begin_ns) / 1e9:.2f} s are no longer than the warm-up of {warm_up:g} s'
        raise EnergyError(msg)
    settled = trace.between(settled_ns, end_ns)
    power = trace.power_mw[settled][_once_per_second(trace.stamps_ns[settled])]
    if len(power) == 0 or np.isnan(power).any():
        msg = f'there is no power sample in the {seconds:.2f} s after the warm-up'
        raise EnergyError(msg)
    mean = float(power.mean())
    return PaperEnergy(mean, len(power), seconds, mean * seconds, mean * seconds_per_frame)


def _once_per_second(stamps_ns: NDArray[np.int64]) -> NDArray[np.intp]:
    """Return the indices of the samples nearest to every full second since the first of them."""
    if len(stamps_ns) < 2:
        return np.arange(len(stamps_ns))
    seconds = np.arange(stamps_ns[0], stamps_ns[-1] + 1, round(PAPER_INTERVAL * 1e9))
    after = np.searchsorted(stamps_ns, seconds).clip(1, len(stamps_ns) - 1)
    nearer_before = seconds - stamps_ns[after - 1] < stamps_ns[after] - seconds
    return np.unique(after - nearer_before)


@dataclass(frozen=True)
class PredictorEnergy:
    """
    What the frames of one predictor cost in a window.

    Attributes:
        frames: frames that finished in the window, those not heard of counted too.
        missed: how many of them were not heard of.
        seconds_per_frame: mean time of steps (1) to (5).
        busy_seconds: time in the window in which this predictor was at work.
        share: this predictor's part of the energy, 0..1: busy time over everybody's busy time.
        overlap: everybody's busy time without overlaps, over its sum; 0..1.
        paper_energy_per_frame_mj: mean power times time of a frame times overlap; None where the
            source tells no power.
        integrated_energy_per_frame_mj: energy of the window times share, per frame.
        integrated_uncertainty_mj: standard uncertainty of the same, from sampling alone.
        frames_per_joule: by the integrated figure.

    """

    frames: int
    missed: int
    seconds_per_frame: float
    busy_seconds: float
    share: float
    overlap: float
    paper_energy_per_frame_mj: float | None
    integrated_energy_per_frame_mj: float
    integrated_uncertainty_mj: float
    frames_per_joule: float


@dataclass(frozen=True)
class WindowReport:
    """
    Power and energy of a window, and what each predictor's frames cost in it.

    Attributes:
        begin_ns, end_ns: the window, monotonic time.
        samples: power samples in it.
        interval_seconds: mean time between them, really achieved; None for fewer than two.
        longest_interval_seconds: the longest of these times; None for fewer than two.
        mean_power_mw: arithmetic mean of the samples' total, the paper's mean power; None where
            the source tells no power.
        lowest_power_mw, highest_power_mw: of the same samples.
        rails_mw: arithmetic mean of each rail; parts of the total.
        method: ``'integral of power'`` or ``'energy counter'``.
        energy: the window's energy by that method.
        integral: the integral of the power samples, which is the same where no counter was read;
            None where the source tells no power.
        predictors: by name; only those with a frame in the window.

    """

    begin_ns: int
    end_ns: int
    samples: int
    interval_seconds: float | None
    longest_interval_seconds: float | None
    mean_power_mw: float | None
    lowest_power_mw: float | None
    highest_power_mw: float | None
    rails_mw: Mapping[str, float]
    method: str
    energy: Energy
    integral: Energy | None
    predictors: Mapping[str, PredictorEnergy]

    @property
    def seconds(self) -> float:
        """Length of the window."""
        return (self.end_ns - self.begin_ns) / 1e9


def measure(
    history: History,
    ledgers: Mapping[str, FrameLedger],
    begin_ns: int,
    end_ns: int,
    gap_ns: float,
) -> WindowReport:
    """
    Measure a window.

    Args:
        history: the power samples.
        ledgers: the frames of each predictor, by its name.
        begin_ns: begin of the window, after any warm-up.
        end_ns: its end.
        gap_ns: samples further apart than this leave a gap.

    Raises:
        EnergyError: the power in the window is not known throughout.

    """
    trace = history.trace()
    energy = window_energy(trace, begin_ns, end_ns, gap_ns)
    counted = has_counter(trace, begin_ns, end_ns)
    inside = trace.between(begin_ns, end_ns)
    intervals = np.diff(trace.stamps_ns[inside]) / 1e9
    power = trace.power_mw[inside]
    told = len(power) > 0 and not np.isnan(power).any()
    mean = float(power.mean()) if told else None
    spans = {name: ledger.finished(begin_ns, end_ns) for name, ledger in ledgers.items()}
    everybody = [span for of_one in spans.values() for span in of_one]
    busy = busy_ns(everybody, begin_ns, end_ns)
    overlap = covered_ns(everybody, begin_ns, end_ns) / busy if busy else 1.0
    predictors = {}
    for name, of_one in spans.items():
        if not of_one:
            continue
        own = busy_ns(of_one, begin_ns, end_ns)
        missed = ledgers[name].missed(begin_ns, end_ns)
        share = own / busy if busy else 1.0 / sum(map(bool, spans.values()))
        predictors[name] = _predictor_energy(
            of_one,
            missed=missed,
            busy=own,
            share=share,
            overlap=overlap,
            mean_power_mw=mean,
            energy=energy,
        )
    return WindowReport(
        begin_ns=begin_ns,
        end_ns=end_ns,
        samples=len(power),
        interval_seconds=float(intervals.mean()) if len(intervals) else None,
        longest_interval_seconds=float(intervals.max()) if len(intervals) else None,
        mean_power_mw=mean,
        lowest_power_mw=float(power.min()) if told else None,
        highest_power_mw=float(power.max()) if told else None,
        rails_mw=history.mean_rails(begin_ns, end_ns),
        method='energy counter' if counted else 'integral of power',
        energy=energy,
        integral=_integral(trace, begin_ns, end_ns, gap_ns) if counted else energy,
        predictors=predictors,
    )


def _integral(trace: Trace, begin_ns: int, end_ns: int, gap_ns: float) -> Energy | None:
    """Return the integral beside a counter; None where the source tells no power."""
    try:
        return power_integral(trace.stamps_ns, trace.power_mw, begin_ns, end_ns, gap_ns)
    except EnergyError:
        return None


def _predictor_energy(
    spans: list[FrameSpan],
    *,
    missed: int,
    busy: int,
    share: float,
    overlap: float,
    mean_power_mw: float | None,
    energy: Energy,
) -> PredictorEnergy:
    frames = len(spans) + missed
    per_frame = sum(span.computed_ns for span in spans) / len(spans) / 1e9
    integrated = energy.energy_mj * share / frames
    return PredictorEnergy(
        frames=frames,
        missed=missed,
        seconds_per_frame=per_frame,
        busy_seconds=busy / 1e9,
        share=share,
        overlap=overlap,
        paper_energy_per_frame_mj=(
            None if mean_power_mw is None else mean_power_mw * per_frame * overlap
        ),
        integrated_energy_per_frame_mj=integrated,
        integrated_uncertainty_mj=energy.uncertainty_mj * share / frames,
        frames_per_joule=1000.0 / integrated,
    )
