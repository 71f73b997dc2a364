# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders import SPECS, make_pictures, write_random_bundle

from eipl_trt_ros.arbiter import ArbiterSettings
from eipl_trt_ros.backends import SharedInputs, load_backend
from eipl_trt_ros.bundle import Bundle, load_bundle
from eipl_trt_ros.ensemble import Ensemble, check_together, common_joints, open_ensemble
from eipl_trt_ros.errors import BackendError, BundleError, InputError, PredictionError
from eipl_trt_ros.evaluation.frames import FrameReader, ReadSettings
from eipl_trt_ros.predictor import Predictor, open_predictor

ROOT = Path(__file__).parents[1]
SAMPLES = [ROOT / 'samples' / name for name in ('cnnrnn', 'sarnn')]
PICTURES = make_pictures(6, 240, 320)
JOINTS = np.array([*np.linspace(-0.3, 0.3, 7), np.nan])


@pytest.fixture(scope='module')
def bundles(tmp_path_factory: pytest.TempPathFactory) -> list[Bundle]:
    folder = tmp_path_factory.mktemp('together')
    return [write_random_bundle(folder / name, SPECS[name]) for name in ('cnnrnn', 'sarnn')]


@pytest.fixture
def ensemble(bundles: list[Bundle]) -> Iterator[Ensemble]:
    settings = ArbiterSettings(by='topic')
    with Ensemble([open_predictor(bundle) for bundle in bundles], settings) as made:
        yield made


def test_each_model_predicts_what_it_predicts_alone(
    bundles: list[Bundle], ensemble: Ensemble
) -> None:
    for name, bundle in zip(ensemble.names, bundles, strict=True):
        ensemble.reset()
        ensemble.select(name)
        with open_predictor(bundle) as alone:
            for picture in PICTURES:
                expected = alone.step(picture, JOINTS).joints.copy()
                assert np.array_equal(ensemble.step(picture, JOINTS).joints, expected)
                assert ensemble.bundle is ensemble.driver.bundle
                assert np.array_equal(ensemble.predicted_image(), alone.predicted_image())
                ensemble.finish_frame()


def test_a_model_that_takes_over_has_seen_all_that_happened(
    bundles: list[Bundle], ensemble: Ensemble
) -> None:
    with open_predictor(bundles[1]) as alone:
        for index, picture in enumerate(PICTURES):
            if index == 4:
                ensemble.select('sarnn')
            expected = alone.step(picture, JOINTS).joints
            motion = ensemble.step(picture, JOINTS)
            assert np.array_equal(motion.joints, expected) == (index >= 4)


def test_a_model_that_fails_beside_the_driver_does_no_harm(ensemble: Ensemble) -> None:
    ensemble.step(PICTURES[0], JOINTS)
    ensemble.predictors[1].backend.set_state(
        {
            name: value * np.nan
            for name, value in ensemble.predictors[1].backend.get_state().items()
        }
    )
    before = ensemble.step(PICTURES[1], JOINTS).joints.copy()
    assert np.isfinite(before).all()
    ensemble.select('sarnn')
    with pytest.raises(PredictionError, match='the network predicts nan'):
        ensemble.step(PICTURES[2], JOINTS)


def test_a_driver_that_fails_gives_way_to_a_model_that_has_seen_every_frame(
    bundles: list[Bundle],
) -> None:
    # nobody takes over but from a driver that fails
    settings = ArbiterSettings(by='joints', memory=1.0, advantage=1e-9, patience=1)
    predictors = [open_predictor(bundle) for bundle in bundles]
    with Ensemble(predictors, settings) as together, open_predictor(bundles[1]) as alone:
        for number in range(2):
            together.step(PICTURES[number], JOINTS)
            together.finish_frame()
            alone.step(PICTURES[number], JOINTS)
        backend = together.predictors[0].backend
        backend.set_state({name: value * np.nan for name, value in backend.get_state().items()})
        with pytest.raises(PredictionError):
            together.step(PICTURES[2], JOINTS)
        alone.step(PICTURES[2], JOINTS)
        expected = alone.step(PICTURES[3], JOINTS).joints
        assert np.array_equal(together.step(PICTURES[3], JOINTS).joints, expected)
        assert together.driver is together.predictors[1]


def test_joints_that_cannot_be_used_are_refused_and_change_nothing(
    bundles: list[Bundle], ensemble: Ensemble
) -> None:
    with open_predictor(bundles[0]) as alone:
        with pytest.raises(InputError, match='expected a finite number'):
            ensemble.step(PICTURES[0], np.full(8, np.nan))
        expected = alone.step(PICTURES[1], JOINTS).joints
        assert np.array_equal(ensemble.step(PICTURES[1], JOINTS).joints, expected)


def test_an_unknown_model_is_not_selected(ensemble: Ensemble) -> None:
    with pytest.raises(BundleError, match="no model 'rnn', expected one of cnnrnn, sarnn"):
        ensemble.select('rnn')


def test_models_that_do_not_fit_together_are_refused(bundles: list[Bundle]) -> None:
    one, other = bundles
    renamed = (replace(other.joints[0], name='elbow'), *other.joints[1:])
    for wrong, reason in (
        (replace(other, joints=renamed), 'their joints differ'),
        (replace(other, rate_hz=5.0), 'their rate_hz differ'),
        (replace(other, camera=replace(other.camera, encoding='bgr8')), 'their camera.encoding'),
        (replace(other, path=one.path), 'folders of the same name'),
    ):
        with pytest.raises(BundleError, match=reason):
            check_together([one, wrong])


def test_the_range_of_models_together_is_what_any_of_them_knows(bundles: list[Bundle]) -> None:
    wider = replace(bundles[1].joints[0], minimum=-3.0)
    other = replace(bundles[1], joints=(wider, *bundles[1].joints[1:]))
    joints = common_joints([bundles[0], other])
    assert joints[0].minimum == -3.0
    assert joints[1] == bundles[0].joints[1]


@pytest.mark.parametrize('by', ['joints', 'image'])
def test_the_model_that_knows_the_task_takes_over_from_one_that_does_not(
    tmp_path: Path, by: str
) -> None:
    """One sample is trained on the recording's task; the other has random weights."""
    trained = load_bundle(SAMPLES[0])
    stranger = replace(
        write_random_bundle(tmp_path / 'stranger', SPECS['cnnrnn']), joints=trained.joints
    )
    bag = ROOT / 'samples' / 'demonstration'
    predictors = [open_predictor(stranger), open_predictor(trained)]
    with (
        Ensemble(predictors, ArbiterSettings(by=by)) as together,
        FrameReader(bag, trained, ReadSettings(None, None, 0.05)) as reader,
    ):
        drivers = []
        for frame in reader.frames():
            together.step(frame.picture, frame.joints)
            together.finish_frame()
            drivers.append(together.names[together.arbiter.driver])
    assert drivers[0] == 'stranger'
    assert set(drivers[15:]) == {'cnnrnn'}


def test_if_one_model_cannot_be_opened_none_stays_open(bundles: list[Bundle]) -> None:
    opened: list[Predictor] = []
    closed: list[Predictor] = []

    class Watched(Predictor):
        def close(self) -> None:
            closed.append(self)
            super().close()

    def open_one(bundle: Bundle, shared: SharedInputs) -> Predictor:
        if opened:
            msg = 'no room'
            raise BackendError(msg)
        opened.append(Watched(bundle, load_backend(bundle, shared=shared)))
        return opened[0]

    with pytest.raises(BackendError, match='no room'):
        open_ensemble(bundles, ArbiterSettings(), open_one)
    assert closed == opened
