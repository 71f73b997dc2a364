# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The path between targets, against the bounds that it promises."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest
from command_worlds import make_limits
from hypothesis import given, settings
from hypothesis import strategies as st

from eipl_trt_ros.command.path import PathFollower
from eipl_trt_ros.command.preview import Preview

RATES = st.sampled_from([50.0, 100.0, 250.0, 500.0])
SPEEDS = st.floats(0.05, 5.0)
GAINS = st.floats(0.2, 50.0)
TARGETS = st.lists(st.tuples(st.floats(-2.0, 2.0), st.integers(0, 120)), min_size=1, max_size=12)
ROUNDING = 1e-9


def stopping_distance(speed: float, acceleration: float, period: float) -> float:
    """How far a joint goes that loses the most it may in every period: added up step by step."""
    distance = 0.0
    while speed > 0:
        after = max(0.0, speed - acceleration * period)
        distance += (speed + after) / 2 * period
        speed = after
    return distance


@settings(deadline=None)
@given(RATES, SPEEDS, GAINS, TARGETS, st.integers(1, 60))
def test_a_path_keeps_every_bound_whatever_its_targets(rate, speed, gain, targets, steps):
    limits = make_limits(1, lower=-1.5, upper=1.5, velocity=speed, acceleration=gain)
    path = PathFollower(limits, 1 / rate)
    path.start(np.array([0.3]))
    position, velocity = 0.3, 0.0
    for target, count in targets:
        path.aim(np.array([target]), steps)
        goal = float(np.clip(target, -1.5, 1.5))
        low = high = position
        reach = math.copysign(stopping_distance(abs(velocity), gain, 1 / rate), velocity)
        low, high = min(low, goal, position + reach), max(high, goal, position + reach)
        for _ in range(count):
            path.step()
            (after,), (speed_after,) = path.position, path.velocity
            assert abs(speed_after) <= speed * (1 + ROUNDING)
            assert abs(speed_after - velocity) <= gain / rate * (1 + ROUNDING) + ROUNDING
            # constant acceleration in between: no step in position
            assert after - position == pytest.approx((velocity + speed_after) / 2 / rate, abs=1e-9)
            # never past the newest target, unless it could not be helped
            assert low - ROUNDING <= after <= high + ROUNDING
            assert -1.5 <= after <= 1.5
            position, velocity = float(after), float(speed_after)


@settings(deadline=None)
@given(RATES, SPEEDS, GAINS, st.floats(-1.5, 1.5), st.integers(0, 100))
def test_a_path_ends_in_a_hold_on_its_target(rate, speed, gain, target, steps):
    limits = make_limits(1, lower=-1.5, upper=1.5, velocity=speed, acceleration=gain)
    path = PathFollower(limits, 1 / rate)
    path.start(np.zeros(1))
    path.aim(np.array([target]), steps)
    seconds = 3.0 / speed + speed / gain + 2 * math.sqrt(3.0 / gain) + steps / rate
    for _ in range(math.ceil(seconds * rate) + 10):
        path.step()
        if path.at_rest and path.position[0] == target:
            break
    assert path.position[0] == target
    assert path.at_rest


@settings(deadline=None)
@given(RATES, SPEEDS, GAINS, TARGETS)
def test_braking_stops_as_soon_as_the_acceleration_allows(rate, speed, gain, targets):
    limits = make_limits(1, lower=-9.0, upper=9.0, velocity=speed, acceleration=gain)
    path = PathFollower(limits, 1 / rate)
    path.start(np.zeros(1))
    for target, count in targets:
        path.aim(np.array([target]), 10)
        for _ in range(count):
            path.step()
    velocity, begin = float(path.velocity[0]), float(path.position[0])
    path.brake()
    assert path.at_rest == (velocity == 0.0)
    needed = math.ceil(abs(velocity) * rate / gain - 1e-6)
    for _ in range(needed + 1):
        path.step()
    assert path.at_rest
    assert needed <= path.braking_steps
    distance = stopping_distance(abs(velocity), gain, 1 / rate)
    assert abs(path.position[0] - begin) == pytest.approx(distance, abs=1e-9)


def test_a_target_within_the_limits_is_reached_when_it_was_asked_for():
    path = PathFollower(make_limits(2, acceleration=50.0), 0.01)
    path.start(np.zeros(2))
    path.aim(np.array([0.1, -0.05]), 10)
    for _ in range(12):
        path.step()
    assert path.position == pytest.approx([0.1, -0.05], abs=2e-3)


def test_the_first_command_is_where_the_path_was_started():
    path = PathFollower(make_limits(2), 0.01)
    path.start(np.array([0.3, -0.2]))
    path.step()
    assert path.position.tolist() == [0.3, -0.2]


@settings(deadline=None)
@given(RATES, st.floats(0.1, 3.0), st.floats(1.0, 20.0), TARGETS)
def test_a_preview_is_the_way_that_the_path_then_takes(rate, speed, gain, targets):
    limits = make_limits(1, lower=-1.5, upper=1.5, velocity=speed, acceleration=gain)
    path = PathFollower(limits, 1 / rate)
    preview = Preview(limits, 1 / rate, steps=20)
    path.start(np.zeros(1))
    for target, count in targets:
        path.aim(np.array([target]), 10)
        rows = preview.run(path)
        assert 1 <= rows <= preview.longest
        assert not preview.velocities[rows - 1].any()  # a controller demands it
        for row in range(min(count, rows, 20)):
            path.step()
            assert path.position[0] == preview.positions[row, 0]
            assert path.velocity[0] == preview.velocities[row, 0]
        for row in range(1, rows):
            change = preview.velocities[row, 0] - preview.velocities[row - 1, 0]
            assert abs(change) <= gain / rate * (1 + ROUNDING) + ROUNDING


def test_steps_take_no_memory():
    path = PathFollower(make_limits(7), 0.002)
    path.start(np.zeros(7))
    path.aim(np.full(7, 0.5), 50)
    path.step()
    tracemalloc.start()
    try:
        before = tracemalloc.take_snapshot()
        for _ in range(1000):
            path.step()
        after = tracemalloc.take_snapshot()
    finally:
        tracemalloc.stop()
    grown = sum(stat.size_diff for stat in after.compare_to(before, 'filename'))
    assert grown < 4096  # tracemalloc's own
