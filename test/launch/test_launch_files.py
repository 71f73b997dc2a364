# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The launch files, run by ``ros2 launch`` where ROS has it."""

from __future__ import annotations

import importlib.util
import os

import pytest
from rcl_interfaces.srv import GetParameters
from ros_world import PATIENCE, ask, until

if importlib.util.find_spec('ros2launch') is None:
    pytest.skip('ros2 launch is not installed: it comes with ROS only', allow_module_level=True)

MODELS = ('sarnn', 'cnnrnn', 'cnnrnnln')


@pytest.mark.parametrize('model', MODELS)
def test_each_model_comes_up_with_one_warning_and_goes_down_quietly(launch, world, model):
    running = launch(f'{model}.launch.py', 'precision:=fp16', f'namespace:={world.namespace[1:]}')
    running.wait_for('active', 'predictor')
    assert running.stop() in (0, 1)  # ros2 launch itself ends with 1 after Ctrl-C in some versions
    assert running.log.count('[WARN]') == 1
    assert 'fp32 on ONNX Runtime' in running.log
    assert 'process has finished cleanly' in running.log
    assert 'Traceback' not in running.log


@pytest.mark.parametrize(
    'argument',
    [
        'precision:=fp64',
        'backend:=abacus',
        'autostart:=perhaps',
        'engage:=perhaps',
        'command_type:=shout',
    ],
)
def test_a_bad_choice_is_rejected(launch, argument):
    running = launch('sarnn.launch.py', argument)
    assert running.process.wait(PATIENCE) != 0
    assert 'Valid options are' in running.log
    assert 'process started' not in running.log


def test_every_argument_is_described(launch):
    running = launch('sarnn.launch.py', '--show-args')
    assert running.process.wait(PATIENCE) == 0
    for name in ('bundle', 'precision', 'backend', 'namespace', 'params_file', 'autostart'):
        assert f"'{name}':" in running.log
    assert 'No description given' not in running.log


def test_topics_go_where_the_arguments_point(launch, world):
    space = world.namespace
    running = launch(
        'cnnrnn.launch.py',
        f'namespace:={space[1:]}/left',
        'node_name:=policy',
        f'image_topic:={space}/eye/image',
        'image_transport:=compressed',
        f'joint_states_topic:={space}/arm/joint_states',
        'command_type:=float64_multi_array',
        f'command_topic:={space}/arm/commands',
        f'gripper_topic:={space}/hand/close',
    )
    running.wait_for('active', 'left/policy')
    robot = world.robot()
    for topic in ('arm/commands', 'hand/close', 'left/policy/predicted_joints'):
        until(lambda topic=topic: robot.count_publishers(f'{space}/{topic}') == 1, topic)
    for topic in ('eye/image/compressed', 'arm/joint_states'):
        until(lambda topic=topic: robot.count_subscribers(f'{space}/{topic}') == 1, topic)


def test_threads_cores_and_priority_reach_the_node_and_else_the_file_counts(launch, world):
    core = max(os.sched_getaffinity(0))
    running = launch(
        'cnnrnn.launch.py',
        f'namespace:={world.namespace[1:]}',
        f'cpu_affinity:=[{core}]',
        'priority:=1',
    )
    running.wait_for('active', 'predictor')
    robot = world.robot()
    client = robot.create_client(GetParameters, 'predictor/get_parameters')
    names = ['threads', 'cpu_affinity', 'priority']
    threads, cores, priority = ask(client, GetParameters.Request(names=names)).values
    assert threads.integer_value == 1
    assert list(cores.integer_array_value) == [core]
    assert priority.integer_value == 1


def test_without_autostart_the_node_waits_to_be_configured(launch, world):
    running = launch('cnnrnn.launch.py', 'autostart:=false', f'namespace:={world.namespace[1:]}')
    running.wait_for('unconfigured', 'predictor')
    assert 'active: images from' not in running.log


def test_a_parameter_file_of_ones_own_is_used(launch, world, tmp_path):
    parameters = tmp_path / 'mine.yaml'
    parameters.write_text('/**:\n  ros__parameters:\n    input_mixing: 2.0\n')
    running = launch('cnnrnn.launch.py', f'params_file:={parameters}')
    until(lambda: 'input_mixing' in running.log, 'the complaint')
    assert 'out of range' in running.log


def test_a_launch_that_is_to_engage_says_what_keeps_it_from_that(launch, world):
    running = launch('cnnrnn.launch.py', 'engage:=true', f'namespace:={world.namespace[1:]}')
    running.wait_for('active', 'predictor')
    until(lambda: 'not engaged yet: limits unknown: joint1 (lower,' in running.log, 'the reason')


def test_an_arms_parameters_are_taken_from_its_file(launch, world, prefix):
    file = prefix / 'share' / 'eipl_trt_ros' / 'config' / 'open_manipulator' / 'predictor.yaml'
    running = launch(
        'cnnrnn.launch.py',
        'engage:=true',
        f'params_file:={file}',
        f'namespace:={world.namespace[1:]}',
    )
    running.wait_for('active', 'predictor')
    reason = 'not engaged yet: limits unknown: joint6 (lower,'  # that arm has five
    until(lambda: reason in running.log, f'{reason}; so far: {running.log}')
