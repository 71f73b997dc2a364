# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The semantics of ros2_control's controllers, on messages that have their fields and no more."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eipl_trt_ros.errors import InputError
from eipl_trt_ros.sim.controllers import ForwardController, TrajectoryController
from eipl_trt_ros.sim.trajectory import State

NAMES = ('a', 'b', 'c')
MS = 1_000_000
NOW = 5_000 * MS
AT_HOME = State(np.zeros(3), np.zeros(3))


def time_of(ns: int) -> SimpleNamespace:
    return SimpleNamespace(sec=ns // 10**9, nanosec=ns % 10**9)


def point(ms, positions=(1.0, 2.0, 3.0), velocities=(), accelerations=(), effort=()):
    return SimpleNamespace(
        time_from_start=time_of(ms * MS),
        positions=positions,
        velocities=velocities,
        accelerations=accelerations,
        effort=effort,
    )


def trajectory(*points, names=NAMES, stamp=0):
    return SimpleNamespace(
        header=SimpleNamespace(stamp=time_of(stamp)), joint_names=names, points=points
    )


def follow(controller, until_ms, *, start=NOW, measured=AT_HOME, every=10):
    """Update in periods of ``every`` ms; return the last set point."""
    target = None
    for ms in range(0, until_ms, every):
        now = start + ms * MS
        target = controller.update(now, now + every * MS, measured)
    return target


@pytest.fixture
def controller() -> TrajectoryController:
    return TrajectoryController(NAMES)


def test_before_the_first_command_there_is_no_set_point(controller):
    assert follow(controller, 100) is None
    assert ForwardController(NAMES).update(0, 1, AT_HOME) is None


def test_positions_alone_are_joined_by_straight_lines_from_now_on(controller):
    controller.accept(trajectory(point(100)), NOW)
    np.testing.assert_allclose(follow(controller, 50), [0.5, 1.0, 1.5])
    np.testing.assert_allclose(follow(controller, 200, start=NOW + 50 * MS), [1, 2, 3])


def test_with_velocities_the_way_is_a_cubic_that_starts_and_ends_at_rest(controller):
    controller.accept(trajectory(point(100, velocities=(0.0, 0.0, 0.0))), NOW)
    assert follow(controller, 10)[0] == pytest.approx(3 * 0.1**2 - 2 * 0.1**3)


def test_joints_in_another_order_are_sorted(controller):
    controller.accept(trajectory(point(10), names=('c', 'a', 'b')), NOW)
    np.testing.assert_allclose(follow(controller, 10), [2, 3, 1])


def test_a_new_trajectory_replaces_the_one_in_flight_from_the_last_set_point(controller):
    controller.accept(trajectory(point(100), point(500, (9.0, 9.0, 9.0))), NOW)
    follow(controller, 50)
    controller.accept(trajectory(point(100, (0.0, 0.0, 0.0))), NOW + 50 * MS)
    halfway = follow(controller, 50, start=NOW + 50 * MS)
    np.testing.assert_allclose(halfway, [0.25, 0.5, 0.75])


def test_without_the_desired_state_it_starts_where_the_joints_are():
    controller = TrajectoryController(NAMES, from_desired=False)
    controller.accept(trajectory(point(100)), NOW)
    follow(controller, 100)
    controller.accept(trajectory(point(100, (0.0, 0.0, 0.0))), NOW)
    measured = State(np.full(3, 0.4), np.zeros(3))
    np.testing.assert_allclose(follow(controller, 50, measured=measured), [0.2, 0.2, 0.2])


def test_partial_trajectories_are_rejected_unless_allowed():
    partial = trajectory(point(10, (7.0,)), names=('b',))
    with pytest.raises(InputError, match='lacks a, c'):
        TrajectoryController(NAMES).accept(partial, NOW)
    allowing = TrajectoryController(NAMES, allow_partial=True)
    allowing.accept(partial, NOW)
    measured = State(np.array([0.1, 0.2, 0.3]), np.zeros(3))
    np.testing.assert_allclose(follow(allowing, 10, measured=measured), [0.1, 7.0, 0.3])


def test_a_stamp_in_the_past_shortens_the_way_and_one_in_the_future_lengthens_it(controller):
    controller.accept(trajectory(point(100), stamp=NOW - 50 * MS), NOW)
    np.testing.assert_allclose(follow(controller, 50), [1, 2, 3])
    controller.reset()
    controller.accept(trajectory(point(100), stamp=NOW + 100 * MS), NOW)
    np.testing.assert_allclose(follow(controller, 100), [0.5, 1.0, 1.5])


def test_points_that_have_passed_are_passed_over(controller):
    points = point(20, (9.0, 9.0, 9.0)), point(100, (0.0, 0.0, 0.0))
    controller.accept(trajectory(*points, stamp=NOW - 60 * MS), NOW)
    np.testing.assert_allclose(follow(controller, 20), [9 / 4] * 3)


@pytest.mark.parametrize(
    ('message', 'why'),
    [
        (trajectory(), 'no points'),
        (trajectory(point(10), names=()), 'moves no joint'),
        (trajectory(point(10), names=('a', 'b', 'z')), 'moves a, b, z'),
        (trajectory(point(10), names=('a', 'b', 'b')), 'moves a, b, b'),
        (trajectory(point(10, (1.0, 2.0))), '2 positions for 3'),
        (trajectory(point(10, ())), '0 positions for 3'),
        (trajectory(point(10, velocities=(0.0,))), '1 velocities for 3'),
        (trajectory(point(10, accelerations=(0.0,) * 4)), '4 accelerations for 3'),
        (trajectory(point(10, effort=(0.0,) * 3)), 'an effort'),
        (trajectory(point(10, (1.0, float('nan'), 2.0))), 'not finite'),
        (trajectory(point(10), point(10)), 'point 1 is not after'),
        (trajectory(point(30), point(20)), 'point 1 is not after'),
        (trajectory(point(10, velocities=(0.0, 0.1, 0.0))), 'end at rest'),
        (trajectory(point(10), stamp=NOW - 20 * MS), 'ended 0.010 s ago'),
    ],
)
def test_what_the_real_controller_rejects_is_ignored_with_the_reason(controller, message, why):
    controller.accept(trajectory(point(100)), NOW)
    with pytest.raises(InputError, match=why):
        controller.accept(message, NOW)
    np.testing.assert_allclose(follow(controller, 100), [1, 2, 3])  # what was in flight goes on


def test_after_a_reset_nothing_is_commanded(controller):
    controller.accept(trajectory(point(100)), NOW)
    follow(controller, 50)
    controller.reset()
    assert follow(controller, 50) is None


@given(st.lists(st.floats(), max_size=5))
def test_a_forward_controller_takes_as_many_finite_numbers_as_it_has_joints(values):
    controller = ForwardController(NAMES)
    good = len(values) == 3 and np.isfinite(values).all()
    controller.accept(SimpleNamespace(data=(0.1, 0.2, 0.3)), NOW)
    if good:
        controller.accept(SimpleNamespace(data=values), NOW)
    else:
        with pytest.raises(InputError, match='numbers'):
            controller.accept(SimpleNamespace(data=values), NOW)
    wanted = values if good else (0.1, 0.2, 0.3)
    np.testing.assert_array_equal(controller.update(NOW, NOW + MS, AT_HOME), wanted)
