# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""fp16 and int8 on ONNX Runtime: the arithmetic of the engines' graphs, on any processor."""

from __future__ import annotations

import logging
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from builders import make_pictures, write_random_bundle

from eipl_trt_ros.backends import load_backend
from eipl_trt_ros.bundle import Bundle, load_bundle, write_bundle
from eipl_trt_ros.engines.demonstrations import Demonstration
from eipl_trt_ros.engines.int8_recipe import RECIPE_NAME, read_recipe
from eipl_trt_ros.engines.rewrite import half_graph
from eipl_trt_ros.engines.rollout import ExactSession, rollout
from eipl_trt_ros.errors import EngineError, MissingPackageError
from eipl_trt_ros.predictor import Predictor, open_predictor

SAMPLES = Path(__file__).parents[2] / 'samples'
MODELS = ('sarnn', 'cnnrnn', 'cnnrnnln')
FRAMES = 6


def demonstration(bundle: Bundle) -> Demonstration:
    joints = np.linspace(bundle.joint_minimum, bundle.joint_maximum, FRAMES).astype(np.float32)
    return Demonstration(make_pictures(FRAMES, 128, 128), joints)


def joints_of(predictor: Predictor, seen: Demonstration) -> np.ndarray:
    steps = zip(seen.images, seen.joints, strict=True)
    return np.array([predictor.step(*step).joints.copy() for step in steps])


@pytest.mark.parametrize('precision', ['fp16', 'int8'])
@pytest.mark.parametrize('model', MODELS)
def test_a_sample_runs_the_very_arithmetic_of_its_engines_graph(
    model: str, precision: str
) -> None:
    bundle = load_bundle(SAMPLES / model)
    seen = demonstration(bundle)
    recipe = read_recipe(bundle) if precision == 'int8' else None
    motion, image = (
        half_graph(bundle, graph, None if recipe is None else recipe.of(bundle, graph))
        for graph in ('motion', 'image')
    )
    images = ExactSession(image)
    with open_predictor(bundle, 'onnxruntime', precision=precision) as predictor:
        assert predictor.backend.precision == precision
        for step in rollout(bundle, [seen], motion=motion):
            joints = predictor.step(seen.images[step.frame], seen.joints[step.frame]).joints
            np.testing.assert_array_equal(joints, step.outputs['predicted_joints'])
            picture = images.run(step.image)['predicted_image']
            np.testing.assert_array_equal(predictor.predicted_image(), picture)


@pytest.mark.parametrize('mixing', [1.0, 0.8])
@pytest.mark.parametrize('model', MODELS)
def test_each_precision_is_near_fp32_and_is_not_fp32(model: str, mixing: float) -> None:
    bundle = load_bundle(SAMPLES / model)
    seen = demonstration(bundle)
    span = bundle.joint_maximum - bundle.joint_minimum
    found = {}
    for precision in ('fp32', 'fp16', 'int8'):
        with open_predictor(
            bundle, 'onnxruntime', precision=precision, input_mixing=mixing
        ) as predictor:
            found[precision] = joints_of(predictor, seen) / span
    far = {name: np.abs(found[name] - found['fp32']).max() for name in ('fp16', 'int8')}
    # blobs on grey: nothing that the models know, so int8's ranges were not made for it
    assert 0 < far['fp16'] < 0.02
    assert far['fp16'] < far['int8'] < 0.2


def test_it_is_said_once_that_the_time_is_not_that_of_the_precision(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bundle = load_bundle(SAMPLES / 'cnnrnn')
    with (
        caplog.at_level(logging.INFO),
        open_predictor(bundle, 'onnxruntime', precision='int8') as predictor,
    ):
        joints_of(predictor, demonstration(bundle))
    (record,) = caplog.records
    assert record.levelname == 'WARNING'
    assert record.getMessage().endswith('joints and images are those of int8, the time is not')


def test_int8_without_a_recipe_says_how_to_make_one(tmp_path: Path) -> None:
    bundle = write_random_bundle(tmp_path)
    with pytest.raises(EngineError, match=r'int8\.json.*eipl_trt precision .* --calibration'):
        load_backend(bundle, 'onnxruntime', precision='int8')


def test_int8_whose_recipe_belongs_to_another_graph_is_refused(tmp_path: Path) -> None:
    shutil.copytree(SAMPLES / 'cnnrnn', tmp_path / 'bundle')
    shutil.copy(SAMPLES / 'sarnn' / RECIPE_NAME, tmp_path / 'bundle')
    wrong = load_bundle(tmp_path / 'bundle', verify=False)
    wrong = write_bundle(wrong, list(wrong.files))
    with pytest.raises(EngineError, match='was made for another weights'):
        load_backend(wrong, 'onnxruntime', precision='int8')


def test_a_missing_onnx_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, 'onnx', None)
    with pytest.raises(MissingPackageError, match=r'fp16 on ONNX Runtime needs.*install onnx'):
        load_backend(load_bundle(SAMPLES / 'cnnrnn'), 'onnxruntime', precision='fp16')
