# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Samples a power source in a thread of its own."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable

from eipl_trt_ros.energy.history import PowerSample
from eipl_trt_ros.energy.plausibility import Plausibility
from eipl_trt_ros.energy.sources import PowerSource

_LOG = logging.getLogger(__name__)
_JOIN = 5.0  # seconds

DEFAULT_INTERVAL = 0.503
"""Seconds between samples: no multiple of a usual period of frames."""

DEFAULT_JITTER = 0.2
"""Part of the interval by which waits differ."""


class Sampler:
    """
    Reads a source again and again, and hands on the samples that are plausible.

    Reads are not evenly spaced but jittered: evenly spaced ones can keep step with frames that
    come at a fixed rate, and then see the same part of every frame, however long the measurement.

    Args:
        source: the source; this object opens and closes it.
        interval_s: mean time between reads.
        jitter: each wait is this part of the interval shorter or longer at most, 0..1.
        maximum_w: power above this is not believed; None takes the source's own limit.
        take: is called with each sample, in the sampler's thread.

    """

    def __init__(
        self,
        source: PowerSource,
        *,
        interval_s: float,
        jitter: float,
        maximum_w: float | None,
        take: Callable[[PowerSample], None],
    ) -> None:
        self._source = source
        self._interval_s = interval_s
        self._jitter = jitter
        self._maximum_w = maximum_w
        self._take = take
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name='power sampler', daemon=True)
        self.plausibility = Plausibility()

    def start(self) -> None:
        """
        Open the source and begin.

        Raises:
            EnergyError, MissingPackageError: see `PowerSource.open`.

        """
        self._source.open()
        self._thread.start()

    def close(self) -> None:
        """End the thread and close the source; may be called more than once."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(_JOIN)
        self._source.close()

    def _run(self) -> None:
        due = time.monotonic()
        while True:
            due = max(
                due + self._next_wait(), time.monotonic()
            )  # a slow read is no reason to rush
            if self._stop.wait(due - time.monotonic()):
                return
            try:
                self._read()
            except Exception:  # an unforeseen reading must not end the measuring for good
                _LOG.exception('a power sample was lost')

    def _next_wait(self) -> float:
        # not for secrets: only to fall out of step with the frames
        return self._interval_s * (1.0 + self._jitter * random.uniform(-1.0, 1.0))  # noqa: S311

    def _read(self) -> None:
        for sample in self._source.read():
            maximum_w = self._maximum_w or self._source.info.maximum_w
            plausible = self.plausibility.check(sample, time.monotonic_ns(), maximum_w)
            if plausible is not None:
                self._take(plausible)
