# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from builders import SPECS, make_pictures, write_random_bundle
from numpy.typing import NDArray

from eipl_trt_ros.backends import load_backend
from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.errors import BackendError, InputError, PredictionError
from eipl_trt_ros.predictor import Predictor, open_predictor


@pytest.fixture(scope='module')
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return write_random_bundle(tmp_path_factory.mktemp('cnnrnn'), SPECS['cnnrnn'])


@pytest.fixture(scope='module')
def pictures() -> NDArray[np.uint8]:
    return make_pictures(12, 128, 128)


def joints_at(frame: int) -> NDArray[np.float64]:
    joints = 0.5 * np.sin(0.1 * frame + np.arange(8.0))
    joints[7] = np.nan  # the gripper is fed back: nobody measures it
    return joints


def run(predictor: Predictor, pictures: NDArray[np.uint8], start: int = 0) -> NDArray[np.float32]:
    return np.array(
        [
            predictor.step(picture, joints_at(start + i)).joints.copy()
            for i, picture in enumerate(pictures)
        ]
    )


def test_the_state_is_carried_from_frame_to_frame(
    bundle: Bundle, pictures: NDArray[np.uint8]
) -> None:
    with open_predictor(bundle) as predictor:
        first = predictor.step(pictures[0], joints_at(0)).joints.copy()
        second = predictor.step(pictures[0], joints_at(0)).joints.copy()
        assert predictor.frame == 2
    assert not np.array_equal(first, second)


def test_a_reset_starts_the_episode_anew(bundle: Bundle, pictures: NDArray[np.uint8]) -> None:
    with open_predictor(bundle) as predictor:
        first = run(predictor, pictures)
        predictor.reset()
        assert predictor.frame == 0
        np.testing.assert_array_equal(run(predictor, pictures), first)


@pytest.mark.parametrize('input_mixing', [1.0, 0.8])
def test_after_a_restore_the_frames_run_as_they_did_after_the_snapshot(
    bundle: Bundle, pictures: NDArray[np.uint8], input_mixing: float
) -> None:
    with open_predictor(bundle, input_mixing=input_mixing) as predictor:
        run(predictor, pictures[:5])
        snapshot = predictor.snapshot()
        rest = run(predictor, pictures[5:], 5)
        predictor.restore(snapshot)
        assert predictor.frame == 5
        np.testing.assert_array_equal(run(predictor, pictures[5:], 5), rest)


def test_a_snapshot_restores_into_another_predictor(
    bundle: Bundle, pictures: NDArray[np.uint8]
) -> None:
    with open_predictor(bundle) as one, open_predictor(bundle) as other:
        run(one, pictures[:5])
        other.restore(one.snapshot())
        np.testing.assert_array_equal(run(one, pictures[5:], 5), run(other, pictures[5:], 5))


def test_a_fed_back_joint_takes_its_initial_value_and_then_its_own_prediction(
    bundle: Bundle, pictures: NDArray[np.uint8]
) -> None:
    with open_predictor(bundle) as fed_back, open_predictor(bundle) as told:
        for frame, picture in enumerate(pictures[:4]):
            previous = told.backend.predicted_joints[7] if frame else 0.0
            expected = fed_back.step(picture, joints_at(frame)).joints.copy()
            joints = joints_at(frame)
            joints[7] = previous
            np.testing.assert_array_equal(told.step(picture, joints).joints, expected)
            assert fed_back.backend.joints[7] == np.float32(previous)


def test_the_image_is_computed_once_per_frame_and_only_when_asked_for(
    bundle: Bundle, pictures: NDArray[np.uint8]
) -> None:
    with open_predictor(bundle) as predictor:
        predictor.step(pictures[0], joints_at(0))
        assert predictor.timing.image_total == 0
        image = predictor.predicted_image().copy()
        spent = predictor.timing.image_total
        assert spent > 0
        np.testing.assert_array_equal(predictor.predicted_image(), image)
        assert predictor.timing.image_total == spent


def test_there_is_no_image_before_the_first_frame(bundle: Bundle) -> None:
    with (
        open_predictor(bundle) as predictor,
        pytest.raises(PredictionError, match='no predicted image'),
    ):
        predictor.predicted_image()


def test_asking_for_images_does_not_change_the_motion(
    bundle: Bundle, pictures: NDArray[np.uint8]
) -> None:
    with open_predictor(bundle) as plain, open_predictor(bundle) as asked:
        for frame, picture in enumerate(pictures):
            expected = plain.step(picture, joints_at(frame)).joints
            np.testing.assert_array_equal(asked.step(picture, joints_at(frame)).joints, expected)
            asked.predicted_image()


