# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Closed-loop rollouts of real bundles."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from offline_pass import run_offline

from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.evaluation.configurations import Configuration
from eipl_trt_ros.evaluation.drift import MIXINGS, STEPS, Rollout, drifts_of, run_rollouts
from eipl_trt_ros.evaluation.frames import ReadSettings, first_stretch
from eipl_trt_ros.evaluation.offline import PassSettings
from eipl_trt_ros.predictor import open_predictor

FP32 = Configuration('onnxruntime', 'fp32')
FP16 = Configuration('onnxruntime', 'fp16')


def test_a_rollout_on_sensors_is_the_plain_pass_and_one_on_itself_sees_the_first_frame_only(
    cnnrnn: Bundle, bag: Path
) -> None:
    frames = first_stretch(bag, cnnrnn, ReadSettings(), frames=12)
    plain = run_offline(cnnrnn, bag, PassSettings(backend='onnxruntime'))
    rollouts, notes = run_rollouts(cnnrnn, frames, {FP32: plain.predicted}, 1)
    assert notes == []
    by_mixing = {one.mixing: one for one in rollouts}
    assert tuple(by_mixing) == MIXINGS
    np.testing.assert_array_equal(by_mixing[1.0].predicted, plain.predicted[:11])
    with open_predictor(cnnrnn, input_mixing=0.8) as predictor:
        for index, frame in enumerate(frames[:11]):
            motion = predictor.step(frame.picture, frame.joints)
            np.testing.assert_array_equal(motion.joints, by_mixing[0.8].predicted[index])
    with open_predictor(cnnrnn, input_mixing=0.0) as predictor:
        for frame in range(11):
            motion = predictor.step(frames[0].picture, frames[0].joints)
            np.testing.assert_array_equal(motion.joints, by_mixing[0.0].predicted[frame])


def test_drift_is_the_distance_at_the_step(sarnn: Bundle) -> None:
    measured = np.zeros((60, 4))
    own, fp32 = np.zeros((60, 4)), np.zeros((60, 4))
    own[9] = 0.3
    fp32[9, 1] = 0.25
    fp32[9, 3] = 9.0  # a gripper: not an angle
    rollouts = [
        [Rollout(label, mixing, predicted, measured) for mixing in MIXINGS]
        for label, predicted in (('own', own), ('fp32', fp32))
    ]
    drifts = drifts_of(sarnn, [[*rollouts[0], *rollouts[1]]], 'own', 'fp32')
    assert [(d.mixing, d.step) for d in drifts] == [(m, s) for m in MIXINGS for s in STEPS]
    ten, fifty, hundred = drifts[:3]
    assert ten.from_recording_rad == pytest.approx(0.3)
    assert ten.from_fp32_rad == pytest.approx(0.3)
    assert fifty.from_recording_rad == 0
    assert (hundred.recordings, math.isnan(hundred.from_recording)) == (0, True)


def test_precisions_part_from_each_other(cnnrnn: Bundle, bag: Path) -> None:
    frames = first_stretch(bag, cnnrnn, ReadSettings(), frames=12)
    passes = [
        run_offline(cnnrnn, bag, PassSettings(backend='onnxruntime', precision=one.precision))
        for one in (FP32, FP16)
    ]
    sensed = {one: run.predicted for one, run in zip((FP32, FP16), passes, strict=True)}
    rollouts, _ = run_rollouts(cnnrnn, frames, sensed, 1)
    same = drifts_of(cnnrnn, [rollouts], FP32.label, FP32.label)
    half = drifts_of(cnnrnn, [rollouts], FP16.label, FP32.label)
    assert all(drift.from_fp32_rad == 0 for drift in same if drift.step == 10)
    assert all(0 < drift.from_fp32_rad < 0.1 for drift in half if drift.step == 10)


def test_what_has_no_mixed_graph_is_noted(cnnrnn: Bundle, bag: Path) -> None:
    frames = first_stretch(bag, cnnrnn, ReadSettings(), frames=3)
    int8 = Configuration('onnxruntime', 'int8')  # there is no int8 recipe
    nothing = np.zeros((2, cnnrnn.model.joint_dim))
    rollouts, notes = run_rollouts(cnnrnn, frames, {FP32: nothing, int8: nothing}, 1)
    assert len(rollouts) == len(MIXINGS) + 1
    [note] = notes
    assert 'onnxruntime int8: no closed-loop rollout: ' in note
