# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Which layers int8 may have: the harm that each does alone, and a budget for all together."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import onnx

from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.engines.accuracy import JointAccuracy, joint_accuracy
from eipl_trt_ros.engines.demonstrations import Demonstration
from eipl_trt_ros.engines.half import half_nodes, to_half
from eipl_trt_ros.engines.int8_options import DEFAULT_BUDGET, DEFAULT_IMAGE_BUDGET
from eipl_trt_ros.engines.int8_recipe import LayerShare
from eipl_trt_ros.engines.quantize import quantize
from eipl_trt_ros.engines.rollout import ExactSession, rollout

_EVERY = 8  # of the predicted images one in so many is compared

Tell = Callable[[str], None]
Found = TypeVar('Found')


@dataclass(frozen=True)
class Question:
    """
    What the layers of a graph are chosen by.

    Attributes:
        bundle: the model.
        model: its motion graph or its image graph, with its weights in it.
        thresholds: of the values that the candidates take.
        candidates: names of layers.
        demonstrations: to measure with.
        tell: called with what is measured next.

    """

    bundle: Bundle
    model: onnx.ModelProto
    thresholds: Mapping[str, float]
    candidates: Sequence[str]
    demonstrations: Sequence[Demonstration]
    tell: Tell = lambda _: None

    def mixed(self, layers: Collection[str]) -> onnx.ModelProto:
        """Return the graph with some layers in int8."""
        return mixed_precision(self.model, self.thresholds, layers)

    def each_alone(self, measure: Callable[[Sequence[str]], Found]) -> dict[str, Found]:
        """Measure each candidate alone."""
        found = {}
        for layer in self.candidates:
            self.tell(f'int8 in {layer} alone')
            found[layer] = measure([layer])
        return found


@dataclass(frozen=True)
class Selection:
    """
    The layers that run in int8, and what came out.

    Attributes:
        layers: names of the nodes, in the order of the graph.
        harm: with all of them in int8 and the rest in fp16: of a motion graph the error rate to
            expect (`JointAccuracy.expected_rate`), of an image graph grey levels.
        shares: what each candidate of a motion graph does alone, the most harmful first.

    """

    layers: tuple[str, ...]
    harm: float
    shares: tuple[LayerShare, ...] = ()


def mixed_precision(
    model: onnx.ModelProto, thresholds: Mapping[str, float], layers: Collection[str]
) -> onnx.ModelProto:
    """Rewrite a graph: some layers in int8, the other image layers in fp16, the rest in fp32."""
    quantized = quantize(model, thresholds, tuple(layers))
    return to_half(quantized, half_nodes(quantized))


def leave_out(
    candidates: Sequence[str],
    alone: Mapping[str, float],
    measure: Callable[[Sequence[str]], float],
    budget: float,
    tell: Tell,
) -> tuple[tuple[str, ...], float]:
    """
    Leave layers out, the most harmful first, until the harm of the rest is within a budget.

    Args:
        candidates: names of layers.
        alone: the harm that each does alone.
        measure: gives the harm of several.
        budget: highest harm.
        tell: called with what is measured next.

    Returns:
        What is left, none in the worst case, and its harm.

    """
    order = sorted(candidates, key=lambda layer: alone[layer], reverse=True)
    for count in range(len(order) + 1):
        layers = tuple(layer for layer in candidates if layer not in order[:count])
        tell(f'int8 in {len(layers)} of {len(candidates)} layers')
        harm = measure(layers)
        if harm <= budget:
            break
    return layers, harm


def select_layers(question: Question, *, budget: float = DEFAULT_BUDGET) -> Selection:
    """
    Choose the layers of a motion graph by what they do to the joints.

    Args:
        question: what to choose from, and by what.
        budget: highest joint error, as a multiple of fp32's.

    Raises:
        EngineError: a graph cannot be loaded.

    """
    bundle, demonstrations = question.bundle, question.demonstrations
    question.tell('the joint error of fp32')
    exact = joint_accuracy(bundle, demonstrations)

    def measure(layers: Sequence[str]) -> JointAccuracy:
        return joint_accuracy(bundle, demonstrations, question.mixed(layers))

    shares = [
        LayerShare(layer, found.rate(exact), found.deviation(exact))
        for layer, found in question.each_alone(measure).items()
    ]
    layers, rate = leave_out(
        question.candidates,
        {share.layer: share.deviation for share in shares},
        lambda layers: measure(layers).expected_rate(exact),
        budget,
        question.tell,
    )
    shares.sort(key=lambda share: share.deviation, reverse=True)
    return Selection(layers, rate, tuple(shares))


def select_image_layers(question: Question, *, budget: float = DEFAULT_IMAGE_BUDGET) -> Selection:
    """
    Choose the layers of an image graph by what they do to the predicted image.

    Args:
        question: what to choose from, and by what.
        budget: highest mean absolute difference from fp32's image, in grey levels (0 to 255).

    Raises:
        EngineError: a graph cannot be loaded.

    """
    question.tell('the predicted images of fp32')
    frames = rollout(question.bundle, question.demonstrations)
    steps = [step.image for step in frames if step.frame % _EVERY == 0]
    own = ExactSession(question.model)
    exact = [own.run(step)['predicted_image'].astype(np.int16) for step in steps]

    def measure(layers: Sequence[str]) -> float:
        session = ExactSession(question.mixed(layers))
        found = (session.run(step)['predicted_image'] for step in steps)
        pairs = zip(found, exact, strict=True)
        return float(np.mean([np.abs(one - other).mean() for one, other in pairs]))

    alone = question.each_alone(measure)
    return Selection(*leave_out(question.candidates, alone, measure, budget, question.tell))
