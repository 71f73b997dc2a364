# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Frames meet power samples: energies come once the power on both sides is known."""

from __future__ import annotations

import pytest

from eipl_trt_ros.energy.frames import FrameSpan
from eipl_trt_ros.energy.history import PowerSample
from eipl_trt_ros.energy.live import LiveMeter

S = 1_000_000_000
MS = 1_000_000


def span(number: int, started: int, length: int = 50 * MS) -> FrameSpan:
    return FrameSpan(started, number, started, started + length, length)


def meter(**settings: float) -> LiveMeter:
    return LiveMeter(['a', 'b'], **{'window_s': 10.0, 'warm_up_s': 0.0, **settings})


def sample(live: LiveMeter, seconds: float, power: float = 8_000.0, mode: str | None = None):
    return live.add_sample(PowerSample(round(seconds * S), power, power_mode=mode), 1.0)


def frame(live: LiveMeter, number: int, seconds: float, predictor: str = 'a') -> None:
    started = round(seconds * S)
    live.add_frame(predictor, span(number, started), started + 51 * MS)


def test_a_frame_gets_its_energy_with_the_first_sample_after_it():
    live = meter()
    assert sample(live, 0) == []
    frame(live, 0, 0.5)
    (energy,) = sample(live, 1)
    assert energy.predictor == 'a'
    assert energy.energy_mj == pytest.approx(8_000 * 0.05)
    assert energy.window.seconds == pytest.approx(0.5)  # from the first frame on
    of_a = energy.window.predictors['a']
    assert of_a.integrated_energy_per_frame_mj == pytest.approx(4_000)
    assert of_a.paper_energy_per_frame_mj == pytest.approx(400)
    assert sample(live, 2) == []


def test_power_is_interpolated_around_a_frame():
    live = meter()
    sample(live, 0, 4_000)
    frame(live, 0, 0.5)
    (energy,) = sample(live, 1, 8_000)
    assert energy.energy_mj == pytest.approx((6_000 + 6_200) / 2 * 0.05)


def test_frames_in_a_gap_get_none_and_those_after_it_do():
    live = meter()
    sample(live, 0)
    frame(live, 0, 0.5)
    assert len(sample(live, 1)) == 1
    frame(live, 1, 3.0)
    assert sample(live, 6) == []
    assert live.without_energy.total() == 1
    frame(live, 2, 6.5)
    (energy,) = sample(live, 7)
    assert energy.window.seconds == pytest.approx(1.0)


def test_the_warm_up_begins_with_the_first_frame_and_anew_with_the_power_mode():
    live = meter(warm_up_s=3.0)
    for second in range(12):
        frame(live, second, second + 0.1)
        energies = sample(live, second + 1, mode='MAXN' if second < 6 else '7W')
        settled = 3.1 if second < 6 else 10
        assert bool(energies) == (second + 0.1 >= settled), second
    assert live.without_energy['warming up'] > 0


def test_the_window_slides_and_what_is_behind_it_is_forgotten():
    live = meter(window_s=2.0)
    for second in range(100):
        frame(live, second, second + 0.5)
        sample(live, second + 1)
    assert live.window is not None
    assert live.window.seconds == 2
    assert live.window.predictors['a'].frames == 2
    assert len(live._history) <= 4
    assert live.frames == {'a': 100}


def test_frames_of_another_clock_are_counted_and_not_used():
    live = meter()
    assert not live.add_frame('a', span(0, 5 * S), 5_000 * S)
    assert 'another clock' in next(iter(live.without_energy))
    sample(live, 5)
    assert sample(live, 6) == []


def test_a_source_that_never_speaks_does_not_fill_the_memory():
    live = meter()
    for number in range(10_050):
        live.add_frame('a', span(number, number * S), number * S)
    assert live.without_energy == {'no power was measured': 50}
    assert len(live._ledgers['a']) == len(live._waiting) == 10_000


def test_frames_of_several_predictors_come_in_their_order():
    live = meter()
    sample(live, 0)
    frame(live, 0, 0.1, 'a')
    frame(live, 0, 0.6, 'b')
    frame(live, 1, 0.3, 'a')
    assert [energy.predictor for energy in sample(live, 1)] == ['a', 'a', 'b']
