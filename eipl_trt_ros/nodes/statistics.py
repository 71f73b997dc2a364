# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the frames of a node took: written by the inference thread, read by the diagnostics."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_WINDOW = 1024  # frames: 100 s at 10 Hz


@dataclass(frozen=True)
class Quantiles:
    """Of the last frames, in milliseconds."""

    p50: float
    p95: float
    p99: float
    maximum: float


class Window:
    """The last durations, in memory taken once."""

    def __init__(self, size: int = _WINDOW) -> None:
        self._values: NDArray[np.int64] = np.zeros(size, np.int64)
        self._count = 0

    def add(self, duration_ns: int) -> None:
        """Add a duration, in nanoseconds."""
        self._values[self._count % len(self._values)] = duration_ns
        self._count += 1

    def quantiles(self) -> Quantiles | None:
        """Return the quantiles of what is kept; None where nothing was added."""
        if self._count == 0:
            return None
        kept = self._values[: min(self._count, len(self._values))]
        return Quantiles(*(np.percentile(kept, [50, 95, 99, 100]) / 1e6).tolist())


@dataclass(frozen=True)
class FrameCounts:
    """How many frames ended how."""

    done: int
    failed: int
    overruns: int


class FrameStatistics:
    """
    Counts and durations of frames.

    Args:
        period_ns: the model's period: a frame that takes longer is an overrun.

    """

    def __init__(self, period_ns: int) -> None:
        self._period_ns = period_ns
        self._lock = threading.Lock()
        self._done = self._failed = self._overruns = 0
        self._windows = {
            name: Window()
            for name in ('stamp to command', 'receive to command', 'motion graph', 'whole frame')
        }

    def add(self, stamp_to_command: int, receive_to_command: int, motion: int, whole: int) -> None:
        """Add a frame that was done; durations in nanoseconds."""
        with self._lock:
            self._done += 1
            self._overruns += whole > self._period_ns
            durations = (stamp_to_command, receive_to_command, motion, whole)
            for window, duration in zip(self._windows.values(), durations, strict=True):
                window.add(duration)

    def add_failure(self) -> None:
        """Add a frame that gave no prediction."""
        with self._lock:
            self._failed += 1

    def counts(self) -> FrameCounts:
        """Return the counts since this object was made."""
        with self._lock:
            return FrameCounts(self._done, self._failed, self._overruns)

    def latencies(self) -> dict[str, Quantiles]:
        """Return the quantiles of each duration; empty where no frame was done yet."""
        with self._lock:
            found = {name: window.quantiles() for name, window in self._windows.items()}
        return {name: quantiles for name, quantiles in found.items() if quantiles is not None}
