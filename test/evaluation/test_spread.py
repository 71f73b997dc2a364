# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eipl_trt_ros.evaluation.spread import NAMES, ratio_of, timing_of


@given(seed=st.integers(0, 2**31), blocks=st.integers(3, 30))
def test_figures_stand_within_the_range_and_their_intervals_in_order(
    seed: int, blocks: int
) -> None:
    values = np.random.default_rng(seed).gamma(9, 0.3, 20 * blocks)
    timing = timing_of(values, 20)
    assert timing.count == len(values)
    assert timing.max.value == values.max()
    assert timing.fps.value == pytest.approx(1000 / values.mean())
    for name in NAMES:
        figure = getattr(timing, name)
        assert figure.low <= figure.high
    for name in ('mean', 'p50', 'p95', 'p99'):
        assert values.min() <= getattr(timing, name).low <= values.max()


def test_the_interval_of_the_mean_holds_the_truth_as_often_as_it_says() -> None:
    """Blocks that share a disturbance: the spread must see the blocks, not the frames."""
    random = np.random.default_rng(1)
    held = 0
    for _ in range(300):
        shared = np.repeat(random.normal(0, 1, 40), 20)
        mean = timing_of(10 + shared + random.normal(0, 1, 800), 20).mean
        held += mean.low <= 10 <= mean.high
    assert 0.90 <= held / 300 <= 0.985


def test_the_same_durations_give_the_same_spread() -> None:
    values = np.random.default_rng(2).gamma(9, 0.3, 200)
    assert timing_of(values, 20) == timing_of(values, 20)


def test_too_few_blocks_give_figures_without_spread() -> None:
    timing = timing_of(np.linspace(1, 2, 40), 20)
    assert timing.p50.value == pytest.approx(1.5)
    assert math.isnan(timing.p50.low)
    ratio = ratio_of(np.full(40, 4.0), np.full(40, 2.0), 20)
    assert (ratio.value, math.isnan(ratio.low)) == (2.0, True)


def test_a_disturbance_of_both_leaves_their_ratio_firm() -> None:
    random = np.random.default_rng(3)
    slow = np.repeat(random.uniform(1, 3, 30), 20)  # the machine is up to three times as slow
    first, second = 2.0 * slow, 1.0 * slow
    ratio = ratio_of(first, second, 20)
    assert ratio.value == pytest.approx(2.0)
    assert ratio.high - ratio.low < 1e-9
    assert timing_of(first, 20).p50.high - timing_of(first, 20).p50.low > 0.3
