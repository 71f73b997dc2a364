# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
import dataclasses

import numpy as np
import pytest
import torch

from eipl_trt_ros.training.data import Demonstrations, load_demonstrations, make_batch
from eipl_trt_ros.training.settings import TrainingError, TrainingSettings

QUIET = TrainingSettings(
    model='sarnn', joint_noise=0.0, joint_offset=0.0, brightness=0.0, prediction_joints=(2,)
)
ROWS = torch.tensor([3, 1])


@pytest.fixture(scope='module')
def data(small_data) -> Demonstrations:
    return load_demonstrations(small_data, 'train', torch.device('cpu'))


def batch_of(data, settings, feedback=0.0):
    generator = torch.Generator().manual_seed(0)
    return make_batch(data, ROWS, settings, feedback=feedback, generator=generator)


def test_joints_are_normalised_by_their_bounds(small_data, data):
    raw = np.load(small_data / 'train' / 'joints.npy')
    np.testing.assert_allclose(data.joints.numpy(), (raw + 1.2) / 2.4, rtol=1e-6)


def test_without_targets_a_frame_aims_at_the_next_one(data):
    torch.testing.assert_close(data.targets[:, :-1], data.joints[:, 1:])


def test_what_the_expert_wanted_is_the_target_where_it_was_recorded(small_data, tmp_path):
    (tmp_path / 'train').mkdir()
    for name in ('train/images.npy', 'train/joints.npy', 'joint_bounds.npy'):
        (tmp_path / name).write_bytes((small_data / name).read_bytes())
    np.save(tmp_path / 'train' / 'targets.npy', np.full((6, 8, 3), 1.2, np.float32))
    found = load_demonstrations(tmp_path, 'train', torch.device('cpu'))
    torch.testing.assert_close(found.targets, torch.ones(6, 8, 3))


def test_a_missing_array_is_named(tmp_path):
    with pytest.raises(TrainingError, match=r'joint_bounds\.npy.*record demonstrations'):
        load_demonstrations(tmp_path, 'train', torch.device('cpu'))


def test_a_quiet_batch_is_the_data_itself(data):
    batch = batch_of(data, QUIET)
    torch.testing.assert_close(batch.joints, data.joints[ROWS])
    torch.testing.assert_close(batch.images, data.images[ROWS].float() / 255)


def test_joints_that_are_never_measured_are_always_fed_back_but_at_first(data):
    batch = batch_of(data, QUIET)
    assert not batch.fed_back[:, 0].any()
    assert batch.fed_back[:, 1:, 2].all()
    assert not batch.fed_back[..., :2].any()


def test_feedback_replaces_all_joints_of_a_frame_together(data):
    batch = batch_of(data, QUIET, feedback=1.0)
    assert batch.fed_back[..., 0].any()
    assert torch.equal(batch.fed_back[..., 0], batch.fed_back[..., 1])


def test_an_offset_stays_the_same_for_a_whole_demonstration(data):
    batch = batch_of(data, dataclasses.replace(QUIET, joint_offset=0.1))
    off = (batch.joints - data.joints[ROWS])[..., :2]
    assert off.abs().max() > 0
    torch.testing.assert_close(off, off[:, :1].expand_as(off))
