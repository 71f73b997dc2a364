# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The launch description behind ``launch/build_engines.launch.py``."""

from __future__ import annotations

from launch import LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    ExecuteProcess,
    OpaqueFunction,
    RegisterEventHandler,
)
from launch.event_handlers import OnProcessExit
from launch.events.process import ProcessExited
from launch.substitutions import LaunchConfiguration
from launch_ros.substitutions import ExecutableInPackage

from eipl_trt_ros.backends import PRECISIONS
from eipl_trt_ros.engines.int8_options import OPERATORS, WAYS
from eipl_trt_ros.nodes.power_launching import PACKAGE, SWITCH

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


def _build(context: LaunchContext) -> list[RegisterEventHandler | ExecuteProcess]:
    def value(name: str) -> str:
        return LaunchConfiguration(name).perform(context)

    def listed(name: str) -> list[str]:
        return [part.strip() for part in value(name).split(',') if part.strip()]

    graphs = ['motion', 'image']
    if value('mixing') == 'true':
        graphs += ['motion_mixed', 'image_mixed']
    precisions = PRECISIONS if value('precision') == _ALL else [value('precision')]
    words = ['-v', 'build', value('bundle'), '--precision', *precisions, '--graph', *graphs]
    words += ['--int8-way', value('int8_way'), '--int8-operators', *listed('int8_operators')]
    if listed('calibration'):
        words += ['--calibration', *listed('calibration')]
    if value('force') == 'true':
        words.append('--force')
    build = ExecuteProcess(
        cmd=[ExecutableInPackage('eipl_trt', PACKAGE), *words],
        output='both',
        additional_env={'PYTHONUNBUFFERED': '1'},
    )
    return [RegisterEventHandler(OnProcessExit(target_action=build, on_exit=_check)), build]


def _check(event: ProcessExited, _: LaunchContext) -> None:
    """Let the launch fail with the build; an exception is the one way to that."""
    if event.returncode != 0:
        msg = f'the engines were not built (exit code {event.returncode}); see above for why'
        raise RuntimeError(msg)
