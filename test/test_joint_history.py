# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eipl_trt_ros.joint_history import JointHistory

FAR = 10**9
stamps = st.integers(0, 900)
samples = st.dictionaries(stamps, st.floats(-10, 10), min_size=1, max_size=40)


def filled(pairs, **settings) -> JointHistory:
    history = JointHistory(**settings)
    for stamp, position in pairs:
        history.add(stamp, position)
    return history


@given(samples=samples, asked=stamps, order=st.randoms())
def test_a_position_is_interpolated_linearly_in_whatever_order_samples_came(samples, asked, order):
    pairs = list(samples.items())
    order.shuffle(pairs)
    sample = filled(pairs).at(asked, FAR)
    known = sorted(samples)
    assert sample is not None
    expected = np.interp(asked, known, [samples[stamp] for stamp in known])
    assert sample.position == pytest.approx(expected, abs=1e-12)
    assert sample.reached == (known[-1] >= asked)
    assert abs(sample.stamp_ns - asked) == min(abs(stamp - asked) for stamp in known)


@given(samples=samples, asked=stamps, slop=st.integers(0, 100))
def test_only_samples_within_the_slop_are_used(samples, asked, slop):
    sample = filled(samples.items()).at(asked, slop)
    near = {stamp: p for stamp, p in samples.items() if abs(stamp - asked) <= slop}
    if not near:
        assert sample is None
        return
    assert sample is not None
    below = [stamp for stamp in near if stamp <= asked]
    above = [stamp for stamp in near if stamp >= asked]
    ends = [near[max(below)]] if below else []
    ends += [near[min(above)]] if above else []
    assert min(ends) - 1e-12 <= sample.position <= max(ends) + 1e-12
    if not above:
        assert sample.position == near[max(below)]


@given(samples=samples)
def test_a_position_at_a_samples_own_stamp_is_exact(samples):
    history = filled(samples.items())
    for stamp, position in samples.items():
        assert history.at(stamp, 0).position == position


@given(added=st.lists(st.integers(0, 99), max_size=60))
def test_only_the_newest_samples_are_kept(added):
    history = JointHistory(capacity=8)
    expected: set[int] = set()
    for stamp in added:
        history.add(stamp, stamp / 2)
        expected = set(sorted(expected | {stamp})[-8:])
        assert len(history) == len(expected)
    for stamp in range(100):
        sample = history.at(stamp, 0)
        assert (sample is not None) == (stamp in expected)
        assert sample is None or sample.position == stamp / 2


def test_a_repeated_sample_replaces_the_first():
    history = filled([(1, 1.0), (2, 2.0), (2, 3.0), (1, 4.0)])
    assert len(history) == 2
    assert history.at(2, 0).position == 3.0
    assert history.at(1, 0).position == 4.0


def test_a_sample_from_before_a_jump_back_is_forgotten():
    history = filled([(5000, 1.0), (100, 2.0)], jump_ns=1000)
    assert history.newest_ns == 100
    assert history.at(5000, 10) is None


def test_no_sample_gives_no_position():
    history = JointHistory()
    assert history.newest_ns is None
    assert history.at(0, FAR) is None
