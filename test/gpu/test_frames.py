# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What engines predict on a real GPU, against ONNX Runtime on the processor."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from eipl_trt_ros.backends import Backend, load_backend
from eipl_trt_ros.backends.engines import open_engines
from eipl_trt_ros.bundle import Bundle, load_bundle
from eipl_trt_ros.engines.half import emulate_half
from eipl_trt_ros.engines.int8_recipe import read_recipe
from eipl_trt_ros.engines.machine import this_machine
from eipl_trt_ros.engines.rewrite import half_graph
from eipl_trt_ros.engines.store import EngineStore
from eipl_trt_ros.predictor import Predictor

pytestmark = pytest.mark.gpu

MODELS = ('sarnn', 'cnnrnn', 'cnnrnnln')
# largest difference of a joint from ONNX Runtime in fp32, as a share of the joint's range
JOINTS = {'fp32': 1e-4, 'fp16': 2e-3}
# mean difference of the predicted image over the demonstration, in grey levels
IMAGE = {'fp32': 0.01, 'fp16': 0.1}


def differences(
    bundle: Bundle, backend: Backend, reference: Backend, demonstration, mixing: float = 1.0
) -> tuple[float, float, int]:
    """Return the largest of the joints (share of range), the image's mean and largest (levels)."""
    span = bundle.joint_maximum - bundle.joint_minimum
    joints, images, largest = 0.0, [], 0
    mine = Predictor(bundle, backend, input_mixing=mixing)
    with Predictor(bundle, reference, input_mixing=mixing) as other:
        mine.reset()
        for picture, measured in zip(demonstration.images, demonstration.joints, strict=True):
            found, wanted = (one.step(picture, measured).joints for one in (mine, other))
            joints = max(joints, float(np.max(np.abs(found - wanted) / span)))
            found_image = mine.predicted_image().astype(np.int16)
            difference = np.abs(found_image - other.predicted_image())
            images.append(float(difference.mean()))
            largest = max(largest, int(difference.max()))
    return joints, float(np.mean(images)), largest


def described(found: tuple[float, float, int]) -> str:
    joints, image, largest = found
    return f'joints off by {joints:.1e} of their range, image by {image:.4f} levels, max {largest}'


@pytest.mark.parametrize('precision', ['fp32', 'fp16'])
@pytest.mark.parametrize('model', MODELS)
def test_a_demonstration_gives_the_frames_of_onnx_runtime(model, precision, gpu, measured) -> None:
    bundle = gpu.bundle(model)
    reference = load_backend(bundle, 'onnxruntime', threads=2)
    found = differences(bundle, gpu.backend(model, precision), reference, gpu.demonstration(model))
    measured(described(found))
    assert found[0] < JOINTS[precision]
    assert found[1] < IMAGE[precision]


@pytest.mark.parametrize('model', MODELS)
def test_mixing_gives_the_frames_of_onnx_runtime(model, gpu, measured) -> None:
    bundle = gpu.bundle(model)
    reference = load_backend(bundle, 'onnxruntime', threads=2, mixing=True)
    backend = gpu.backend(model, 'fp32', mixing=True)
    found = differences(bundle, backend, reference, gpu.demonstration(model), 0.8)
    measured(described(found))
    assert found[0] < JOINTS['fp32']
    assert found[1] < IMAGE['fp32']


@pytest.mark.parametrize('graph', ['motion', 'image'])
@pytest.mark.parametrize('model', MODELS)
def test_int8_layers_compute_what_onnx_runtime_computes_exactly(model, graph, gpu, measured):
    """One run of a graph with int8 in the linear layers, on a frame in the middle."""
    bundle, demonstration = gpu.bundle(model), gpu.demonstration(model)
    manifest, _ = EngineStore(bundle).load(graph, 'int8', this_machine())
    layers = manifest.int8.layers
    recipe = replace(read_recipe(bundle).of(bundle, graph), layers=layers)
    exact = emulate_half(half_graph(bundle, graph, recipe)).SerializeToString()
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(exact, options, providers=['CPUExecutionProvider'])
    backend = gpu.backend(model, 'int8')
    predictor = Predictor(bundle, backend)
    for index in range(10):
        state = backend.get_state()
        predictor.step(demonstration.images[index], demonstration.joints[index])
    feed = {'image': backend.image, 'joints': backend.joints, **state}
    found = {'predicted_joints': backend.predicted_joints}
    if graph == 'image':
        feed |= backend.get_state()
        feed |= {
            'encoder_points': backend.encoder_points,
            'decoder_points': backend.decoder_points,
        }
        found = {'predicted_image': predictor.predicted_image().astype(np.float32)}
    wanted = session.run(
        list(found), {entry.name: feed[entry.name] for entry in session.get_inputs()}
    )
    (name,) = found
    difference = np.abs(found[name] - wanted[0])
    measured(f'{len(layers)} layers in int8; {name} off by {difference.max():.1e} at most')
    if graph == 'image':
        assert difference.mean() < 0.1
    else:
        span = bundle.joint_maximum - bundle.joint_minimum
        assert (difference / span).max() < JOINTS['fp16']


@pytest.mark.parametrize('model', MODELS)
@pytest.mark.parametrize('precision', ['fp32', 'fp16', 'int8'])
def test_engines_of_a_machine_without_a_gpu_give_what_those_built_here_give(
    model, precision, other_engines: Path, gpu, measured
) -> None:
    bundle = load_bundle(other_engines / model)
    if not list(EngineStore(bundle).path.glob(f'image-{precision}-*.json')):
        pytest.skip(f'the other machine built no {model} in {precision}')
    mine = gpu.backend(model, precision)
    with Predictor(bundle, open_engines(bundle, precision)) as other:
        here = Predictor(bundle, mine)
        worst = 0.0
        pictures = gpu.demonstration(model).images[:20]
        for picture, joints in zip(pictures, gpu.demonstration(model).joints, strict=False):
            found, wanted = (one.step(picture, joints).joints for one in (other, here))
            worst = max(worst, float(np.max(np.abs(found - wanted))))
    measured(f'joints differ by at most {worst:.1e} rad')
    assert worst < 1e-6
