# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The launch description behind ``launch/build_engines.launch.py``."""

from __future__ import annotations

from launch import LaunchContext, LaunchDescription
from launch.action import Action
from launch.actions import DeclareLaunchArgument, OpaqueFunction

from eipl_trt_ros.backends import PRECISIONS
from eipl_trt_ros.engines.int8_options import OPERATORS, WAYS
from eipl_trt_ros.nodes.launch_parts import SWITCH, listed, program, reader

_ALL = 'all'


def launch_build() -> LaunchDescription:
    """
    Describe a run of ``eipl_trt build``, its progress in the log.

    The launch ends with the build; its exit code is not 0 if the build failed.
    """
    return LaunchDescription([*_arguments(), OpaqueFunction(function=_build)])


def _arguments() -> list[DeclareLaunchArgument]:
    return [
        DeclareLaunchArgument(
            'bundle', description='Folder of the bundle to build; its engines go into it.'
        ),
        DeclareLaunchArgument(
            'precision',
            default_value=_ALL,
            choices=(_ALL, *PRECISIONS),
            description='Precision to build.',
        ),
        DeclareLaunchArgument(
            'mixing',
            default_value='false',
            choices=SWITCH,
            description='Build also the graphs for an input_mixing below 1.',
        ),
        DeclareLaunchArgument(
            'calibration',
            default_value='',
            description='Demonstrations of the training to calibrate int8 with, separated by '
            "commas. Empty: as the bundle's int8.json says.",
        ),
        DeclareLaunchArgument(
            'int8_way',
            default_value=WAYS[0],
            choices=WAYS,
            description="How int8 comes about; calibrated is TensorRT's own calibrator, which "
            'TensorRT 8.5 to 10 have.',
        ),
        DeclareLaunchArgument(
            'int8_operators',
            default_value=','.join(OPERATORS),
            description='Layers that may be quantised, separated by commas.',
        ),
        DeclareLaunchArgument(
            'force',
            default_value='false',
            choices=SWITCH,
            description='Build also what is there already.',
        ),
    ]


def _build(context: LaunchContext) -> list[Action]:
    value = reader(context)
    graphs = ['motion', 'image']
    if value('mixing') == 'true':
        graphs += ['motion_mixed', 'image_mixed']
    precisions = PRECISIONS if value('precision') == _ALL else [value('precision')]
    words = ['-v', 'build', value('bundle'), '--precision', *precisions, '--graph', *graphs]
    words += [
        '--int8-way',
        value('int8_way'),
        '--int8-operators',
        *listed(value('int8_operators')),
    ]
    calibration = listed(value('calibration'))
    if calibration:
        words += ['--calibration', *calibration]
    if value('force') == 'true':
        words.append('--force')
    return program(words, 'the engines were not built')
