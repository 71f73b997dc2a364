# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The power node, launched by ``ros2 launch`` alone and beside a predictor."""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from ros_world import PATIENCE, until

from eipl_trt_ros.bundle import load_bundle

if importlib.util.find_spec('ros2launch') is None:
    pytest.skip('ros2 launch is not installed: it comes with ROS only', allow_module_level=True)


def recorded_power(folder: Path) -> Path:
    """Write a recording of one minute at 8 W."""
    path = folder / 'power.csv'
    rows = [f'{tenth / 10},8000' for tenth in range(600)]
    path.write_text('\n'.join(['time_s,total_mw', *rows]) + '\n')
    return path


def test_the_power_node_comes_up_and_goes_down_quietly(launch, world, tmp_path):
    running = launch(
        'power.launch.py',
        'source:=recorded',
        f'recording:={recorded_power(tmp_path)}',
        'interval:=0.1',
        'timing_topics:=left/frame_timing,right/frame_timing',
        f'namespace:={world.namespace[1:]}',
        'node_name:=meter',
        f'result_file:={tmp_path / "energy.json"}',
    )
    robot = world.robot()
    summaries = robot.listen(DiagnosticArray, '/diagnostics')
    scopes = {}  # other tests' nodes may be on the topic, too
    until(
        lambda: (
            scopes.update((s.name, s.hardware_id) for s in summaries.get(timeout=PATIENCE).status)
            or f'{world.namespace[1:]}/meter: power' in scopes
        ),
        'its summary',
    )
    assert scopes[f'{world.namespace[1:]}/meter: power'] == 'recording power.csv'
    for name in ('left', 'right'):
        topic = f'{world.namespace}/{name}/frame_timing'
        until(lambda topic=topic: robot.count_subscribers(topic) == 1, topic)
    assert running.stop() in (0, 1)
    assert 'process has finished cleanly' in running.log
    assert 'Traceback' not in running.log


@pytest.mark.parametrize(
    'arguments',
    [
        ('power.launch.py', 'source:=sun'),
        ('sarnn.launch.py', 'power:=perhaps'),
        ('sarnn.launch.py', 'power_source:=sun'),
    ],
)
def test_a_bad_choice_of_power_is_rejected(launch, arguments):
    running = launch(*arguments)
    assert running.process.wait(PATIENCE) != 0
    assert 'Valid options are' in running.log
    assert 'process started' not in running.log


@pytest.mark.parametrize(
    ('arguments', 'complaint'),
    [
        (('source:=recorded',), "set the parameter 'recording'"),
        (('source:=recorded', 'interval:=9000'), 'out of range'),
        (('interval:=often',), 'often'),
    ],
)
def test_a_power_node_that_cannot_run_as_asked_says_so(launch, arguments, complaint):
    running = launch('power.launch.py', *arguments)
    until(lambda: complaint in running.log, 'the complaint')


def test_every_argument_of_the_power_node_is_described(launch):
    running = launch('power.launch.py', '--show-args')
    assert running.process.wait(PATIENCE) == 0
    for name in ('source', 'timing_topics', 'interval', 'recording', 'result_file'):
        assert f"'{name}':" in running.log
    assert 'No description given' not in running.log


def test_a_predictor_can_bring_its_power_node_along(launch, world, prefix, tmp_path):
    joints = load_bundle(prefix / 'share/eipl_trt_ros/samples/cnnrnn').joint_names
    parameters = tmp_path / 'power.yaml'
    parameters.write_text(
        '/**:\n  ros__parameters:\n    source: recorded\n'
        f'    recording: {recorded_power(tmp_path)}\n    interval: 0.1\n    warm_up: 0.0\n'
    )
    space = world.namespace
    running = launch(
        'cnnrnn.launch.py',
        f'namespace:={space[1:]}',
        'node_name:=policy',
        'power:=true',
        f'power_params_file:={parameters}',
        f'image_topic:={space}/image',
        f'joint_states_topic:={space}/joint_states',
    )
    running.wait_for('active', 'policy')
    robot = world.robot()
    energies = robot.listen(DiagnosticArray, f'{space}/power/frame_energy')
    robot.meet()
    picture = np.zeros((128, 128, 3), np.uint8)
    for frame in range(200):
        stamp = (1_700_000_000 * 10 + frame) * 100_000_000
        robot.send_joints(stamp, joints, [0.0] * len(joints))
        robot.send_picture(stamp, picture)
        if not energies.empty():
            break
        time.sleep(0.05)
    (status,) = energies.get(timeout=PATIENCE).status
    assert status.name == f'{space[1:]}/policy: frame energy'
    assert 'mJ per frame as in the paper' in status.message
