# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The launch description behind ``launch/sim.launch.py``."""

from __future__ import annotations

from launch import LaunchContext, LaunchDescription
from launch.action import Action
from launch.actions import (
    DeclareLaunchArgument,
    GroupAction,
    IncludeLaunchDescription,
    OpaqueFunction,
    RegisterEventHandler,
    Shutdown,
)
from launch.event_handlers import OnProcessExit
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node, SetParameter
from launch_ros.substitutions import FindPackageShare

from eipl_trt_ros.backends import BACKENDS, PRECISIONS
from eipl_trt_ros.nodes.command_settings import COMMAND_TYPES
from eipl_trt_ros.nodes.launch_parts import PACKAGE, reader
from eipl_trt_ros.sim.positions import AREAS

MODELS = ('sarnn', 'cnnrnn', 'cnnrnnln')
_TOPICS = {
    'joint_trajectory': '/arm_controller/joint_trajectory',
    'float64_multi_array': '/arm_controller/commands',
}


def launch_sim() -> LaunchDescription:
    """
    Describe a launch of `sim_robot_node` and of `predictor_node`, which drives it.

    After the last episode the robot's process ends, and with it the launch.
    """
    return LaunchDescription([*_arguments(), OpaqueFunction(function=_actions)])


def _arguments() -> list[DeclareLaunchArgument]:
    return [
        DeclareLaunchArgument(
            'model', default_value='sarnn', choices=MODELS, description='Sample bundle to run.'
        ),
        DeclareLaunchArgument(
            'bundle',
            default_value='',
            description='Folder of another bundle for the same arm. Empty: the sample.',
        ),
        DeclareLaunchArgument(
            'precision',
            default_value='fp32',
            choices=PRECISIONS,
            description='Precision of the inference.',
        ),
        DeclareLaunchArgument(
            'backend',
            default_value='onnxruntime',
            choices=BACKENDS,
            description='What executes the model; onnxruntime runs every precision in its exact '
            'arithmetic, also without a GPU.',
        ),
        DeclareLaunchArgument(
            'mixing',
            default_value='1.0',
            description='Share of the sensed image and joints in what the model sees, 0 to 1.',
        ),
        DeclareLaunchArgument(
            'command_type',
            default_value='joint_trajectory',
            choices=COMMAND_TYPES,
            description='Which controller the arm has.',
        ),
        DeclareLaunchArgument(
            'place',
            default_value='unseen',
            choices=AREAS,
            description='Where the cube lies: places of training, between them, beyond them.',
        ),
        DeclareLaunchArgument(
            'index', default_value='0', description='Number of the first place of that area.'
        ),
        DeclareLaunchArgument(
            'episodes',
            default_value='1',
            description='How many grasps; 0 goes on until stopped, with one that never ends.',
        ),
    ]


def _actions(context: LaunchContext) -> list[Action]:
    value = reader(context)
    share = FindPackageShare(PACKAGE)
    episodes = int(_number(context, 'episodes', 0, 10_000))
    mixing = _number(context, 'mixing', 0, 1)
    robot = Node(
        package=PACKAGE,
        executable='sim_robot_node',
        name='sim_robot',
        parameters=[
            {
                'command_type': value('command_type'),
                'place': value('place'),
                'index': int(_number(context, 'index', 0, 10_000)),
                'episodes': episodes,
            }
        ],
        output='both',
        emulate_tty=True,
    )
    predictor = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(
            PathJoinSubstitution([share, 'launch', f'{value("model")}.launch.py'])
        ),
        launch_arguments={
            'bundle': value('bundle') or PathJoinSubstitution([share, 'samples', value('model')]),
            'precision': value('precision'),
            'backend': value('backend'),
            'command_type': value('command_type'),
            'command_topic': _TOPICS[value('command_type')],
            'gripper_topic': '/gripper/close',
            'params_file': PathJoinSubstitution([share, 'config', 'panda', 'predictor.yaml']),
            'engage': 'false' if episodes else 'true',  # in episodes, the robot's node asks for it
        }.items(),
    )
    return [
        RegisterEventHandler(OnProcessExit(target_action=robot, on_exit=[Shutdown()])),
        robot,
        GroupAction([SetParameter('input_mixing', mixing), predictor]),
    ]


def _number(context: LaunchContext, name: str, low: float, high: float) -> float:
    """Read a number among the arguments, or say what is wrong with it."""
    text = LaunchConfiguration(name).perform(context)
    try:
        number = float(text)
    except ValueError:
        number = float('nan')
    if not low <= number <= high:
        msg = f'the launch argument {name} is {text!r}, expected a number from {low} to {high}'
        raise RuntimeError(msg)
    return number
