# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Evaluation by ``ros2 launch``."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
from recordings import demonstration

from eipl_trt_ros.bundle import load_bundle

if importlib.util.find_spec('ros2launch') is None:
    pytest.skip('ros2 launch is not installed: it comes with ROS only', allow_module_level=True)

PATIENCE = 120  # seconds, on a machine with more to do


@pytest.fixture
def bag(tmp_path: Path, prefix: Path) -> Path:
    names = load_bundle(prefix / 'share/eipl_trt_ros/samples/cnnrnn').joint_names
    return demonstration(names).write(tmp_path / 'bag')


def test_bundles_and_precisions_are_compared_and_the_report_written(
    launch: Any, prefix: Path, bag: Path, tmp_path: Path
) -> None:
    samples = prefix / 'share/eipl_trt_ros/samples'
    running = launch(
        'evaluate.launch.py',
        f'bag:={bag}',
        f'bundle:={samples}/cnnrnn, {samples}/cnnrnnln',
        'precision:=fp32,fp16',
        'backend:=onnxruntime',
        'frames:=20',
        'power:=none',
        f'out:={tmp_path}/out',
    )
    assert running.process.wait(PATIENCE) == 0, running.log
    rows = json.loads((tmp_path / 'out' / 'report.json').read_text())['rows']
    assert [(row['model'], row['configuration']['precision']) for row in rows] == [
        ('cnnrnn', 'fp32'),
        ('cnnrnn', 'fp16'),
        ('cnnrnnln', 'fp32'),
        ('cnnrnnln', 'fp16'),
    ]
    assert 'Table 6: ' in running.log
    assert 'Traceback' not in running.log


@pytest.mark.parametrize(
    ('argument', 'reason'),
    [
        ('bag:=/nowhere', '/nowhere: no such bag'),
        ('precision:=fp64', "invalid choice: 'fp64'"),
        ('frames:=many', "'many' is not a whole number from 1 on"),
    ],
)
def test_an_evaluation_that_fails_fails_the_launch_in_one_clear_line(
    launch: Any, bag: Path, tmp_path: Path, argument: str, reason: str
) -> None:
    running = launch('evaluate.launch.py', f'bag:={bag}', f'out:={tmp_path}/out', argument)
    assert running.process.wait(PATIENCE) == 1
    assert reason in running.log
    assert 'the evaluation failed (exit code 2)' in running.log
    assert 'Traceback' not in running.log


@pytest.mark.parametrize(
    'argument', ['backend:=abacus', 'baseline:=auto', 'live:=perhaps', 'power:=sun']
)
def test_a_bad_choice_is_rejected(launch: Any, argument: str) -> None:
    running = launch('evaluate.launch.py', 'bag:=here', 'out:=there', argument)
    assert running.process.wait(PATIENCE) != 0
    assert 'Valid options are' in running.log
    assert 'process started' not in running.log


def test_every_argument_is_described(launch: Any) -> None:
    running = launch('evaluate.launch.py', '--show-args')
    assert running.process.wait(PATIENCE) == 0
    for name in ('bag', 'bundle', 'out', 'precision', 'baseline', 'frames', 'power', 'jobs'):
        assert f"'{name}':" in running.log
    assert 'No description given' not in running.log
