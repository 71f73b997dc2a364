# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The simulated arm, launched by ``ros2 launch`` together with a predictor that drives it."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
from rcl_interfaces.msg import ParameterValue
from rcl_interfaces.srv import GetParameters
from ros_world import PATIENCE, ask

if importlib.util.find_spec('ros2launch') is None:
    pytest.skip('ros2 launch is not installed: it comes with ROS only', allow_module_level=True)

SAMPLES = Path(__file__).parents[2] / 'samples'


def parameter(world: Any, node: str, name: str) -> ParameterValue:
    """Ask a node for a parameter."""
    client = world.robot().create_client(GetParameters, f'{node}/get_parameters')
    return ask(client, GetParameters.Request(names=[name])).values[0]


@pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ('mujoco', 'gym_hil'))),
    reason='the simulator is not installed: see requirements/sim.txt and sim-robot.txt',
)
def test_a_model_grasps_and_the_launch_ends_by_itself(launch, world):
    running = launch(
        'sim.launch.py',
        'model:=cnnrnnln',
        f'bundle:={SAMPLES / "cnnrnnln"}',
        'precision:=int8',
        'mixing:=0.8',
        'command_type:=float64_multi_array',
        'index:=2',
    )
    running.wait_for('active', '/predictor')
    assert parameter(world, '/predictor', 'input_mixing').double_value == 0.8
    assert running.process.wait(3 * PATIENCE) in (0, 1), running.log
    assert 'episode 1, unseen 2: the cube is lifted' in running.log
    assert 'the arm: driving' in running.log
    assert 'Traceback' not in running.log


@pytest.mark.parametrize(
    ('argument', 'reason'),
    [
        ('model:=mlp', 'Valid options are'),
        ('precision:=fp64', 'Valid options are'),
        ('place:=nowhere', 'Valid options are'),
        ('mixing:=1.5', "mixing is '1.5', expected a number from 0 to 1"),
        ('episodes:=many', "episodes is 'many', expected a number from 0 to 10000"),
    ],
)
def test_a_bad_argument_is_rejected_before_anything_starts(launch, argument, reason):
    running = launch('sim.launch.py', argument)
    assert running.process.wait(PATIENCE) != 0
    assert reason in running.log
    assert 'process started' not in running.log


def test_every_argument_is_described(launch):
    running = launch('sim.launch.py', '--show-args')
    assert running.process.wait(PATIENCE) == 0
    for name in ('model', 'precision', 'mixing', 'episodes', 'place', 'command_type'):
        assert f"'{name}':" in running.log
    assert 'No description given' not in running.log
