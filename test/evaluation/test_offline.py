# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Recordings through the real synchronizer and predictor."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import recordings as bw

from eipl_trt_ros.backends import StepTimes
from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.errors import BagError
from eipl_trt_ros.evaluation.offline import PassSettings, run_offline
from eipl_trt_ros.evaluation.summary import figures_of, make_result
from eipl_trt_ros.predictor import open_predictor

DEFAULT = PassSettings()


def test_every_image_at_the_rate_of_the_model_becomes_a_frame(sarnn: Bundle, bag: Path) -> None:
    run = run_offline(sarnn, bag, DEFAULT)
    assert run.frames == run.images == 20
    assert run.dropped == {}
    assert run.predicted.shape == run.joints.shape == (20, 4)
    assert run.encoder_points is not None
    assert run.encoder_points.shape == (20, 3, 2)
    assert len(run.pairs) == 19
    assert set(run.steps_ms) == set(StepTimes.STEPS)
    assert (run.steps_ms['infer'] > 0).all()
    assert (run.steps_ms['image_infer'] > 0).all()
    np.testing.assert_allclose(run.camera_ms, 20.0)
    assert run.seconds == pytest.approx(2.191, abs=0.01)


def test_the_joints_are_those_at_the_stamp_of_the_image(cnnrnn: Bundle, bag: Path) -> None:
    run = run_offline(cnnrnn, bag, DEFAULT)
    names = ('joint1', 'joint2', 'joint3', 'gripper', 'joint4', 'joint5', 'joint6', 'joint7')
    at = (run.stamps_ns - bw.START_NS) / 1e9
    recorded = np.array([bw.joints_at(seconds, 8) for seconds in at])
    expected = recorded[:, [names.index(name) for name in cnnrnn.joint_names]]
    np.testing.assert_allclose(run.joints, expected, atol=1e-9)


def test_a_pass_predicts_what_the_predictor_predicts(sarnn: Bundle, bag: Path) -> None:
    run = run_offline(sarnn, bag, DEFAULT)
    with open_predictor(sarnn) as predictor:
        for index in range(3):
            at = (run.stamps_ns[index] - bw.START_NS) / 1e9
            motion = predictor.step(bw.picture_at(at), run.joints[index])
            np.testing.assert_array_equal(run.predicted[index], motion.joints)
            np.testing.assert_array_equal(run.strip.pairs[index][0], bw.picture_at(at))
            np.testing.assert_array_equal(run.strip.pairs[index][1], predictor.predicted_image())


def test_two_passes_give_the_same_figures_to_the_last_digit(sarnn: Bundle, bag: Path) -> None:
    first, second = (run_offline(sarnn, bag, DEFAULT) for _ in range(2))
    np.testing.assert_array_equal(first.predicted, second.predicted)
    assert first.digests == second.digests
    figures = [figures_of(make_result(run)) for run in (first, second)]
    for name in ('joint_mse', 'joint_mse_persistence', 'joints', 'image_error'):
        assert getattr(figures[0], name) == getattr(figures[1], name)


def test_a_camera_three_times_as_fast_gives_no_more_frames_and_no_loss(
    sarnn: Bundle, tmp_path: Path
) -> None:
    path = bw.demonstration(sarnn.joint_names, image_hz=30.0).write(tmp_path / 'bag')
    run = run_offline(sarnn, path, DEFAULT)
    assert run.images == 30
    assert run.frames == 10
    assert run.dropped == {}


def test_images_before_the_first_joints_are_dropped_by_name(sarnn: Bundle, tmp_path: Path) -> None:
    bag = bw.demonstration(sarnn.joint_names, joint_topic=None)
    for index in range(60):
        at = 0.5 + index / 100
        stamp = bw.START_NS + round(at * 1e9)
        message = bw.joint_message(sarnn.joint_names, bw.joints_at(at, 4), stamp)
        bag.add(stamp, '/joint_states', bw.JOINTS, message)
    run = run_offline(sarnn, bag.write(tmp_path / 'bag'), DEFAULT)
    assert run.frames + sum(run.dropped.values()) == 10
    assert run.dropped['no joints'] == 4


def test_a_recording_that_starts_over_resets_the_state(sarnn: Bundle, tmp_path: Path) -> None:
    bag = bw.demonstration(sarnn.joint_names, seconds=2.0)
    again = bw.demonstration(sarnn.joint_names, seconds=2.0)
    for log_ns, topic, kind, message in again.messages:
        bag.add(log_ns + 10_000_000_000, topic, kind, message)
    run = run_offline(sarnn, bag.write(tmp_path / 'bag'), DEFAULT)
    assert run.frames == 40
    assert np.flatnonzero(run.resets).tolist() == [20]
    np.testing.assert_array_equal(run.predicted[:20], run.predicted[20:])
    assert len(run.pairs) == 38


def test_times_without_anything_in_common_are_explained(sarnn: Bundle, tmp_path: Path) -> None:
    bag = bw.demonstration(sarnn.joint_names, image_topic=None)
    stamp = bw.START_NS + 60_000_000_000
    bag.add(stamp, '/camera', bw.IMAGE, bw.image_message(bw.picture_at(0), stamp))
    path = bag.write(tmp_path / 'bag')
    with pytest.raises(BagError, match=r'none of the 1 images of /camera .*too far away.*: 1'):
        run_offline(sarnn, path, DEFAULT)
