# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What several launch descriptions of this package have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from launch import LaunchContext
from launch.actions import DeclareLaunchArgument, ExecuteProcess, RegisterEventHandler
from launch.event_handlers import OnProcessExit
from launch.events.process import ProcessExited
from launch.substitutions import LaunchConfiguration
from launch_ros.substitutions import ExecutableInPackage

PACKAGE = 'eipl_trt_ros'
LOG_LEVELS = ('debug', 'info', 'warn', 'error', 'fatal')
SWITCH = ('true', 'false')


def reader(context: LaunchContext) -> Callable[[str], str]:
    """Return what gives the text of an argument by its name, without spaces around it."""

    def value(name: str) -> str:
        return LaunchConfiguration(name).perform(context).strip()

    return value


def listed(text: str) -> list[str]:
    """Return the parts of a text that are separated by commas."""
    return [part.strip() for part in text.split(',') if part.strip()]


def node_arguments(name: str, time: str) -> list[DeclareLaunchArgument]:
    """
    Return the arguments that a launch of any node has.

    Args:
        name: of the node.
        time: what ``use_sim_time`` does.

    """
    return [
        DeclareLaunchArgument(
            'namespace', default_value='', description='Namespace of the node and its topics.'
        ),
        DeclareLaunchArgument('node_name', default_value=name, description='Name of the node.'),
        DeclareLaunchArgument(
            'use_sim_time', default_value='false', choices=SWITCH, description=time
        ),
        DeclareLaunchArgument(
            'log_level', default_value='info', choices=LOG_LEVELS, description='What to log.'
        ),
    ]


def program(words: Sequence[str], failure: str) -> list[RegisterEventHandler | ExecuteProcess]:
    """
    Return a run of ``eipl_trt``, with which the launch ends.

    Args:
        words: its command line.
        failure: what it is said to be where its exit code is not 0, such as 'the build failed';
            the exit code of the launch is not 0 then.

    """

    def check(event: ProcessExited, _: LaunchContext) -> None:
        if event.returncode != 0:
            # an exception is the one way to let a launch fail
            msg = f'{failure} (exit code {event.returncode}); see above for why'
            raise RuntimeError(msg)

    run = ExecuteProcess(
        cmd=[ExecutableInPackage('eipl_trt', PACKAGE), *words],
        output='both',
        additional_env={'PYTHONUNBUFFERED': '1'},
    )
    return [RegisterEventHandler(OnProcessExit(target_action=run, on_exit=check)), run]
