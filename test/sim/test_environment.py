# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from eipl_trt_ros.errors import EiplTrtError
from eipl_trt_ros.sim.environment import PICTURE_SIZE, PandaEnvironment
from eipl_trt_ros.sim.scene import project


def hold(robot: PandaEnvironment, gripper: float, frames: int = 4) -> float:
    """Stay at home with this gripper command; tell how far the fingers have closed."""
    for _ in range(frames):
        robot.step(np.append(robot.home, gripper))
    return float(robot._data.joint('right_driver_joint').qpos[0])


def test_the_joints_follow_a_moving_command_within_milliradians(robot: PandaEnvironment):
    robot.reset((0.5, 0.1))
    for frame in range(1, 11):
        command = np.append(robot.home + 0.02 * frame, 0.0)
        robot.step(command)
        np.testing.assert_allclose(robot.joints, command, atol=3e-3)


def test_the_gripper_is_a_switch_with_hysteresis(robot: PandaEnvironment):
    robot.reset((0.5, 0.13))
    opened = hold(robot, 0.0)
    assert hold(robot, 0.6) == pytest.approx(opened, abs=0.02)
    closed = hold(robot, 0.8)
    assert closed > opened + 0.3
    assert hold(robot, 0.4) == pytest.approx(closed, abs=0.02)
    assert hold(robot, 0.2) == pytest.approx(opened, abs=0.02)


def test_the_gripper_reads_back_its_command(robot: PandaEnvironment):
    robot.reset((0.5, 0.13))
    robot.step(np.append(robot.home, 0.25))
    assert robot.joints[-1] == pytest.approx(0.25)


def test_the_same_commands_give_the_same_joints(robot: PandaEnvironment):
    ends = []
    for _ in range(2):
        robot.reset((0.5, 0.0))
        for frame in range(5):
            robot.step(np.append(robot.home + 0.01 * frame, 0.0))
        ends.append(robot.joints)
    np.testing.assert_array_equal(*ends)


def test_a_cube_on_the_table_is_not_lifted(robot: PandaEnvironment):
    robot.reset((0.5, 0.0))
    assert not robot.lifted


@pytest.mark.parametrize('command', [np.zeros(7), np.full(8, np.nan)])
def test_a_command_that_is_no_command_is_refused(robot: PandaEnvironment, command):
    with pytest.raises(EiplTrtError, match='8 finite numbers'):
        robot.step(command)


def test_a_place_out_of_reach_is_refused(robot: PandaEnvironment):
    with pytest.raises(EiplTrtError, match='choose a place in reach'):
        robot.kinematics.joints_for(np.array([2.0, 0.0, 0.2]), robot.home)


def test_inverse_kinematics_undoes_forward_kinematics(robot: PandaEnvironment):
    place = np.array([0.5, -0.1, 0.1])
    joints = robot.kinematics.joints_for(place, robot.home)
    np.testing.assert_allclose(robot.kinematics.pinch_position(joints), place, atol=2e-4)


def red_pixels(picture):
    red, green = picture[..., 0].astype(int), picture[..., 1].astype(int)
    return np.argwhere(red - green > 100)


@pytest.mark.parametrize('place', [(0.5, 0.0), (0.48, -0.12), (0.52, 0.12)])
def test_the_camera_sees_the_cube_where_the_projection_says(camera: PandaEnvironment, place):
    camera.reset(place)
    found = red_pixels(camera.picture())
    rows, columns = found.T
    assert columns.max() - columns.min() + 1 >= 16
    x, y = project(camera.cube_position) * PICTURE_SIZE
    assert columns.mean() == pytest.approx(x, abs=2)
    assert rows.mean() == pytest.approx(y, abs=2)


def test_a_hidden_cube_is_not_in_the_picture_but_on_the_table(camera: PandaEnvironment):
    camera.reset((0.5, 0.0), hidden=True)
    assert len(red_pixels(camera.picture())) == 0
    assert camera.cube_position[2] == pytest.approx(0.025, abs=1e-3)
