# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eipl_trt_ros.command.limits import JointLimit, narrower, resolve_limits
from eipl_trt_ros.errors import LimitsError

WHOLE = JointLimit(-1.0, 2.0, 1.5, 8.0)


def test_what_one_source_does_not_tell_another_may():
    described = {'a': JointLimit(-1.0, 2.0, 1.5)}
    given_limits = {'a': JointLimit(acceleration=8.0)}
    limits = resolve_limits(['a'], (described, given_limits))
    assert limits.names == ('a',)
    assert (limits.lower[0], limits.upper[0]) == (-1.0, 2.0)
    assert (limits.velocity[0], limits.acceleration[0]) == (1.5, 8.0)


@given(*[st.tuples(*[st.none() | st.floats(-5, 5)] * 4)] * 2)
def test_of_two_sources_the_narrower_counts(one, other):
    both = narrower(JointLimit(*one), JointLimit(*other))
    assert both == narrower(JointLimit(*other), JointLimit(*one))
    for name in ('lower', 'upper', 'velocity', 'acceleration'):
        value = getattr(both, name)
        for source in (JointLimit(*one), JointLimit(*other)):
            told = getattr(source, name)
            if told is not None:
                assert value >= told if name == 'lower' else value <= told


def test_every_unknown_limit_is_named_at_once():
    with pytest.raises(LimitsError, match=r'a \(acceleration\); b \(lower, upper, velocity, acc'):
        resolve_limits(['a', 'b'], [{'a': JointLimit(-1.0, 2.0, 1.5)}])


def test_a_default_acceleration_is_for_those_that_have_none():
    sources = [{'a': JointLimit(-1.0, 2.0, 1.5), 'b': WHOLE}]
    limits = resolve_limits(['a', 'b'], sources, default_acceleration=20.0)
    assert limits.acceleration.tolist() == [20.0, 8.0]


def test_speeds_can_be_scaled_down_and_positions_stay():
    limits = resolve_limits(['a'], [{'a': WHOLE}], speed_scale=0.1)
    assert limits.velocity[0] == pytest.approx(0.15)
    assert limits.acceleration[0] == pytest.approx(0.8)
    assert limits.upper[0] == 2.0


@pytest.mark.parametrize(
    ('limit', 'reason'),
    [
        (JointLimit(2.0, 1.0, 1.0, 1.0), 'lower limit 2.0 is not below the upper limit 1.0'),
        (JointLimit(0.0, 0.0, 1.0, 1.0), 'not below'),
        (JointLimit(math.nan, 1.0, 1.0, 1.0), 'not below'),
        (JointLimit(0.0, 1.0, 0.0, 1.0), 'the velocity limit is 0.0, expected a number above 0'),
        (JointLimit(0.0, 1.0, 1.0, -1.0), 'the acceleration limit is -1.0'),
        (JointLimit(0.0, 1.0, math.inf, 1.0), 'the velocity limit is inf'),
    ],
)
def test_limits_that_make_no_sense_are_refused(limit, reason):
    with pytest.raises(LimitsError, match=reason):
        resolve_limits(['a'], [{'a': limit}])
