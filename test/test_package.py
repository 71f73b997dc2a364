# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

import eipl_trt_ros

ROOT = Path(__file__).parents[1]
LEFT_OUT = ('.git', '.venv', 'demo', 'data', 'build', 'install', 'log', '__pycache__')


@pytest.fixture(scope='module')
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a workspace with a copy of the package, as a robot's user has it."""
    path = tmp_path_factory.mktemp('workspace')
    shutil.copytree(
        ROOT, path / 'src' / 'eipl_trt_ros', ignore=shutil.ignore_patterns(*LEFT_OUT, '.*_cache')
    )
    return path


def colcon(workspace: Path, *arguments: str) -> str:
    program = Path(sys.executable).with_name('colcon')
    if not program.exists():
        pytest.skip('colcon is not installed beside this Python')
    done = subprocess.run(
        [program, *arguments], cwd=workspace, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_colcon_takes_the_package_for_an_ament_python_package(workspace: Path) -> None:
    assert '(ros.ament_python)' in colcon(workspace, 'list')


def test_colcon_build_installs_executables_launch_files_settings_and_samples(
    workspace: Path,
) -> None:
    colcon(workspace, 'build')
    prefix = workspace / 'install' / 'eipl_trt_ros'
    executables = {path.name for path in (prefix / 'lib' / 'eipl_trt_ros').iterdir()}
    assert {'eipl_trt', 'power_node', 'predictor_node', 'replay_node'} <= executables
    share = prefix / 'share' / 'eipl_trt_ros'
    for folder, pattern in [('launch', '*.launch.py'), ('config', '*.yaml')]:
        shipped = {path.name for path in (ROOT / folder).rglob(pattern)}
        assert shipped
        assert shipped == {path.name for path in (share / folder).rglob(pattern)}
    for model in ('sarnn', 'cnnrnn', 'cnnrnnln', 'sides/left', 'sides/right'):
        shipped = {path.name for path in (ROOT / 'samples' / model).iterdir()}
        assert shipped == {path.name for path in (share / 'samples' / model).iterdir()}
    assert (prefix / 'share/ament_index/resource_index/packages/eipl_trt_ros').exists()


def test_every_place_that_states_the_version_states_the_same() -> None:
    package = ET.parse(ROOT / 'package.xml').getroot()  # noqa: S314
    setup = re.search(r"version='([^']+)'", (ROOT / 'setup.py').read_text())
    assert setup is not None
    assert package.findtext('version') == setup[1] == eipl_trt_ros.__version__


def test_each_room_imports_only_what_belongs_there() -> None:
    rooms = {
        'torch': ('models', 'export', 'training', 'backends/torch.py'),
        'mujoco': ('sim',),
        'jtop': ('energy/sources',),
        'pynvml': ('energy/sources',),
        'rclpy': ('nodes',),
        'sensor_msgs': ('nodes',),
        'tensorrt': ('engines', 'backends'),
        'pycuda': ('engines', 'backends'),
    }
    package = ROOT / 'eipl_trt_ros'
    for module, allowed in rooms.items():
        pattern = re.compile(rf'^\s*(?:import|from)\s+{module}\b', re.MULTILINE)
        for path in package.rglob('*.py'):
            place = path.relative_to(package).as_posix()
            if not place.startswith(allowed):
                assert not pattern.search(path.read_text()), f'{place} imports {module}'


OPTIONAL = (
    *('onnx', 'torch', 'safetensors', 'mujoco', 'gym_hil', 'tensorrt', 'tensorrt_bindings'),
    *('tensorrt_rtx', 'tensorrt_rtx_bindings', 'pycuda', 'jtop', 'pynvml', 'distributed'),
)


@pytest.mark.parametrize(
    'arguments',
    [
        ['-m', 'eipl_trt_ros', 'info', 'samples/sarnn'],
        ['-m', 'eipl_trt_ros', 'bench', '--bundle', 'samples/cnnrnn', '--frames', '2'],
        ['-m', 'eipl_trt_ros.nodes.predictor_node', '--ros-args', '--bad'],
        ['-m', 'eipl_trt_ros.nodes.power_node', '--ros-args', '--bad'],
        ['-m', 'eipl_trt_ros.nodes.replay_node', '--ros-args', '--bad'],
        ['-c', 'import eipl_trt_ros.backends.engines'],
    ],
    ids=' '.join,
)
def test_what_runs_on_a_robot_needs_no_optional_package(
    arguments: list[str], tmp_path: Path
) -> None:
    lines = ['import sys', f'sys.modules.update(dict.fromkeys({OPTIONAL}))']
    (tmp_path / 'sitecustomize.py').write_text('\n'.join(lines))
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, 'PYTHONPATH': f'{tmp_path}:{ROOT}'},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert 'ModuleNotFoundError' not in done.stderr
    assert ('--bad' in done.stderr) if '--bad' in arguments else done.returncode == 0


def test_every_source_file_names_its_licence() -> None:
    for folder in ('eipl_trt_ros', 'launch', 'test'):
        for path in (ROOT / folder).rglob('*.py'):
            head = path.read_text().split('\n', 4)[:4]
            assert '# SPDX-License-Identifier: Apache-2.0' in head, path
