# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The launch description behind ``launch/power.launch.py``, and of a power node beside others."""

from __future__ import annotations

from collections.abc import Mapping

from launch import LaunchContext, LaunchDescription, Substitution
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution, TextSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterFile, ParameterValue
from launch_ros.substitutions import FindPackageShare

from eipl_trt_ros.energy.sources import SOURCES
from eipl_trt_ros.nodes.launch_parts import PACKAGE, node_arguments, reader

_TYPES: Mapping[str, type] = {
    'source': str,
    'timing_topics': str,
    'interval': float,
    'recording': str,
    'result_file': str,
}


def launch_power() -> LaunchDescription:
    """Describe a launch of `power_node`; an argument that is not given is the file's affair."""
    return LaunchDescription([*_arguments(), OpaqueFunction(function=_node)])


def source_argument(name: str) -> DeclareLaunchArgument:
    """Return the argument that says where power is read."""
    return DeclareLaunchArgument(
        name,
        default_value='',
        choices=('', *SOURCES),
        description='Where power is read. Empty: as the parameter file of the power node says.',
    )


def power_node(
    *,
    name: str,
    namespace: str,
    params_file: Substitution,
    parameters: Mapping[str, str],
    use_sim_time: str,
    log_level: str,
) -> Node:
    """
    Return the power node.

    Args:
        name: of the node.
        namespace: of the node.
        params_file: its parameters.
        parameters: what goes before the file, as text; what is empty does not.
        use_sim_time: ``'true'`` or ``'false'``.
        log_level: what it logs.

    """
    given = {name: _value(text, _TYPES[name]) for name, text in parameters.items() if text}
    given['use_sim_time'] = _value(use_sim_time, bool)
    return Node(
        package=PACKAGE,
        executable='power_node',
        name=name,
        namespace=namespace,
        parameters=[ParameterFile(params_file, allow_substs=True), given],
        ros_arguments=['--log-level', log_level],
        output='both',
        emulate_tty=True,
    )


def _value(text: str, kind: type) -> ParameterValue:
    # a substitution: plain text would not be read as a number
    return ParameterValue(TextSubstitution(text=text), value_type=kind)


def default_file() -> Substitution:
    """Return the parameter file of the package."""
    return PathJoinSubstitution([FindPackageShare(PACKAGE), 'config', 'power.yaml'])


def _arguments() -> list[DeclareLaunchArgument]:
    return [
        source_argument('source'),
        DeclareLaunchArgument(
            'timing_topics',
            default_value='',
            description='Topics with the frame timing of the predictors on this board, separated '
            'by commas, such as left/frame_timing,right/frame_timing. Empty: as the file says.',
        ),
        DeclareLaunchArgument(
            'interval',
            default_value='',
            description='Mean time between power samples, in seconds. Empty: as the file says.',
        ),
        DeclareLaunchArgument(
            'recording',
            default_value='',
            description="CSV file or bag for the source 'recorded'.",
        ),
        DeclareLaunchArgument(
            'result_file',
            default_value='',
            description='JSON file that ~/stop_measurement writes; its folder must exist.',
        ),
        *node_arguments(
            'power', 'Take the time of messages from /clock; power and frames never do.'
        ),
        DeclareLaunchArgument(
            'params_file',
            default_value=default_file(),
            description='Parameters of the node; what is given here goes before them.',
        ),
    ]


def _node(context: LaunchContext) -> list[Node]:
    value = reader(context)
    return [
        power_node(
            name=value('node_name'),
            namespace=value('namespace'),
            params_file=LaunchConfiguration('params_file'),
            parameters={name: value(name) for name in _TYPES},
            use_sim_time=value('use_sim_time'),
            log_level=value('log_level'),
        )
    ]
