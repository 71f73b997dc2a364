# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Demonstrations for calibration, and rollouts over them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import recordings

from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.engines.demonstrations import digest, read_demonstrations
from eipl_trt_ros.engines.rollout import roll_out_alone, rollout
from eipl_trt_ros.errors import BagError
from eipl_trt_ros.predictor import open_predictor


def recorded(bundle: Bundle, path: Path) -> Path:
    names = [joint.name for joint in bundle.joints if joint.source == 'joint_states']
    return recordings.demonstration(names, seconds=0.8).write(path)


@pytest.mark.parametrize('mixing', [None, 0.8])
@pytest.mark.parametrize('model', ['sarnn', 'cnnrnn', 'cnnrnnln'])
def test_a_rollout_over_a_recording_is_what_the_predictor_does(
    bundle_of: Callable[[str], Bundle], model: str, mixing: float | None, tmp_path: Path
) -> None:
    bundle = bundle_of(model)
    (demonstration,) = read_demonstrations(recorded(bundle, tmp_path / 'bag'), bundle)
    assert len(demonstration) == 8
    assert np.isnan(demonstration.joints[:, -1]).all()  # the gripper, which is fed back
    with open_predictor(
        bundle, 'onnxruntime', input_mixing=1.0 if mixing is None else mixing
    ) as predictor:
        for step in rollout(bundle, [demonstration, demonstration], mixing=mixing):
            if step.frame == 0:
                predictor.reset()
            seen = demonstration.images[step.frame], demonstration.joints[step.frame]
            motion = predictor.step(*seen)
            span = bundle.joint_maximum - bundle.joint_minimum
            error = np.abs(step.outputs['predicted_joints'] - motion.joints) / span
            assert error.max() < 1e-4
            # what the image graph takes is there
            names = {entry.name for entry in bundle.model.graph_inputs('image')}
            assert names <= step.image.keys()


@pytest.mark.parametrize('model', ['sarnn', 'cnnrnn', 'cnnrnnln'])
def test_a_rollout_alone_is_the_predictor_fed_with_its_own_predictions(
    bundle_of: Callable[[str], Bundle], model: str, tmp_path: Path
) -> None:
    bundle = bundle_of(model)
    (demonstration,) = read_demonstrations(recorded(bundle, tmp_path / 'bag'), bundle)
    found = roll_out_alone(bundle, [demonstration, demonstration], 5)
    np.testing.assert_array_equal(found[0], found[1])
    span = bundle.joint_maximum - bundle.joint_minimum
    with open_predictor(bundle, 'onnxruntime') as predictor:
        picture, joints = demonstration.images[0], demonstration.joints[0]
        for step in range(5):
            joints = predictor.step(picture, joints).joints.copy()
            picture = predictor.predicted_image().copy()
            assert (np.abs(found[0, step] - joints) / span).max() < 1e-3


def test_arrays_are_read_as_they_are(bundle: Bundle, tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 3, 128, 128, 3), np.uint8)
    joints = np.random.default_rng(1).standard_normal((2, 3, 8))
    np.save(tmp_path / 'images.npy', images)
    np.save(tmp_path / 'joints.npy', joints)
    found = read_demonstrations(tmp_path, bundle)
    assert len(found) == 2
    np.testing.assert_array_equal(found[1].images, images[1])
    np.testing.assert_array_equal(found[1].joints, joints[1].astype(np.float32))


def test_the_digest_tells_demonstrations_apart(bundle: Bundle, tmp_path: Path) -> None:
    (one,) = read_demonstrations(recorded(bundle, tmp_path / 'bag'), bundle)
    assert digest([one]) == digest([one])
    assert len({digest([]), digest([one]), digest([one, one])}) == 3


@pytest.mark.parametrize(
    ('images', 'joints', 'reason'),
    [
        (np.zeros((1, 3, 64, 64, 3), np.uint8), np.zeros((1, 3, 8)), 'expected uint8'),
        (np.zeros((1, 3, 128, 128, 3)), np.zeros((1, 3, 8)), 'expected uint8'),
        (np.zeros((1, 3, 128, 128, 3), np.uint8), np.zeros((1, 3, 7)), 'expected float'),
        (np.zeros((1, 3, 128, 128, 3), np.uint8), np.zeros((1, 4, 8)), 'expected float'),
        (np.zeros((1, 3, 128, 128, 3), np.uint8), None, 'cannot be read'),
    ],
)
def test_arrays_that_do_not_fit_the_model_are_refused(
    bundle: Bundle, tmp_path: Path, images: np.ndarray, joints: np.ndarray | None, reason: str
) -> None:
    np.save(tmp_path / 'images.npy', images)
    if joints is not None:
        np.save(tmp_path / 'joints.npy', joints)
    with pytest.raises(BagError, match=reason):
        read_demonstrations(tmp_path, bundle)


def test_a_folder_with_neither_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(BagError, match='recording'):
        read_demonstrations(tmp_path, bundle)
