# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The energy of frames as they happen: joins the frames heard of with the power sampled."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass

from eipl_trt_ros.energy.frames import FrameLedger, FrameSpan
from eipl_trt_ros.energy.history import History, PowerSample
from eipl_trt_ros.energy.integrate import (
    LONGEST_GAP,
    unbroken_since,
    window_energy,
)
from eipl_trt_ros.energy.meter import WindowReport, measure
from eipl_trt_ros.errors import EnergyError

_WAITING = 10_000  # frames that wait for the next power sample
_OTHER_CLOCK_NS = 60_000_000_000


@dataclass(frozen=True)
class FrameEnergy:
    """
    What one frame cost.

    Attributes:
        predictor: name of its predictor.
        span: the frame.
        energy_mj: the board's energy while the frame was in work, times the overlap of the
            window: the mean power around the frame times its own time, since power is sampled far
            less often than frames come.
        window: power and energy of the seconds before, with this predictor in it.
        newest: the last power sample.

    """

    predictor: str
    span: FrameSpan
    energy_mj: float
    window: WindowReport
    newest: PowerSample


class LiveMeter:
    """
    Gives the energy of each frame as soon as the power is known on both sides of it.

    Not safe for use from several threads at once.

    Args:
        predictors: their names.
        window_s: length of the window for means, in seconds.
        warm_up_s: how long after the first frame, and after each change of the power mode, power
            is not used.

    """

    def __init__(self, predictors: Sequence[str], *, window_s: float, warm_up_s: float) -> None:
        self._window_ns = round(window_s * 1e9)
        self._warm_up_ns = round(warm_up_s * 1e9)
        self._history = History()
        self._ledgers = {name: FrameLedger() for name in predictors}
        self._waiting: deque[tuple[str, FrameSpan]] = deque()
        self._first_ns: int | None = None
        self._mode_changed_ns: int | None = None
        self.frames: Counter[str] = Counter()
        """How many frames were heard of, by predictor."""
        self.without_energy: Counter[str] = Counter()
        """How many frames got no energy, by reason."""
        self.window: WindowReport | None = None
        """The newest window; None where the power in it is not known throughout."""
        self.no_window = 'no power was measured yet'
        """Why there is no window."""

    @property
    def newest(self) -> PowerSample | None:
        """The last power sample."""
        return self._history.newest

    def add_frame(self, predictor: str, span: FrameSpan, now_ns: int) -> bool:
        """Add a frame that was heard of at a monotonic time; return whether it can be used."""
        self.frames[predictor] += 1
        if abs(now_ns - span.finished_ns) > _OTHER_CLOCK_NS:
            self.without_energy['its times are on another clock: another host, or a bag'] += 1
            return False
        if self._first_ns is None or span.started_ns < self._first_ns:
            self._first_ns = span.started_ns
        self._ledgers[predictor].add(span)
        self._waiting.append((predictor, span))
        if len(self._waiting) > _WAITING:
            name, forgotten = self._waiting.popleft()
            self._ledgers[name].forget_before(forgotten.finished_ns + 1)
            self.without_energy['no power was measured'] += 1
        return True

    def add_sample(self, sample: PowerSample, interval_s: float) -> list[FrameEnergy]:
        """
        Add a power sample.

        Args:
            sample: newer than all before.
            interval_s: nominal time between samples.

        Returns:
            The frames whose energy is known by it, in the order in which they finished.

        """
        before = self._history.newest
        if before is not None and before.power_mode != sample.power_mode:
            self._mode_changed_ns = sample.stamp_ns
        self._history.add(sample)
        gap_ns = LONGEST_GAP * interval_s * 1e9
        self._measure_window(sample, gap_ns)
        finished = self._finished(sample, gap_ns)
        oldest_ns = min((span.started_ns for _, span in self._waiting), default=sample.stamp_ns)
        horizon_ns = min(oldest_ns, sample.stamp_ns - self._window_ns)
        self._history.forget_before(horizon_ns)
        for ledger in self._ledgers.values():
            ledger.forget_before(horizon_ns)
        return finished

    def _measure_window(self, sample: PowerSample, gap_ns: float) -> None:
        begin_ns = sample.stamp_ns - self._window_ns
        for event_ns in (self._first_ns, self._mode_changed_ns):
            if event_ns is not None:
                begin_ns = max(begin_ns, event_ns + self._warm_up_ns)
        begin_ns = max(begin_ns, unbroken_since(self._history.trace(), gap_ns))
        self.window = None
        if begin_ns >= sample.stamp_ns:
            self.no_window = 'warming up'
            return
        try:
            self.window = measure(self._history, self._ledgers, begin_ns, sample.stamp_ns, gap_ns)
        except EnergyError as error:
            self.no_window = str(error)

    def _finished(self, sample: PowerSample, gap_ns: float) -> list[FrameEnergy]:
        ready, still = [], deque[tuple[str, FrameSpan]]()
        for predictor, span in self._waiting:
            if span.finished_ns > sample.stamp_ns:
                still.append((predictor, span))
            else:
                ready.append((predictor, span))
        self._waiting = still
        ready.sort(key=lambda entry: entry[1].finished_ns)
        found = []
        for predictor, span in ready:
            try:
                found.append(self._frame_energy(predictor, span, sample, gap_ns))
            except EnergyError as error:
                self.without_energy[_cause(error)] += 1
        return found

    def _frame_energy(
        self, predictor: str, span: FrameSpan, sample: PowerSample, gap_ns: float
    ) -> FrameEnergy:
        window = self.window
        if window is None:
            raise EnergyError(self.no_window)
        of_predictor = window.predictors.get(predictor)
        if of_predictor is None or span.started_ns < window.begin_ns:
            msg = 'it lies before the window'
            raise EnergyError(msg)
        energy = window_energy(self._history.trace(), span.started_ns, span.finished_ns, gap_ns)
        own_mj = energy.energy_mj * of_predictor.overlap
        return FrameEnergy(predictor, span, own_mj, window, sample)


def _cause(error: EnergyError) -> str:
    """Return a reason without the figures that differ from frame to frame."""
    text = str(error)
    return 'no power was measured' if text.startswith('no power was measured') else text
