# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The launch description behind ``launch/<model>.launch.py``."""

from __future__ import annotations

from launch import LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    OpaqueFunction,
    RegisterEventHandler,
)
from launch.event_handlers import OnProcessStart
from launch.events import matches_action
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import LifecycleNode, Node
from launch_ros.event_handlers import OnStateTransition
from launch_ros.events.lifecycle import ChangeState
from launch_ros.parameter_descriptions import ParameterFile, ParameterValue
from launch_ros.substitutions import FindPackageShare
from lifecycle_msgs.msg import Transition

from eipl_trt_ros.backends import BACKENDS, PRECISION_CHOICES
from eipl_trt_ros.nodes.command_settings import COMMAND_TYPES
from eipl_trt_ros.nodes.launch_parts import PACKAGE, SWITCH, node_arguments, reader
from eipl_trt_ros.nodes.power_launching import default_file, power_node, source_argument
from eipl_trt_ros.nodes.predictor_settings import IMAGE_TRANSPORTS

_FROM_ARGUMENTS = ('bundle', 'backend', 'precision', 'image_transport', 'command_type')
_FLAGS = ('engage', 'use_sim_time')
_NUMBERS = {'threads': int, 'cpu_affinity': list[int], 'priority': int}
"""Arguments that go before params_file only where they are given."""


def launch_predictor(model: str) -> LaunchDescription:
    """
    Describe a launch of `predictor_node`.

    With ``autostart`` the node is configured and activated by events: configure when its process
    has started, activate when it has become inactive after configuring.

    Args:
        model: name of the sample bundle to run where no other bundle is given.

    """
    return LaunchDescription([*_arguments(model), OpaqueFunction(function=_node)])


def _arguments(model: str) -> list[DeclareLaunchArgument]:
    share = FindPackageShare(PACKAGE)
    return [
        DeclareLaunchArgument(
            'bundle',
            default_value=PathJoinSubstitution([share, 'samples', model]),
            description='Folder of the bundle to run.',
        ),
        DeclareLaunchArgument(
            'precision',
            default_value='fp32',
            choices=PRECISION_CHOICES,
            description='Precision of the inference; auto takes the fastest engines within the '
            'error budget.',
        ),
        DeclareLaunchArgument(
            'backend',
            default_value='auto',
            choices=BACKENDS,
            description='What executes the model; auto takes the fastest there is.',
        ),
        *node_arguments('predictor', 'Take the time from /clock.'),
        DeclareLaunchArgument(
            'params_file',
            default_value=PathJoinSubstitution([share, 'config', 'predictor.yaml']),
            description='Parameters of the node; what is a launch argument here goes before them.',
        ),
        DeclareLaunchArgument(
            'threads',
            default_value='',
            description='CPU threads for one inference. Empty: as in params_file.',
        ),
        DeclareLaunchArgument(
            'cpu_affinity',
            default_value='',
            description='Cores for the inference, such as [2, 3]. Empty: as in params_file.',
        ),
        DeclareLaunchArgument(
            'priority',
            default_value='',
            description='Real-time priority of the process, 1 to 99. Empty: as in params_file.',
        ),
        DeclareLaunchArgument(
            'autostart',
            default_value='true',
            choices=SWITCH,
            description='Configure and activate the node; false leaves that to a manager.',
        ),
        DeclareLaunchArgument(
            'engage',
            default_value='false',
            choices=SWITCH,
            description='Engage by itself as soon as allowed: for simulation and replay. On a '
            'robot call ~/engage.',
        ),
        DeclareLaunchArgument(
            'image_topic',
            default_value='/camera/image_raw',
            description='Camera topic; its raw name also where the transport is compressed.',
        ),
        DeclareLaunchArgument(
            'image_transport',
            default_value='raw',
            choices=IMAGE_TRANSPORTS,
            description='compressed subscribes to <image_topic>/compressed.',
        ),
        DeclareLaunchArgument(
            'joint_states_topic',
            default_value='/joint_states',
            description='Topic of the measured joints.',
        ),
        DeclareLaunchArgument(
            'command_type',
            default_value='joint_trajectory',
            choices=COMMAND_TYPES,
            description='Message type of the command.',
        ),
        DeclareLaunchArgument(
            'command_topic',
            default_value='',
            description='Topic of the controller, such as /arm_controller/joint_trajectory. '
            'Empty: the command goes to a topic of the node that nobody listens to.',
        ),
        DeclareLaunchArgument(
            'gripper_topic',
            default_value='',
            description='Topic of the gripper (std_msgs/Bool, true closes). Empty: as above.',
        ),
        DeclareLaunchArgument(
            'power',
            default_value='false',
            choices=SWITCH,
            description='Run the power node beside it, which tells what its frames cost.',
        ),
        source_argument('power_source'),
        DeclareLaunchArgument(
            'power_params_file',
            default_value=default_file(),
            description='Parameters of the power node.',
        ),
    ]


def _node(context: LaunchContext) -> list[Node | RegisterEventHandler]:
    value = reader(context)
    remappings = [('image', value('image_topic')), ('joint_states', value('joint_states_topic'))]
    if value('command_topic'):
        private = '~/joint_trajectory'
        if value('command_type') == 'float64_multi_array':
            private = '~/commands'
        remappings.append((private, value('command_topic')))
    if value('gripper_topic'):
        remappings.append(('~/gripper_command', value('gripper_topic')))
    parameters = {
        name: ParameterValue(LaunchConfiguration(name), value_type=str) for name in _FROM_ARGUMENTS
    }
    for name in _FLAGS:
        parameters[name] = ParameterValue(LaunchConfiguration(name), value_type=bool)
    for name, kind in _NUMBERS.items():
        if value(name):
            parameters[name] = ParameterValue(LaunchConfiguration(name), value_type=kind)
    node = LifecycleNode(
        package=PACKAGE,
        executable='predictor_node',
        name=value('node_name'),
        namespace=value('namespace'),
        parameters=[
            ParameterFile(LaunchConfiguration('params_file'), allow_substs=True),
            parameters,
        ],
        remappings=remappings,
        ros_arguments=['--log-level', value('log_level')],
        output='both',
        emulate_tty=True,
    )
    beside: list[Node] = []
    if value('power') == 'true':
        beside.append(
            power_node(
                name='power',
                namespace=value('namespace'),
                params_file=LaunchConfiguration('power_params_file'),
                parameters={
                    'source': value('power_source'),
                    'timing_topics': f'{value("node_name")}/frame_timing',
                },
                use_sim_time=value('use_sim_time'),
                log_level=value('log_level'),
            )
        )
    if value('autostart') != 'true':
        return [node, *beside]
    # handlers first: the node could start before they listen
    return [
        RegisterEventHandler(
            OnProcessStart(
                target_action=node, on_start=[_change(node, Transition.TRANSITION_CONFIGURE)]
            )
        ),
        RegisterEventHandler(
            OnStateTransition(
                target_lifecycle_node=node,
                start_state='configuring',  # not on the way back from active
                goal_state='inactive',
                entities=[_change(node, Transition.TRANSITION_ACTIVATE)],
            )
        ),
        node,
        *beside,
    ]


def _change(node: LifecycleNode, transition: int) -> EmitEvent:
    event = ChangeState(lifecycle_node_matcher=matches_action(node), transition_id=transition)
    return EmitEvent(event=event)
