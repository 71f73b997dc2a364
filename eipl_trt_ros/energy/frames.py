# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""When predictors were at work: the frames of each, and how they overlap on one board."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class FrameSpan:
    """
    One frame of a predictor; times in nanoseconds.

    Attributes:
        stamp_ns: the image's stamp.
        number: frames since the predictor's state was last reset, this one not counted.
        started_ns: monotonic time at which the predictor took the image up.
        finished_ns: monotonic time at which all was published.
        computed_ns: what steps (1) to (5) of the paper took, of both graphs.

    """

    stamp_ns: int
    number: int
    started_ns: int
    finished_ns: int
    computed_ns: int

    @property
    def busy_ns(self) -> int:
        """How long the predictor was at work on the frame."""
        return self.finished_ns - self.started_ns


def frame_spans(
    started_ns: ArrayLike, finished_ns: ArrayLike, computed_ns: ArrayLike
) -> list[FrameSpan]:
    """
    Return the frames of a loop over a predictor, which kept their times in arrays.

    Args:
        started_ns: (N,), `time.monotonic_ns()` (or `time.perf_counter_ns()`, the same clock on
            Linux) before each frame.
        finished_ns: (N,), the same after each frame.
        computed_ns: (N,), what steps (1) to (5) took in each.

    """
    times = (np.asarray(column, np.int64).tolist() for column in (started_ns, finished_ns))
    computed = np.asarray(computed_ns, np.int64).tolist()
    return [
        FrameSpan(stamp_ns=0, number=number, started_ns=start, finished_ns=stop, computed_ns=work)
        for number, (start, stop, work) in enumerate(zip(*times, computed, strict=True))
    ]


class FrameLedger:
    """The frames of one predictor, in the order in which they finished."""

    def __init__(self) -> None:
        self._spans: deque[FrameSpan] = deque()
        self._missed: deque[tuple[int, int]] = deque()

    def __len__(self) -> int:
        return len(self._spans)

    def add(self, span: FrameSpan) -> None:
        """Add a frame; the frames that its number says were not heard are counted as missed."""
        if self._spans:
            before = self._spans[-1].number
            missed = span.number - before - 1 if span.number > before else span.number
            if missed > 0:
                self._missed.append((span.finished_ns, missed))
        self._spans.append(span)

    def forget_before(self, stamp_ns: int) -> None:
        """Forget the frames that finished before a monotonic time, except for the last one."""
        while len(self._spans) > 1 and self._spans[0].finished_ns < stamp_ns:
            self._spans.popleft()
        while self._missed and self._missed[0][0] < stamp_ns:
            self._missed.popleft()

    def finished(self, begin_ns: int, end_ns: int) -> list[FrameSpan]:
        """Return the frames that finished in (begin, end]."""
        return [span for span in self._spans if begin_ns < span.finished_ns <= end_ns]

    def missed(self, begin_ns: int, end_ns: int) -> int:
        """Return how many frames were run in (begin, end] and not heard of."""
        return sum(count for when, count in self._missed if begin_ns < when <= end_ns)


def busy_ns(spans: Iterable[FrameSpan], begin_ns: int, end_ns: int) -> int:
    """Return the time in [begin, end] that the frames took, added up."""
    return sum(stop - start for start, stop in _clipped(spans, begin_ns, end_ns))


def covered_ns(spans: Iterable[FrameSpan], begin_ns: int, end_ns: int) -> int:
    """Return the time in [begin, end] in which at least one of the frames was in work."""
    total, reached = 0, begin_ns
    for start, stop in sorted(_clipped(spans, begin_ns, end_ns)):
        total += max(0, stop - max(start, reached))
        reached = max(reached, stop)
    return total


def _clipped(spans: Iterable[FrameSpan], begin_ns: int, end_ns: int) -> Sequence[tuple[int, int]]:
    clipped = ((max(s.started_ns, begin_ns), min(s.finished_ns, end_ns)) for s in spans)
    return [(start, stop) for start, stop in clipped if stop > start]
