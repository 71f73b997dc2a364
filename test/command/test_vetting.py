# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from command_worlds import make_limits
from hypothesis import given
from hypothesis import strategies as st

from eipl_trt_ros.command.interventions import Intervention, Interventions
from eipl_trt_ros.command.path import PathFollower
from eipl_trt_ros.command.vetting import POLICIES, Policies, Vetting

LIMITS = make_limits(2, lower=-1.0, upper=1.0, velocity=2.0, acceleration=10.0)
LENIENT = Policies('clamp', 'clamp', 'clamp', 'clamp', max_jump=0.5)
SECOND = 1_000_000_000


class Gate:
    """A vetting for an arm at rest somewhere."""

    def __init__(self, policies: Policies = LENIENT, at: float = 0.0) -> None:
        self.found = Interventions()
        self.vetting = Vetting(LIMITS, policies, 0.1, self.found)
        self.path = PathFollower(LIMITS, 0.01)
        self.measured = np.full(2, at)
        self.path.start(self.measured)

    def check(self, *predicted: float, now: int = 0) -> bool:
        return self.vetting.check(np.array(predicted), self.measured, self.path, now)

    def counts(self) -> dict[Intervention, int]:
        return {kind: count for kind, count in self.found.counts.items() if count}


def test_an_ordinary_prediction_becomes_the_target_as_it_is():
    gate = Gate()
    assert gate.check(0.03, -0.02)
    assert gate.vetting.target.tolist() == [0.03, -0.02]
    assert not gate.counts()


@pytest.mark.parametrize(
    ('policy', 'kind', 'at', 'predicted'),
    [
        ('position', Intervention.POSITION, 0.99, (1.02, 1.0)),
        ('jump', Intervention.JUMP, 0.0, (0.0, 0.6)),
        ('velocity', Intervention.VELOCITY, 0.0, (0.21, 0.0)),
        ('acceleration', Intervention.ACCELERATION, 0.0, (0.0, -0.06)),
    ],
)
def test_beyond_a_limit_a_prediction_is_cut_down_or_dropped(policy, kind, at, predicted):
    gate = Gate(at=at)
    assert gate.check(*predicted)
    assert gate.counts()[kind] == 1
    gate = Gate(replace(LENIENT, **{policy: 'refuse'}), at=at)
    assert not gate.check(*predicted)
    assert gate.counts()[kind] == 1
    assert not gate.vetting.target.any()


@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_dropped_whatever_the_policy(value):
    gate = Gate()
    assert not gate.check(0.0, value)
    assert gate.counts() == {Intervention.NOT_FINITE: 1}
    gate.measured[0] = np.nan
    assert not gate.check(0.0, 0.0)
    assert gate.counts()[Intervention.NOT_MEASURED] == 1


@given(
    st.sampled_from(POLICIES),
    st.sampled_from(POLICIES),
    st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=2, max_size=2),
    st.floats(-1.0, 1.0),
)
def test_whatever_is_predicted_the_target_is_within_limits_and_near_the_arm(
    position, jump, predicted, at
):
    gate = Gate(replace(LENIENT, position=position, jump=jump), at)
    if gate.check(*predicted):
        target = gate.vetting.target
        assert (target >= LIMITS.lower).all()
        assert (target <= LIMITS.upper).all()
        assert (abs(target - at) <= 0.5 + 1e-12).all()


def test_a_flood_of_interventions_gives_one_line_in_five_seconds_and_a_count():
    gate = Gate()
    for index in range(100):
        gate.check(0.0, 0.6, now=index * SECOND // 10)
    jumps = [line for line in gate.found.take_lines() if line.startswith('too far')]
    assert jumps == [
        'too far from the measured position: joint2 0.6; clamped',
        'too far from the measured position: joint2 0.6; clamped (49 more since the last such '
        'line)',
    ]
    assert gate.found.take_lines() == ()
    assert gate.counts()[Intervention.JUMP] == 100
