# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""``python -m eipl_trt_ros.sim``, as far as it is more than what it calls."""

import json
from pathlib import Path

import numpy as np
import pytest

from eipl_trt_ros.sim.__main__ import main
from eipl_trt_ros.sim.environment import PandaEnvironment
from eipl_trt_ros.sim.positions import SPLITS

SAMPLES = Path(__file__).parents[2] / 'samples'


def test_success_writes_tables_a_summary_and_every_episode(camera: PandaEnvironment, tmp_path):
    out = tmp_path / 'out'
    arguments = ['success', str(SAMPLES / 'cnnrnnln'), '--out', str(out), '--seen', '1']
    assert main([*arguments, '--unseen', '0', '--outside', '0']) == 0
    assert len((out / 'results.jsonl').read_text().splitlines()) == 1
    assert '| cnnrnnln | fp32 | 1 | 1/1' in (out / 'tables.md').read_text()
    summary = json.loads((out / 'summary.json').read_text())
    assert summary['variants'][0]['areas'] == {'seen': {'lifted': '1', 'interval': [0.2065, 1.0]}}
    assert len(summary['weights']['cnnrnnln']) == 64
    assert summary['machine']['mujoco']


def test_precision_auto_is_taken_and_refused_where_the_backend_has_none(
    camera: PandaEnvironment, caplog
):
    bundle = str(SAMPLES / 'cnnrnn')
    arguments = ['rollout', bundle, '--count', '1', '--precision', 'auto', '--backend']
    assert main([*arguments, 'onnxruntime']) == 2
    assert 'precision auto chooses among TensorRT engines' in caplog.text
    caplog.set_level('INFO', 'eipl_trt_ros')
    assert main([*arguments, 'auto']) == 0
    assert f'{bundle}: lifted 1/1' in caplog.text


def test_demonstrations_of_a_side_have_their_cubes_there(camera: PandaEnvironment, tmp_path):
    counts = ['--train', '1', '--validation', '1', '--test', '1']
    assert main(['demonstrations', str(tmp_path), '--side', 'left', *counts]) == 0
    for split in SPLITS:
        assert (np.load(tmp_path / split / 'cubes.npy', allow_pickle=False)[:, 0, 1] > 0).all()


def test_what_is_no_bundle_is_told_in_one_line(tmp_path, caplog):
    pytest.importorskip('rclpy', reason='ROS 2 is not installed')
    assert main(['live', str(tmp_path), '--out', str(tmp_path / 'out')]) == 2
    assert 'bundle.yaml' in caplog.text
    assert not (tmp_path / 'out').exists()
