# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
What precisions cost in accuracy on a real GPU, over whole demonstrations never seen before.

EIPL_TRT_DEMONSTRATIONS names their folder; for the samples ``data/test``, made by
``python -m eipl_trt_ros.sim demonstrations data --train 1 --validation 1 --test 24``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from eipl_trt_ros.backends import Backend, load_backend
from eipl_trt_ros.bundle import Bundle, load_bundle
from eipl_trt_ros.engines.accuracy import JointAccuracy
from eipl_trt_ros.engines.comparison import STEPS_ALONE
from eipl_trt_ros.engines.demonstrations import Demonstration, read_demonstrations
from eipl_trt_ros.engines.int8_options import DEFAULT_BUDGET, DEFAULT_IMAGE_BUDGET
from eipl_trt_ros.engines.machine import this_machine
from eipl_trt_ros.engines.store import EngineStore
from eipl_trt_ros.predictor import Predictor

pytestmark = pytest.mark.gpu

SAMPLES = Path(__file__).parents[2] / 'samples'
MODELS = ('sarnn', 'cnnrnn', 'cnnrnnln')
# how far a precision may be from fp32 in error rate; as the budget of int8's recipes
BUDGET = {'fp32': 1.001, 'fp16': DEFAULT_BUDGET, 'int8': DEFAULT_BUDGET}


def play(
    bundle: Bundle, backend: Backend, demonstrations: Sequence[Demonstration]
) -> tuple[JointAccuracy, np.ndarray]:
    """Return the accuracy of the joints, and all predicted images, over demonstrations."""
    span = (bundle.joint_maximum - bundle.joint_minimum) / (bundle.vmax - bundle.vmin)
    predictor = Predictor(bundle, backend)
    predicted, errors, images = [], [], []
    for one in demonstrations:
        predictor.reset()
        for frame, (picture, joints) in enumerate(zip(one.images, one.joints, strict=True)):
            found = predictor.step(picture, joints).joints.copy()
            images.append(predictor.predicted_image().copy())
            predicted.append((found - bundle.joint_minimum) / span)
            if frame + 1 < len(one):
                errors.append((found - one.joints[frame + 1].astype(np.float64)) / span)
    squares = np.square(errors)
    accuracy = JointAccuracy(squares.mean(), squares.mean(axis=0), np.array(predicted))
    return accuracy, np.array(images)


def play_alone(
    bundle: Bundle, backend: Backend, demonstrations: Sequence[Demonstration]
) -> np.ndarray:
    """Return the joints after steps on a model's own predictions, normalised, one row each."""
    span = (bundle.joint_maximum - bundle.joint_minimum) / (bundle.vmax - bundle.vmin)
    predictor, ends = Predictor(bundle, backend), []
    for one in demonstrations:
        predictor.reset()
        picture, joints = one.images[0], one.joints[0]
        for _ in range(STEPS_ALONE):
            joints = predictor.step(picture, joints).joints.copy()
            picture = predictor.predicted_image().copy()
        ends.append(joints / span)
    return np.array(ends)


def quantised(bundle: Bundle, graph: str, precision: str) -> int:
    """Return how many layers of an engine are in int8."""
    manifest, _ = EngineStore(bundle).load(graph, precision, this_machine())
    return 0 if manifest.int8 is None else len(manifest.int8.layers)


@pytest.mark.parametrize('model', MODELS)
def test_every_precision_keeps_to_its_budget_over_unseen_demonstrations(
    model, request, unseen: Path, measured
) -> None:
    bundle = load_bundle(SAMPLES / model)
    demonstrations = read_demonstrations(unseen, bundle)
    with contextlib.closing(load_backend(bundle, 'onnxruntime', threads=2)) as processor:
        reference, shown = play(bundle, processor, demonstrations)
        rested = play_alone(bundle, processor, demonstrations)
    measured(f'processor fp32: {len(reference.predicted)} frames, MSE {reference.mse:.4e}')
    gpu = request.getfixturevalue('gpu')  # only now: its engines may be built meanwhile
    bundle, rates, greys = gpu.bundle(model), {}, {}
    for precision in BUDGET:
        backend = gpu.backend(model, precision)
        layers = [quantised(bundle, graph, precision) for graph in ('motion', 'image')]
        found, images = play(bundle, backend, demonstrations)
        apart = np.abs(play_alone(bundle, backend, demonstrations) - rested).max(axis=1)
        rates[precision] = found.rate(reference)
        pairs = zip(images, shown, strict=True)
        greys[precision] = float(
            np.mean([np.abs(a.astype(np.int16) - b).mean() for a, b in pairs])
        )
        worst = float((found.per_joint / reference.per_joint).max())
        measured(
            f'GPU {precision}, int8 layers {layers[0]} + {layers[1]}: MSE {found.mse:.4e}, error '
            f'rate {rates[precision]:.5f}, worst joint {worst:.4f}, largest difference '
            f'{found.drift(reference):.1e}, after {STEPS_ALONE} steps alone {apart.mean():.1e} '
            f'({apart.max():.1e}), image {greys[precision]:.3f}'
        )
    for precision, budget in BUDGET.items():
        assert rates[precision] <= budget, precision
        assert greys[precision] <= DEFAULT_IMAGE_BUDGET, precision
