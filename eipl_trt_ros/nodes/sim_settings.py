# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The parameters of `sim_robot_node`."""

from __future__ import annotations

from dataclasses import dataclass, fields

from rclpy.node import Node

from eipl_trt_ros.nodes.command_settings import COMMAND_TYPES
from eipl_trt_ros.nodes.parameters import Setting
from eipl_trt_ros.sim.positions import AREAS, Placement, draw_area

HERE = 'here'
PLACES = (*AREAS, HERE)
_FARTHEST = 10_000  # index of a place

SETTINGS = (
    Setting(
        'place',
        'unseen',
        'Where the cube lies after the next reset: seen takes places of training, unseen places '
        'between those, outside places beyond them; here is the place given by x, y and yaw.',
        choices=PLACES,
    ),
    Setting(
        'index',
        0,
        'Which place of the area the next reset takes; every reset moves it on by one.',
        low=0,
        high=_FARTHEST,
    ),
    Setting('x', 0.5, 'With place here: forward from the base, in m.', low=0.3, high=0.7),
    Setting('y', 0.0, 'With place here: to the left of the base, in m.', low=-0.4, high=0.4),
    Setting('yaw', 0.0, 'With place here: turn of the cube, in rad.', low=-3.15, high=3.15),
    Setting('hidden', False, 'Do not draw the cube: whoever looks must fail then.'),
    Setting(
        'command_type',
        'joint_trajectory',
        'Which controller moves the arm: joint_trajectory on arm_controller/joint_trajectory, or '
        'float64_multi_array on arm_controller/commands.',
        choices=COMMAND_TYPES,
        read_only=True,
    ),
    Setting(
        'allow_partial_joints_goal',
        False,
        'Take trajectories of some of the joints; the others hold.',
        read_only=True,
    ),
    Setting(
        'interpolate_from_desired_state',
        True,
        'A new trajectory starts at the last set point, as streaming needs it; off: where the '
        'joints are measured.',
        read_only=True,
    ),
    Setting(
        'control_rate', 100.0, 'Of the controller, in Hz.', low=10.0, high=500.0, read_only=True
    ),
    Setting('joint_rate', 100.0, 'Of /joint_states, in Hz.', low=1.0, high=500.0, read_only=True),
    Setting('camera_rate', 10.0, 'Of the camera, in Hz.', low=1.0, high=100.0, read_only=True),
    Setting(
        'clock',
        False,
        'Publish /clock, for nodes with use_sim_time; the simulation then waits for nothing, and '
        'where it cannot keep up, its time runs slower. Off: the time is the real one.',
        read_only=True,
    ),
    Setting(
        'speed',
        1.0,
        'With clock: simulated time in real time, at most; 2 is twice as fast.',
        low=0.01,
        high=100.0,
        read_only=True,
    ),
    Setting(
        'episode_seconds',
        9.0,
        'How long after the first command it is judged whether the cube is lifted, in simulated '
        'seconds.',
        low=0.1,
        high=3600.0,
        read_only=True,
    ),
    Setting(
        'episodes',
        0,
        'How many grasps to let the predictor try: the node resets itself and the predictor, '
        'engages it, and ends after the last; 0 does none of this.',
        low=0,
        high=_FARTHEST,
        read_only=True,
    ),
)


@dataclass(frozen=True)
class SimSettings:
    """The values of the read-only ones of `SETTINGS`."""

    command_type: str
    allow_partial_joints_goal: bool
    interpolate_from_desired_state: bool
    control_rate: float
    joint_rate: float
    camera_rate: float
    clock: bool
    speed: float
    episode_seconds: float
    episodes: int


def read_settings(node: Node) -> SimSettings:
    """Read what is fixed while the node runs."""
    names = [field.name for field in fields(SimSettings)]
    return SimSettings(**{name: node.get_parameter(name).value for name in names})


def next_place(node: Node) -> Placement:
    """Read where the cube is to lie."""
    area = node.get_parameter('place').value
    if area == HERE:
        return Placement(*(node.get_parameter(name).value for name in ('x', 'y', 'yaw')))
    index = node.get_parameter('index').value
    return draw_area(area, index + 1)[index]
