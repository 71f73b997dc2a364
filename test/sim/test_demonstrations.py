# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from eipl_trt_ros.sim.demonstrations import (
    Demonstration,
    Request,
    joint_bounds,
    record,
    requests_for,
    write_arrays,
)
from eipl_trt_ros.sim.environment import PandaEnvironment
from eipl_trt_ros.sim.positions import draw_placements


def test_only_training_is_disturbed():
    assert all(request.seed is None for request in requests_for('test', 8))
    assert [request.seed for request in requests_for('train', 5)] == [None, 1, 2, 3, None]


@given(hnp.arrays(np.float64, (3, 4, 2), elements=st.floats(-3, 3)))
def test_bounds_hold_all_joints_with_room_to_spare(joints):
    lower, upper = joint_bounds(joints)
    assert (joints >= lower - 1e-12).all()
    assert (joints <= upper + 1e-12).all()
    spread = joints.max(axis=(0, 1)) - joints.min(axis=(0, 1))
    np.testing.assert_allclose(upper - lower, 1.2 * spread, atol=1e-9)


def test_arrays_are_written_as_eipl_reads_them(tmp_path):
    item = Demonstration(
        np.zeros((5, 128, 128, 3), np.uint8),
        np.zeros((5, 8), np.float32),
        np.ones((5, 8), np.float32),
        np.zeros((5, 3), np.float32),
        lifted=True,
    )
    write_arrays(tmp_path / 'train', [item, item])
    images = np.load(tmp_path / 'train' / 'images.npy', allow_pickle=False)
    joints = np.load(tmp_path / 'train' / 'joints.npy', allow_pickle=False)
    assert (images.shape, images.dtype) == ((2, 5, 128, 128, 3), np.uint8)
    assert (joints.shape, joints.dtype) == ((2, 5, 8), np.float32)


def test_an_undisturbed_expert_wants_what_the_joints_do_next(camera: PandaEnvironment):
    done = record(camera, Request(draw_placements('test', 1)[0]), frames=12)
    np.testing.assert_allclose(done.targets[:-1], done.joints[1:], atol=3e-3)


def test_a_disturbed_arm_is_elsewhere_than_the_expert_wants(camera: PandaEnvironment):
    done = record(camera, Request(draw_placements('train', 1)[0], seed=1), frames=12)
    again = record(camera, Request(draw_placements('train', 1)[0], seed=1), frames=12)
    assert np.abs(done.targets[:-1] - done.joints[1:]).max() > 5e-3
    np.testing.assert_array_equal(done.joints, again.joints)
