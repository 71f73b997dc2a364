# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What cannot be true is refused, counted and explained."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eipl_trt_ros.energy.history import PowerSample
from eipl_trt_ros.energy.plausibility import Plausibility

S = 1_000_000_000


def check(plausibility: Plausibility, sample: PowerSample) -> PowerSample | None:
    return plausibility.check(sample, 100 * S, maximum_w=200.0)


@pytest.mark.parametrize(
    ('sample', 'cause'),
    [
        (PowerSample(S, 0.0), 'zero'),
        (PowerSample(S, -5.0), 'negative'),
        (PowerSample(S, math.nan), 'not a number'),
        (PowerSample(S, math.inf), 'not a number'),
        (PowerSample(S, 65_535_000.0), 'too large'),
        (PowerSample(S, None), 'empty'),
        (PowerSample(S, None, energy_mj=-1.0), 'not a number'),
        (PowerSample(102 * S, 5.0), 'in the future'),
    ],
)
def test_nonsense_is_refused_by_its_cause(sample, cause):
    plausibility = Plausibility()
    assert check(plausibility, sample) is None
    assert plausibility.refused == {cause: 1}
    assert plausibility.last_refusal
    assert check(plausibility, PowerSample(S, 5_000.0)) is not None
    assert plausibility.accepted == 1


@given(st.floats(1e-3, 200_000))
def test_whatever_a_board_can_draw_passes_unchanged(power):
    sample = PowerSample(S, power, {'SOC': 0.0})
    assert check(Plausibility(), sample) == sample


def test_a_rail_that_cannot_be_true_is_left_out_and_one_that_is_off_is_not():
    plausibility = Plausibility()
    rails = {'SOC': 0.0, 'CPU': -3.0, 'GPU': math.nan, 'CV': 1e9}
    sample = check(plausibility, PowerSample(S, 5_000.0, rails))
    assert sample is not None
    assert sample.rails_mw == {'SOC': 0.0}
    assert plausibility.refused_rails == {'CPU': 1, 'GPU': 1, 'CV': 1}


def test_stamps_that_do_not_increase_are_refused():
    plausibility = Plausibility()
    assert check(plausibility, PowerSample(2 * S, 5_000.0)) is not None
    for stamp in (S, 2 * S):
        assert check(plausibility, PowerSample(stamp, 5_000.0)) is None
    assert plausibility.refused == {'out of order': 2}


def test_a_counter_that_begins_anew_is_refused_once():
    plausibility = Plausibility()
    readings = [(1, 500_000.0), (2, 506_000.0), (3, 100.0), (4, 6_100.0), (5, 1e9), (6, 18_100.0)]
    taken = [
        stamp
        for stamp, reading in readings
        if check(plausibility, PowerSample(stamp * S, None, energy_mj=reading))
    ]
    assert taken == [1, 2, 4, 6]
    assert plausibility.refused == {'counter ran backwards': 1, 'too large': 1}
    assert 'rose by' in plausibility.last_refusal
