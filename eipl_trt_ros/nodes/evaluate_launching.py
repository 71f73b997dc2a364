# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The launch description behind ``launch/evaluate.launch.py``."""

from __future__ import annotations

from launch import LaunchContext, LaunchDescription
from launch.action import Action
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import PathJoinSubstitution
from launch_ros.substitutions import FindPackageShare

from eipl_trt_ros.backends import BACKENDS, PRECISIONS
from eipl_trt_ros.energy.sources import SOURCES
from eipl_trt_ros.nodes.launch_parts import PACKAGE, SWITCH, listed, program, reader

_NONE = 'none'
_OPTIONS = (
    'backend',
    'power',
    'power_recording',
    'frames',
    'jobs',
    'image_topic',
    'joint_topic',
)


def launch_evaluation() -> LaunchDescription:
    """
    Describe a run of ``eipl_trt evaluate``.

    The launch ends with it; its exit code is not 0 if the evaluation failed.
    """
    return LaunchDescription([*_arguments(), OpaqueFunction(function=_evaluate)])


def _arguments() -> list[DeclareLaunchArgument]:
    return [
        DeclareLaunchArgument('bag', description='Recordings, separated by commas.'),
        DeclareLaunchArgument('out', description='Folder for the report; made if missing.'),
        DeclareLaunchArgument(
            'bundle',
            default_value=PathJoinSubstitution([FindPackageShare(PACKAGE), 'samples', 'sarnn']),
            description='Folders of the bundles to compare, separated by commas.',
        ),
        DeclareLaunchArgument(
            'precision',
            default_value='fp32',
            description=f'Precisions to compare, separated by commas: {", ".join(PRECISIONS)}.',
        ),
        DeclareLaunchArgument(
            'backend',
            default_value='auto',
            choices=BACKENDS,
            description='What executes the models; auto takes the fastest there is.',
        ),
        DeclareLaunchArgument(
            'baseline',
            default_value=_NONE,
            choices=(_NONE, *(name for name in BACKENDS if name != 'auto')),
            description='What speeds are compared with; the paper took torch.',
        ),
        DeclareLaunchArgument(
            'frames',
            default_value='',
            description='Frames of each configuration to time and to measure the energy of; the '
            'paper took 10000. Empty: some hundred, and no energy.',
        ),
        DeclareLaunchArgument(
            'power',
            default_value='auto',
            choices=(_NONE, *SOURCES),
            description='Where the power is read.',
        ),
        DeclareLaunchArgument(
            'power_recording',
            default_value='',
            description="A CSV file, or a bag of a power_node's topics, for power:=recorded.",
        ),
        DeclareLaunchArgument(
            'power_measurement',
            default_value='',
            description='Files that power_node wrote, for the report, separated by commas.',
        ),
        DeclareLaunchArgument(
            'live',
            default_value='false',
            choices=SWITCH,
            description='Play the first recording to the node, too, and compare.',
        ),
        DeclareLaunchArgument(
            'jobs', default_value='1', description='Processes that share the recordings.'
        ),
        DeclareLaunchArgument(
            'image_topic',
            default_value='',
            description='Topic of the pictures; empty: the only one.',
        ),
        DeclareLaunchArgument(
            'joint_topic',
            default_value='',
            description="Topic of the joints; empty: the only one that holds the bundle's.",
        ),
    ]


def _evaluate(context: LaunchContext) -> list[Action]:
    value = reader(context)
    words = ['evaluate', '--out', value('out'), '--precision', *listed(value('precision'))]
    for name in ('bag', 'bundle', 'power_measurement'):
        for path in listed(value(name)):
            words += _option(name, path)
    for name in _OPTIONS:
        words += _option(name, value(name))
    if value('baseline') != _NONE:
        words += ['--baseline', value('baseline')]
    if value('live') == 'true':
        words.append('--live')
    return program(words, 'the evaluation failed')


def _option(name: str, value: str) -> list[str]:
    return [f'--{name.replace("_", "-")}', value] if value else []
