# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from xml.etree import ElementTree as ET

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from eipl_trt_ros.sim.description import roll_pitch_yaw, urdf
from eipl_trt_ros.sim.environment import PandaEnvironment
from eipl_trt_ros.sim.scene import JOINT_NAMES

angles = st.floats(-3, 3)


def turned(roll: float, pitch: float, yaw: float) -> np.ndarray:
    """Rotation matrix of URDF's rpy: about the fixed x, then y, then z."""
    (cr, sr), (cp, sp), (cy, sy) = ((np.cos(a), np.sin(a)) for a in (roll, pitch, yaw))
    about_x = np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]])
    about_y = np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
    about_z = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


def of_quaternion(w: float, x: float, y: float, z: float) -> np.ndarray:
    vector = np.array([x, y, z])
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) * (w * w - vector @ vector) + 2 * np.outer(vector, vector) + 2 * w * cross


def read(robot: PandaEnvironment) -> ET.Element:
    return ET.fromstring(urdf(robot.kinematics))  # noqa: S314 - our own text


def turns(quaternion: tuple[float, ...]) -> bool:
    """Tell whether the quaternion is one of a turn that three angles describe well."""
    length = np.linalg.norm(quaternion)
    w, x, y, z = quaternion
    return bool(length > 0.1 and abs(2 * (w * y - z * x)) < 0.999 * length**2)


@given(st.tuples(*[st.floats(-1, 1)] * 4).filter(turns))
def test_a_quaternion_and_its_angles_are_the_same_turn(quaternion):
    unit = np.array(quaternion) / np.linalg.norm(quaternion)
    np.testing.assert_allclose(turned(*roll_pitch_yaw(unit)), of_quaternion(*unit), atol=1e-6)


def test_the_chain_of_joints_leads_to_where_the_simulator_says(robot: PandaEnvironment):
    root = read(robot)
    joints = root.findall('joint')
    assert tuple(joint.get('name') for joint in joints) == JOINT_NAMES[:-1]
    robot.reset((0.5, 0.0))
    place, turn = np.zeros(3), np.eye(3)
    for joint, angle in zip(joints, robot.joints, strict=False):
        origin = joint.find('origin')
        place = place + turn @ np.array(origin.get('xyz').split(), float)
        turn = turn @ turned(*map(float, origin.get('rpy').split())) @ turned(0, 0, angle)
    np.testing.assert_allclose(place, robot._data.body('link7').xpos, atol=1e-4)


def test_home_is_within_the_limits(robot: PandaEnvironment):
    root = read(robot)
    for limit, angle in zip(root.iter('limit'), robot.home, strict=True):
        assert float(limit.get('lower')) < angle < float(limit.get('upper'))
        assert float(limit.get('velocity')) > 2
