# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The files in config/: the node starts with them, and they agree with the bundles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from builders import write_random_bundle
from rclpy.node import Node
from ros_world import until

from eipl_trt_ros.bundle import Bundle, load_bundle
from eipl_trt_ros.nodes.command_settings import COMMAND_SETTINGS
from eipl_trt_ros.nodes.predictor_node import PredictorNode
from eipl_trt_ros.nodes.predictor_settings import PRIORITY, SETTINGS
from eipl_trt_ros.spec import ModelSpec

ROOT = Path(__file__).parents[2]
ARMS = ('panda', 'open_manipulator')
# what the launch files set by their arguments
ARGUMENTS = {'bundle', 'backend', 'precision', 'image_transport', 'command_type', 'engage'}


@pytest.fixture(scope='module')
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Bundle]:
    """Return a bundle for each arm: the Panda's is a sample."""
    spec = ModelSpec('sarnn', 64, 64, 5, 50, k_dim=5, temperature=1e-4, heatmap_size=0.1)
    folder = tmp_path_factory.mktemp('open_manipulator')
    return {
        'panda': load_bundle(ROOT / 'samples' / 'sarnn'),
        'open_manipulator': write_random_bundle(folder / 'b', spec, gripper=False),
    }


def read(*path: str) -> Any:
    return yaml.safe_load((ROOT / 'config').joinpath(*path).read_text())


def test_the_file_of_defaults_holds_every_parameter_with_its_default() -> None:
    told = read('predictor.yaml')['/**']['ros__parameters']
    settings = {
        setting.name: setting.default
        for setting in (PRIORITY, *SETTINGS, *COMMAND_SETTINGS)
        if setting.name not in ARGUMENTS
    }
    assert told == settings


@pytest.mark.parametrize('arm', ARMS)
def test_controllers_command_the_joints_of_the_bundle_in_its_order(
    arm: str, bundles: dict[str, Bundle]
) -> None:
    controllers = read(arm, 'controllers.yaml')
    driven = [joint.name for joint in bundles[arm].joints if joint.sink == 'position']
    kinds = controllers['controller_manager']['ros__parameters']
    trajectory = controllers['arm_controller']['ros__parameters']
    forward = controllers['arm_forward_controller']['ros__parameters']
    assert kinds['arm_controller']['type'].startswith('joint_trajectory_controller/')
    assert kinds['arm_forward_controller']['type'].startswith('forward_command_controller/')
    assert trajectory['joints'] == forward['joints'] == driven
    assert trajectory['command_interfaces'] == [forward['interface_name']] == ['position']
    assert trajectory['interpolate_from_desired_state'] is True


@pytest.mark.parametrize('name', ['arm_controller', 'arm_forward_controller'])
@pytest.mark.parametrize('arm', ARMS)
def test_ros_itself_can_read_the_controllers_files(world: Any, arm: str, name: str) -> None:
    file = ROOT / 'config' / arm / 'controllers.yaml'
    settings = world.settings() | {
        'namespace': '',
        'cli_args': ['--ros-args', '--params-file', str(file)],
    }
    node = world.add(Node(name, automatically_declare_parameters_from_overrides=True, **settings))
    joints = read(arm, 'controllers.yaml')[name]['ros__parameters']['joints']
    assert list(node.get_parameter('joints').value) == joints


@pytest.mark.parametrize('command_type', ['joint_trajectory', 'float64_multi_array'])
@pytest.mark.parametrize('arm', ARMS)
def test_the_node_starts_with_an_arms_file_and_knows_every_limit(
    world: Any, bundles: dict[str, Bundle], arm: str, command_type: str
) -> None:
    file = ROOT / 'config' / arm / 'predictor.yaml'
    settings = world.settings(bundle=str(bundles[arm].path), command_type=command_type)
    arguments = ['--ros-args', '--params-file', str(file)]
    node = world.add(PredictorNode(cli_args=arguments, **settings))
    assert world.run(node.bring_up), node.failure
    commands = node._configured.commands
    until(lambda: commands.engage() == 'no image yet')  # and no limit is missing
    limits = read(arm, 'predictor.yaml')['/**']['ros__parameters']['limits']
    assert list(limits) == [j.name for j in bundles[arm].joints if j.sink == 'position']
    for joint in bundles[arm].joints:
        if arm == 'panda' and joint.name in limits:
            assert limits[joint.name]['lower'] < joint.minimum
            assert limits[joint.name]['upper'] > joint.maximum