BAD_JOINTS = [
    (np.zeros(7), r'joints are float64 \(7,\), expected float \(8,\)'),
    (np.zeros((1, 8)), r'expected float \(8,\)'),
    (np.zeros(8, int), 'joints are int64'),
    (np.array([0, np.nan, 0, 0, 0, 0, 0, 0]), "joint 'joint2' is nan"),
    (np.array([0, 0, 0, -np.inf, 0, 0, 0, 0]), "joint 'joint4' is -inf"),
    (np.array([1e300, 0, 0, 0, 0, 0, 0, 0]), "joint 'joint1' is 1e"),
]


@pytest.mark.filterwarnings('ignore:overflow encountered in cast')
@pytest.mark.parametrize(('joints', 'message'), BAD_JOINTS)
def test_joints_that_are_no_joints_are_refused_and_leave_the_state_alone(
    bundle: Bundle, pictures: NDArray[np.uint8], joints: NDArray[np.float64], message: str
) -> None:
    with open_predictor(bundle) as predictor, open_predictor(bundle) as undisturbed:
        run(predictor, pictures[:3])
        run(undisturbed, pictures[:3])
        with pytest.raises(InputError, match=message):
            predictor.step(pictures[3], joints)
        assert predictor.frame == 3
        np.testing.assert_array_equal(
            run(predictor, pictures[3:], 3), run(undisturbed, pictures[3:], 3)
        )


def test_a_picture_that_is_no_picture_is_refused_and_leaves_the_state_alone(
    bundle: Bundle, pictures: NDArray[np.uint8]
) -> None:
    with open_predictor(bundle) as predictor, open_predictor(bundle) as undisturbed:
        run(predictor, pictures[:3])
        run(undisturbed, pictures[:3])
        with pytest.raises(InputError, match='the picture is float32'):
            predictor.step(pictures[3].astype(np.float32), joints_at(3))
        np.testing.assert_array_equal(
            run(predictor, pictures[3:], 3), run(undisturbed, pictures[3:], 3)
        )


def test_a_network_that_answers_nan_is_reported_and_leaves_the_state_alone(
    tmp_path: Path, pictures: NDArray[np.uint8]
) -> None:
    poisoned = write_random_bundle(
        tmp_path,
        SPECS['cnnrnn'],
        change=lambda weights: weights['decoder_joint.0.bias'].fill(np.nan),
    )
    with open_predictor(poisoned) as predictor:
        with pytest.raises(PredictionError, match="predicts nan for joint 'joint1' in frame 0"):
            predictor.step(pictures[0], joints_at(0))
        assert predictor.frame == 0
        for array in predictor.backend.get_state().values():
            assert not array.any()


def test_mixing_needs_a_backend_made_for_it(bundle: Bundle) -> None:
    backend = load_backend(bundle)
    with pytest.raises(BackendError, match='mixing=True'):
        Predictor(bundle, backend, input_mixing=0.5)
    backend.close()


@pytest.mark.parametrize('input_mixing', [-0.1, 1.1, float('nan')])
def test_a_mixing_outside_0_to_1_is_refused(bundle: Bundle, input_mixing: float) -> None:
    with pytest.raises(InputError, match='expected 0 to 1'):
        open_predictor(bundle, input_mixing=input_mixing)


def test_all_five_steps_of_a_frame_are_timed(bundle: Bundle, pictures: NDArray[np.uint8]) -> None:
    with open_predictor(bundle) as predictor:
        run(predictor, pictures)
        timing = predictor.timing
        assert timing.pre_process > 0
        assert timing.infer > 0
        assert timing.post_process > 0
        assert timing.motion_total == sum(
            (
                timing.pre_process,
                timing.copy_in,
                timing.infer,
                timing.copy_out,
                timing.post_process,
            )
        )
        assert timing.total == timing.motion_total


def test_frames_allocate_nothing_that_stays(bundle: Bundle, pictures: NDArray[np.uint8]) -> None:
    with open_predictor(bundle) as predictor:
        run(predictor, pictures)
        joints = joints_at(0)
        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        for _ in range(50):
            predictor.step(pictures[0], joints)
            predictor.predicted_image()
        after, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert after - before < 2_000
    assert peak - before < 8_000, 'a frame makes an array'
