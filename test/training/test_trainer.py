# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from eipl_trt_ros.errors import CheckpointError
from eipl_trt_ros.export import checkpoint as importer
from eipl_trt_ros.training.__main__ import main
from eipl_trt_ros.training.checkpoint import read_checkpoint
from eipl_trt_ros.training.data import load_bounds, load_demonstrations
from eipl_trt_ros.training.settings import TrainingSettings
from eipl_trt_ros.training.trainer import Trainer, joint_error, learning_rate, ramp, train

SETTINGS = TrainingSettings(
    model='sarnn', rec_dim=12, k_dim=2, updates=240, batch_size=3, learning_rate=5e-3, warm_up=5,
    decoded_frames=2, prediction_joints=(2,),
)  # fmt: skip


@pytest.fixture(scope='module')
def trained(small_data, tmp_path_factory):
    out = tmp_path_factory.mktemp('run')
    cpu = torch.device('cpu')
    learnt, unseen = (load_demonstrations(small_data, split, cpu)
                      for split in ('train', 'validation'))  # fmt: skip
    model = train(learnt, unseen, load_bounds(small_data), SETTINGS, out, checkpoints=3)
    return model, unseen, out


def test_training_lowers_the_joint_error(trained, small_data):
    learnt = load_demonstrations(small_data, 'train', torch.device('cpu'))
    untrained = Trainer(learnt, SETTINGS).average
    assert joint_error(trained[0], learnt) < 0.5 * joint_error(untrained, learnt)


def test_checkpoints_are_spread_over_the_run_and_the_last_is_the_result(trained):
    model, _, out = trained
    assert sorted(folder.name for folder in out.iterdir()) == [
        'update_160', 'update_240', 'update_80',
    ]  # fmt: skip
    kept = read_checkpoint(out / 'update_240').model.state_dict()
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(kept[name], tensor, rtol=0, atol=0)


def test_a_checkpoint_can_be_imported_as_eipls(trained):
    folder = trained[2] / 'update_240'
    found = importer.read_checkpoint(folder / 'model.pth', folder / 'args.json')
    assert found.spec == SETTINGS.spec(3, 20, 20)
    assert (found.vmin, found.vmax) == (0.0, 1.0)
    bounds = importer.read_bounds(folder / 'joint_bounds.npy', 3)
    np.testing.assert_array_equal(bounds, [[-1.2] * 3, [1.2] * 3])


def test_a_checkpoint_remembers_its_settings(trained):
    assert read_checkpoint(trained[2] / 'update_240').settings == SETTINGS


def test_a_folder_that_is_no_checkpoint_is_refused(tmp_path):
    (tmp_path / 'args.json').write_text(json.dumps({'model': 'sarnn'}), encoding='utf-8')
    with pytest.raises(CheckpointError, match='is not a checkpoint'):
        read_checkpoint(tmp_path)


@given(st.floats(0, 1), st.floats(0, 1))
def test_the_learning_rate_only_falls_after_the_warm_up(first, second):
    early, late = sorted((first, second))
    assert learning_rate(SETTINGS, 50, late) <= learning_rate(SETTINGS, 50, early)
    assert learning_rate(SETTINGS, 50, 1.0) == pytest.approx(0.01 * SETTINGS.learning_rate)


@given(st.floats(0, 1), st.floats(0, 0.5))
def test_a_ramp_stays_between_0_and_1_and_is_full_at_60_percent(done, begin):
    assert 0 <= ramp(done, begin) <= 1
    assert ramp(0.6, begin) == pytest.approx(1)
    assert ramp(begin, begin) == 0


@pytest.mark.parametrize('model', ['cnnrnn', 'cnnrnnln'])
def test_the_command_line_trains_and_goes_on_from_a_checkpoint(full_size_data, tmp_path, model):
    (tmp_path / 's.yaml').write_text(
        f'model: {model}\nupdates: 2\nbatch_size: 2\nprediction_joints: [2]\n', encoding='utf-8'
    )
    arguments = [str(tmp_path / 's.yaml'), str(full_size_data)]
    options = ['--device', 'cpu', '--checkpoints', '1']
    assert main(['train', *arguments, str(tmp_path / 'first'), *options]) == 0
    start = ['--start', str(tmp_path / 'first' / 'update_2'), '--set', 'learning_rate=0.0']
    assert main(['train', *arguments, str(tmp_path / 'second'), *options, *start]) == 0
    first, second = (
        read_checkpoint(tmp_path / name / 'update_2').model.state_dict()
        for name in ('first', 'second')
    )
    for name, tensor in first.items():
        torch.testing.assert_close(second[name], tensor)


def test_a_mistake_is_told_in_one_line(tmp_path, caplog):
    assert main(['train', str(tmp_path / 'none.yaml'), '.', str(tmp_path)]) == 2
    assert 'cannot read the training settings' in caplog.text
