# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Power from a recording, played in real time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from eipl_trt_ros.energy.history import PowerSample
from eipl_trt_ros.energy.recordings import read_recording
from eipl_trt_ros.energy.sources.base import SourceInfo, SourceState, SourceStatus

_MAXIMUM_W = 10_000.0


class RecordedSource:
    """
    Plays a recording: its first sample is now when it is opened.

    Args:
        path: a CSV file or a bag.

    Raises:
        EnergyError, MissingPackageError: see `read_recording`.

    """

    def __init__(self, path: Path) -> None:
        recording = read_recording(path)
        self._samples = recording.samples
        self._name = recording.name
        self._next = 0
        self._begin_ns = 0
        stamps = [sample.stamp_ns for sample in self._samples]
        interval_s = float(np.median(np.diff(stamps))) / 1e9
        scope = f'recording {recording.name}'
        if recording.scope is not None:
            scope += f' of {recording.scope}'
        self._info = SourceInfo('recorded', '', recording.name, scope, interval_s, _MAXIMUM_W)

    @property
    def info(self) -> SourceInfo:
        """What is measured; the interval is the median of the recording's."""
        return self._info

    @property
    def status(self) -> SourceStatus:
        """Whether there is more to play."""
        if self._next < len(self._samples):
            return SourceStatus(SourceState.READY, f'playing {self._name}')
        return SourceStatus(
            SourceState.FAILED, f'the recording {self._name} has ended', 'start again'
        )

    def open(self) -> None:
        """Begin to play."""
        self._next = 0
        self._begin_ns = time.monotonic_ns()

    def read(self) -> Sequence[PowerSample]:
        """Return the samples whose time has come since the last call."""
        elapsed_ns = time.monotonic_ns() - self._begin_ns
        samples = []
        while self._next < len(self._samples):
            sample = self._samples[self._next]
            if sample.stamp_ns > elapsed_ns:
                break
            samples.append(replace(sample, stamp_ns=self._begin_ns + sample.stamp_ns))
            self._next += 1
        return samples

    def close(self) -> None:
        """Nothing is held."""
