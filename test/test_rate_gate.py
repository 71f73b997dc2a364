# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eipl_trt_ros.rate_gate import RateGate

PERIOD = 100_000_000  # a model at 10 Hz


def taken(stamps: Iterable[int], gate: RateGate | None = None) -> list[int]:
    """Return the indices of the frames that a gate takes."""
    gate = gate or RateGate(PERIOD)
    result = []
    for index, stamp in enumerate(stamps):
        gate.observe(stamp)
        if gate.due(stamp):
            gate.take(stamp)
            result.append(index)
    return result


def camera(rate_hz: float, seconds: float, start: int = 1_700_000_000 * 10**9) -> list[int]:
    return [start + round(i * 1e9 / rate_hz) for i in range(int(seconds * rate_hz))]


@pytest.mark.parametrize(
    ('rate_hz', 'step'), [(10, 1), (20, 2), (30, 3), (29.97, 3), (30.03, 3), (60, 6), (59.94, 6)]
)
def test_a_camera_at_a_multiple_of_the_rate_gives_exactly_every_nth_frame(rate_hz, step):
    stamps = camera(rate_hz, seconds=600)
    gate = RateGate(PERIOD)
    assert taken(stamps, gate) == list(range(0, len(stamps), step))
    assert gate.missed == 0


@settings(max_examples=60, deadline=None)
@given(
    step=st.integers(1, 6),
    offset=st.floats(-0.004, 0.004),
    jitter=st.floats(0, 0.11),
    seed=st.integers(0, 2**32 - 1),
)
def test_jitter_below_a_ninth_of_the_cameras_period_changes_nothing(step, offset, jitter, seed):
    # up to a sixth would do for a camera at the very rate; the rest is for the offset
    period = PERIOD / step * (1 + offset / step)
    rng = np.random.default_rng(seed)
    stamps = [round((i + rng.uniform(-jitter, jitter)) * period) for i in range(100 * step)]
    gate = RateGate(PERIOD)
    assert taken(stamps, gate) == list(range(0, len(stamps), step))
    assert gate.missed == 0


@settings(max_examples=60, deadline=None)
@given(rate_hz=st.floats(10, 130), jitter=st.floats(0, 0.15), seed=st.integers(0, 2**32 - 1))
def test_the_mean_rate_is_the_models_whatever_the_cameras(rate_hz, jitter, seed):
    rng = np.random.default_rng(seed)
    stamps = [
        round((i + rng.uniform(-jitter, jitter)) * 1e9 / rate_hz) for i in range(int(60 * rate_hz))
    ]
    # a camera within 5 percent of the model's rate is followed
    assert 600 * 0.94 <= len(taken(stamps)) <= 600 * 1.06


@settings(max_examples=60, deadline=None)
@given(gaps=st.lists(st.integers(1, 400_000_000), min_size=1, max_size=200))
def test_frames_and_missed_ticks_together_cover_the_time(gaps):
    stamps = np.cumsum([0, *gaps]).tolist()
    gate = RateGate(PERIOD)
    frames = [stamps[i] for i in taken(stamps, gate)]
    ticks = len(frames) - 1 + gate.missed
    # each taken frame moves the ticks by at most a tenth of its distance, here under a period
    assert abs(ticks * PERIOD - (frames[-1] - frames[0])) <= PERIOD * (1 + 0.1 * len(frames))


@settings(max_examples=60, deadline=None)
@given(gaps=st.lists(st.integers(1, 400_000_000), min_size=2, max_size=200))
def test_no_two_frames_are_nearer_than_half_a_period(gaps):
    stamps = np.cumsum([0, *gaps]).tolist()
    frames = [stamps[i] for i in taken(stamps)]
    assert all(b - a >= 0.5 * PERIOD for a, b in pairwise(frames))


def test_a_slow_cameras_frames_are_all_taken_and_the_rest_counts_as_missed():
    gate = RateGate(PERIOD)
    stamps = camera(5, seconds=10)
    assert taken(stamps, gate) == list(range(50))
    assert gate.missed == 49


def test_lost_frames_do_not_delay_the_next_one():
    stamps = camera(30, seconds=10)
    lost = {30, 31, 32, 33, 34, 90}
    kept = [(i, s) for i, s in enumerate(stamps) if i not in lost]
    gate = RateGate(PERIOD)
    frames = [kept[i][0] for i in taken((s for _, s in kept), gate)]
    assert frames[:10] == list(range(0, 30, 3))
    assert frames[10:12] == [35, 37]  # the first that came, for 33; the next not right after it
    assert frames[12:29] == list(range(39, 90, 3))
    assert frames[29:] == [91, *range(93, 300, 3)]
    assert gate.missed == 1


def test_a_restarted_gate_takes_the_next_frame_whatever_its_stamp():
    gate = RateGate(PERIOD)
    taken(camera(30, seconds=1), gate)
    gate.restart()
    stamps: Sequence[int] = [5, 33_333_338, 66_666_672, 100_000_005]
    assert taken(stamps, gate) == [0, 3]
