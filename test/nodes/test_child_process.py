# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import time
from pathlib import Path

import pytest
import yaml

from eipl_trt_ros.nodes.child_process import NodeProcess

_SHOW = """
import os, pathlib, sys, time
print(os.environ['CHILD'], *sys.argv[1:], flush=True)
file = sys.argv[sys.argv.index('--params-file') + 1]
pathlib.Path(os.environ['COPY']).write_text(pathlib.Path(file).read_text())
print('[ERROR] a reason', flush=True)
print('[INFO] after it', flush=True)
time.sleep(float(os.environ['SECONDS_LEFT']))
"""


def start(folder: Path, monkeypatch: pytest.MonkeyPatch, seconds: float) -> NodeProcess:
    (folder / 'show_arguments.py').write_text(_SHOW)
    monkeypatch.setenv('PYTHONPATH', str(folder))
    return NodeProcess(
        'show_arguments',
        parameters={'bundle': '0123', 'threads': 2},
        remaps=['image:=/camera'],
        environment={
            'CHILD': 'yes',
            'COPY': str(folder / 'copy.yaml'),
            'SECONDS_LEFT': str(seconds),
        },
    )


def wait(condition: object, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_node_gets_its_parameters_remaps_and_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with start(tmp_path, monkeypatch, 0) as process:
        wait(lambda: process.exit_code is not None)
        assert process.exit_code == 0
        assert process.last_words() == '[ERROR] a reason'
    parameters = yaml.safe_load((tmp_path / 'copy.yaml').read_text())
    assert parameters == {'/**': {'ros__parameters': {'bundle': '0123', 'threads': 2}}}


def test_a_node_that_still_runs_is_ended_with_the_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with start(tmp_path, monkeypatch, 600) as process:
        wait((tmp_path / 'copy.yaml').exists)
        assert process.exit_code is None
    assert process.exit_code is not None
    process.close()
