# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eipl_trt_ros.sim.environment import HOME_POSITION, PandaEnvironment
from eipl_trt_ros.sim.expert import DOWN_AT, FRAMES, WAIT_UNTIL, Expert, minimum_jerk
from eipl_trt_ros.sim.positions import draw_placements

CUBE = np.array([0.5, 0.05, 0.025])


@given(st.lists(st.floats(-1, 2), min_size=2, max_size=20))
def test_minimum_jerk_goes_from_0_to_1_and_never_back(shares):
    gone = minimum_jerk(np.sort(shares))
    assert (gone >= 0).all()
    assert (gone <= 1 + 1e-12).all()
    assert (np.diff(gone) >= -1e-12).all()


def test_the_plan_waits_at_home_then_meets_the_cube_then_lifts_it():
    plan = Expert.for_cube(CUBE)
    np.testing.assert_allclose(plan.path[: WAIT_UNTIL + 1], [HOME_POSITION] * (WAIT_UNTIL + 1))
    np.testing.assert_allclose(plan.path[DOWN_AT, :2], CUBE[:2], atol=1e-9)
    assert plan.path[-1, 2] > CUBE[2] + 0.1


def test_the_gripper_closes_only_where_the_cube_is():
    plan = Expert.for_cube(CUBE)
    assert (plan.gripper[: DOWN_AT + 1] == 0).all()
    assert plan.gripper[-1] == 1
    moving = (plan.gripper > 0) & (plan.gripper < 1)
    np.testing.assert_allclose(plan.path[moving], [plan.path[DOWN_AT]] * moving.sum(), atol=1e-9)


@pytest.mark.parametrize('index', range(3))
def test_the_expert_lifts_cubes_at_places_of_the_test_split(robot: PandaEnvironment, index):
    place = draw_placements('test', 3)[index]
    robot.reset((place.x, place.y), yaw=place.yaw)
    plan = Expert.for_cube(robot.cube_position)
    for frame in range(FRAMES):
        robot.step(plan.command(frame, np.zeros(3), robot.joints[:7], robot.kinematics))
    assert robot.lifted


def test_an_expert_off_its_path_comes_back(robot: PandaEnvironment):
    plan = Expert.for_cube(CUBE)
    off = np.array([0.0, 0.02, 0.0])
    goal = plan.command(0, off, robot.home, robot.kinematics)
    left = robot.kinematics.pinch_position(goal[:7]) - plan.path[1]
    assert 0 < np.linalg.norm(left) < 0.5 * np.linalg.norm(off)
