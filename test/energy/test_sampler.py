# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The thread that samples a source."""

from __future__ import annotations

import logging
import queue
import time
from collections.abc import Sequence

import numpy as np
import pytest

from eipl_trt_ros.energy.history import PowerSample
from eipl_trt_ros.energy.sampler import Sampler
from eipl_trt_ros.energy.sources import SourceInfo, SourceState, SourceStatus


class Steady:
    """A source whose power is 5 W, which fails in an unforeseen way at its third reading."""

    info = SourceInfo('steady', '', 'all', 'all', 0.01, 100.0)
    status = SourceStatus(SourceState.READY, 'steady')

    def __init__(self) -> None:
        self.reads = 0
        self.opened = self.closed = False

    def open(self) -> None:
        self.opened = True

    def read(self) -> Sequence[PowerSample]:
        self.reads += 1
        if self.reads == 3:
            msg = 'out of cheese'
            raise RuntimeError(msg)
        return [PowerSample(time.monotonic_ns(), 5_000.0 if self.reads % 2 else 500_000.0)]

    def close(self) -> None:
        self.closed = True


def test_it_samples_on_after_an_unforeseen_error_and_hands_on_what_is_plausible(caplog):
    source = Steady()
    taken: queue.Queue[PowerSample] = queue.Queue()
    sampler = Sampler(source, interval_s=0.005, jitter=0.2, maximum_w=None, take=taken.put)
    with caplog.at_level(logging.ERROR):
        sampler.start()
        samples = [taken.get(timeout=20) for _ in range(5)]
        sampler.close()
    sampler.close()
    assert source.opened
    assert source.closed
    assert {sample.total_mw for sample in samples} == {5_000.0}
    assert sampler.plausibility.refused['too large'] >= 4
    assert 'out of cheese' in caplog.text
    reads = source.reads
    time.sleep(0.05)
    assert source.reads == reads


def test_a_limit_that_is_given_goes_before_the_sources_own():
    taken: queue.Queue[PowerSample] = queue.Queue()
    sampler = Sampler(Steady(), interval_s=0.005, jitter=0.0, maximum_w=1e3, take=taken.put)
    sampler.start()
    totals = [taken.get(timeout=20).total_mw for _ in range(4)]
    sampler.close()
    assert 500_000.0 in totals


def test_waits_are_jittered_around_the_interval():
    sampler = Sampler(Steady(), interval_s=0.5, jitter=0.2, maximum_w=None, take=lambda _: None)
    waits = np.array([sampler._next_wait() for _ in range(2_000)])
    assert 0.4 <= waits.min() < 0.41
    assert 0.59 < waits.max() <= 0.6
    assert waits.mean() == pytest.approx(0.5, abs=0.01)


def test_the_interval_holds_however_long_a_read_takes():
    class Slow(Steady):
        def read(self) -> Sequence[PowerSample]:
            time.sleep(0.04)
            return [PowerSample(time.monotonic_ns(), 5_000.0)]

    taken: queue.Queue[PowerSample] = queue.Queue()
    sampler = Sampler(Slow(), interval_s=0.05, jitter=0.0, maximum_w=None, take=taken.put)
    sampler.start()
    stamps = [taken.get(timeout=20).stamp_ns for _ in range(20)]
    sampler.close()
    assert float(np.median(np.diff(stamps))) / 1e9 == pytest.approx(0.05, abs=0.02)
