# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Whichever power source this machine has."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from eipl_trt_ros.energy.history import PowerSample
from eipl_trt_ros.energy.sources.base import (
    Backoff,
    PowerSource,
    SourceInfo,
    SourceState,
    SourceStatus,
)

_NONE = SourceStatus(
    SourceState.FAILED,
    'this machine tells no power: no jtop.service, no INA3221 sensor and no NVIDIA GPU was found',
    'on a Jetson: sudo pip3 install jetson-stats and start jtop.service; with an NVIDIA GPU: '
    'pip install nvidia-ml-py',
)


class AutoSource:
    """
    Looks for a source until there is one, then stays with it.

    It never changes over to another: their totals are not the same thing.

    Args:
        find: opens the source to use and returns it; None where there is none.
        interval_s: time between samples, in seconds.
        backoff: waits between looks.

    """

    def __init__(
        self,
        find: Callable[[], PowerSource | None],
        interval_s: float,
        backoff: Backoff | None = None,
    ) -> None:
        self._find = find
        self._backoff = backoff or Backoff()
        self._chosen: PowerSource | None = None
        self._retry_ns = 0
        self._info = SourceInfo('auto', '', 'unknown', 'nothing found yet', interval_s, 0.0)

    @property
    def info(self) -> SourceInfo:
        """What the chosen source measures."""
        return self._info if self._chosen is None else self._chosen.info

    @property
    def status(self) -> SourceStatus:
        """How the chosen source stands, or that there is none."""
        return _NONE if self._chosen is None else self._chosen.status

    def open(self) -> None:
        """Look for a source."""
        self._chosen = self._find()
        if self._chosen is None:
            self._retry_ns = time.monotonic_ns() + round(self._backoff.next() * 1e9)

    def read(self) -> Sequence[PowerSample]:
        """Return the chosen source's samples; look again where there is none."""
        if self._chosen is None:
            if time.monotonic_ns() < self._retry_ns:
                return []
            self.open()
        return [] if self._chosen is None else self._chosen.read()

    def close(self) -> None:
        """Close the chosen source."""
        if self._chosen is not None:
            self._chosen.close()
