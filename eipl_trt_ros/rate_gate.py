# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Picks, from a camera's frames, those at which a model takes its steps.

An LSTM that was trained at 10 Hz has learnt what happens in 100 ms; stepped with every frame of a
30 Hz camera it would see a world in slow motion. So the model ticks at its own rate, and of the
camera's frames the one nearest to each tick is taken.
"""

from __future__ import annotations

from collections import deque
from statistics import median_low

_INTERVALS = 7  # camera frames whose spacing is remembered: a median of 7 outvotes 3 lost frames
_PHASE_GAIN = 0.1  # share of the distance between frame and tick by which the next tick moves


class RateGate:
    """
    Decides by stamp alone which frames are due.

    The ticks follow each other by the model's period, starting with the first frame taken. A
    frame is due when it is later than half a camera period before the next tick: no other frame
    can then be nearer. After each frame taken the ticks move a tenth of their distance to it, so
    that a camera at 29.97 Hz gives every third frame for ever, with no frame skipped when the
    difference has added up to a whole one; a camera off by more than 5 percent of its own period
    per tick is not followed, and its frames are picked so that the mean rate is the model's. Two
    frames nearer to each other than half a model's period are never both taken.

    Args:
        period_ns: one period of the model, in nanoseconds.

    """

    def __init__(self, period_ns: int) -> None:
        self._period = period_ns
        self._intervals: deque[int] = deque(maxlen=_INTERVALS)
        self._last: int | None = None
        self._tick: int | None = None
        self._taken = 0
        self._tolerance = period_ns // 2
        self.missed = 0
        """Ticks for which no frame was taken, since the gate was made."""

    def observe(self, stamp_ns: int) -> None:
        """Take note of a frame of the camera, due or not; stamps must rise."""
        if self._last is not None:
            self._intervals.append(stamp_ns - self._last)
            self._tolerance = min(median_low(self._intervals), self._period) // 2
        self._last = stamp_ns

    def due(self, stamp_ns: int) -> bool:
        """Tell whether the model should step with the frame that was just observed."""
        if self._tick is None:
            return True
        near = stamp_ns >= self._tick - self._tolerance
        return near and stamp_ns - self._taken >= self._period // 2

    def take(self, stamp_ns: int) -> None:
        """Let the model step with a frame that is due; ticks passed over count as missed."""
        self._taken = stamp_ns
        if self._tick is None:
            self._tick = stamp_ns + self._period
            return
        late = stamp_ns - self._tick
        passed = (late + self._tolerance) // self._period
        self.missed += passed
        error = late - passed * self._period
        self._tick += (passed + 1) * self._period + round(_PHASE_GAIN * error)

    def restart(self) -> None:
        """Begin anew with the next frame, after time has jumped; the count of misses stays."""
        self._intervals.clear()
        self._last = self._tick = None
        self._tolerance = self._period // 2
