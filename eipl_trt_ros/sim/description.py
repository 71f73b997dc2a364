# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The simulated arm as a URDF: seven joints with their places and limits, without meshes."""

from __future__ import annotations

from xml.sax.saxutils import quoteattr

import numpy as np

from eipl_trt_ros.sim.kinematics import Kinematics, Vector
from eipl_trt_ros.sim.scene import JOINT_NAMES

BASE = 'panda_link0'
# rad/s, Franka Emika's data sheet of the Panda: four shoulder and elbow joints, three of the wrist
VELOCITIES = (2.175,) * 4 + (2.61,) * 3


def urdf(kinematics: Kinematics) -> str:
    """
    Describe the arm.

    Args:
        kinematics: of the scene.

    Returns:
        A URDF document with the links ``panda_link0`` to ``panda_link7``.

    """
    parts = [f'<link name={quoteattr(BASE)}/>']
    parent = BASE
    chain = zip(JOINT_NAMES[:-1], kinematics.mounts, kinematics.limits, VELOCITIES, strict=True)
    for index, (name, (place, turn), (lower, upper), velocity) in enumerate(chain, 1):
        link = f'panda_link{index}'
        parts += [
            f'<link name={quoteattr(link)}/>',
            f'<joint name={quoteattr(name)} type="revolute">',
            f'  <origin xyz="{_numbers(place)}" rpy="{_numbers(roll_pitch_yaw(turn))}"/>',
            f'  <parent link={quoteattr(parent)}/><child link={quoteattr(link)}/>',
            '  <axis xyz="0 0 1"/>',
            f'  <limit lower="{lower:g}" upper="{upper:g}" velocity="{velocity:g}" effort="87"/>',
            '</joint>',
        ]
        parent = link
    body = '\n'.join(f'  {part}' for part in parts)
    return f'<?xml version="1.0"?>\n<robot name="panda">\n{body}\n</robot>\n'


def roll_pitch_yaw(turn: Vector) -> Vector:
    """
    Turn a quaternion into URDF's angles, about the fixed axes x, y and z in this order.

    Args:
        turn: float64 (4,), unit quaternion, w first. One with a pitch of 90 degrees has no such
            angles that are good to more than some digits.

    Returns:
        float64 (3,), radians.

    """
    w, x, y, z = turn
    return np.array(
        [
            np.arctan2(2 * (w * x + y * z), 1 - 2 * (x * x + y * y)),
            np.arcsin(np.clip(2 * (w * y - z * x), -1.0, 1.0)),
            np.arctan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z)),
        ]
    )


def _numbers(values: Vector) -> str:
    return ' '.join(f'{value:.7g}' for value in values + 0.0)
