# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The launch files, run by ``ros2 launch`` where ROS has it."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from builders import SPECS, write_random_bundle
from lifecycle_msgs.srv import GetState
from ros_world import PATIENCE, until

if importlib.util.find_spec('ros2launch') is None:
    pytest.skip('ros2 launch is not installed: it comes with ROS only', allow_module_level=True)

ROOT = Path(__file__).parents[2]
MODELS = ('sarnn', 'cnnrnn', 'cnnrnnln')
ROS2 = [sys.executable, '-c', 'import sys; from ros2cli.cli import main; sys.exit(main())']


@pytest.fixture(scope='session')
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the package the way colcon does, with random sample bundles."""
    made = tmp_path_factory.mktemp('prefix')
    share = made / 'share' / 'eipl_trt_ros'
    share.mkdir(parents=True)
    for folder in ('launch', 'config'):
        shutil.copytree(ROOT / folder, share / folder)
    index = made / 'share' / 'ament_index' / 'resource_index' / 'packages'
    index.mkdir(parents=True)
    (index / 'eipl_trt_ros').touch()
    executable = made / 'lib' / 'eipl_trt_ros' / 'predictor_node'
    executable.parent.mkdir(parents=True)
    executable.write_text(
        f'#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(ROOT)!r})\n'
        'from eipl_trt_ros.nodes.predictor_node import main\nsys.exit(main())\n'
    )
    executable.chmod(0o755)
    for model in MODELS:
        write_random_bundle(share / 'samples' / model, SPECS[model])
    return made


class Launch:
    """A running ``ros2 launch``."""

    def __init__(self, world: Any, prefix: Path, log: Path, arguments: tuple[str, ...]) -> None:
        self._world = world
        self._log = log
        paths = [str(prefix), *os.environ.get('AMENT_PREFIX_PATH', '').split(':')]
        environment = {
            **os.environ,
            'AMENT_PREFIX_PATH': ':'.join(path for path in paths if path),
            'PYTHONPATH': f'{ROOT}:{os.environ.get("PYTHONPATH", "")}',
            'ROS_DOMAIN_ID': str(world.domain),
            'ROS_LOG_DIR': str(log.parent / 'ros_log'),
        }
        with log.open('w') as output:
            self.process = subprocess.Popen(
                [*ROS2, 'launch', 'eipl_trt_ros', *arguments],
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def log(self) -> str:
        return self._log.read_text()

    def wait_for(self, state: str, node: str) -> None:
        robot = self._world.robot()
        client = robot.create_client(GetState, f'{node}/get_state')

        def current() -> str:
            assert self.process.poll() is None, self.log
            if not client.wait_for_service(0.1):
                return ''
            future = client.call_async(GetState.Request())
            until(future.done, 'the state')
            return future.result().current_state.label

        until(lambda: current() == state, f'{node} to be {state}; so far: {self.log}')

    def stop(self) -> int:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(PATIENCE)


@pytest.fixture
def launch(world: Any, prefix: Path, tmp_path: Path) -> Iterator[Any]:
    """Return a function that launches; what runs at the end is killed."""
    running: list[Launch] = []

    def start(*arguments: str) -> Launch:
        log = tmp_path / f'log{len(running)}'
        running.append(Launch(world, prefix, log, arguments))
        return running[-1]

    yield start
    for made in running:
        if made.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(made.process.pid, signal.SIGKILL)
            made.process.wait(PATIENCE)


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
    'argument', ['precision:=fp64', 'backend:=abacus', 'autostart:=perhaps', 'command_type:=shout']
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
