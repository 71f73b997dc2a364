# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Recordings through the real synchronizer and predictor."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import recordings as bw
from offline_pass import run_offline

from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.evaluation.configurations import Configuration, open_lineup
from eipl_trt_ros.evaluation.frames import ReadSettings
from eipl_trt_ros.evaluation.offline import PassSettings, run_passes
from eipl_trt_ros.predictor import open_predictor

DEFAULT = PassSettings()


def test_every_image_at_the_rate_of_the_model_becomes_a_frame(sarnn: Bundle, bag: Path) -> None:
    run = run_offline(sarnn, bag, DEFAULT)
    assert run.frames == run.images == 20
    assert run.dropped == {}
    assert run.problems == ()
    assert run.predicted.shape == run.joints.shape == (20, 4)
    assert run.encoder_points is not None
    assert run.encoder_points.shape == (20, 3, 2)
    assert len(run.pairs) == len(run.image_errors) == 19
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


def test_configurations_side_by_side_predict_as_each_does_alone(sarnn: Bundle, bag: Path) -> None:
    wanted = [Configuration('onnxruntime', p) for p in ('fp16', 'fp32')]
    with open_lineup(sarnn, wanted) as lineup:
        half, single = run_passes(sarnn, bag, lineup, ReadSettings())
        again = run_passes(sarnn, bag, lineup, ReadSettings())
    for run, precision in ((half, 'fp16'), (single, 'fp32')):
        alone = run_offline(sarnn, bag, PassSettings(precision=precision, backend='onnxruntime'))
        np.testing.assert_array_equal(run.predicted, alone.predicted)
        assert run.digests == alone.digests
    np.testing.assert_array_equal(again[0].predicted, half.predicted)
    assert not np.array_equal(half.predicted, single.predicted)
    assert (single.image_differences == 0).all()
    assert half.identity.exact
    assert not single.identity.exact


def test_a_camera_three_times_as_fast_gives_no_more_frames_and_no_loss(
    sarnn: Bundle, tmp_path: Path
) -> None:
    path = bw.demonstration(sarnn.joint_names, image_hz=30.0).write(tmp_path / 'bag')
    run = run_offline(sarnn, path, DEFAULT)
    assert run.images == 30
    assert run.frames == 10
    assert run.dropped == {}


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
    assert any('time goes back 1 time' in line for line in run.problems)
