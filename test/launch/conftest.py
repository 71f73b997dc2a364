# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
pytest.importorskip('rclpy', reason='rclpy is not installed: pip install -r requirements/base.txt')

from builders import SPECS, write_random_bundle
from lifecycle_msgs.srv import GetState
from ros_world import PATIENCE, World, ask, until

ROOT = Path(__file__).parents[2]
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
    nodes = sorted((ROOT / 'eipl_trt_ros' / 'nodes').glob('*_node.py'))
    programs = {module.stem: f'nodes.{module.stem}' for module in nodes} | {'eipl_trt': 'cli'}
    for name, module in programs.items():
        executable = made / 'lib' / 'eipl_trt_ros' / name
        executable.parent.mkdir(parents=True, exist_ok=True)
        executable.write_text(
            f'#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(ROOT)!r})\n'
            f'from eipl_trt_ros.{module} import main\nsys.exit(main())\n'
        )
        executable.chmod(0o755)
    for model, spec in SPECS.items():
        write_random_bundle(share / 'samples' / model, spec)
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
            return ask(client, GetState.Request()).current_state.label

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


@pytest.fixture
def world() -> Iterator[World]:
    """A ROS domain of the test's own."""
    with World() as made:
        yield made
