# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Which layers int8 may have: the harm that each does alone, and a budget for all together."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

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


def select_layers(
    bundle: Bundle,
    model: onnx.ModelProto,
    thresholds: Mapping[str, float],
    candidates: Sequence[str],
    demonstrations: Sequence[Demonstration],
    *,
    budget: float = DEFAULT_BUDGET,
    progress: Tell | None = None,
) -> Selection:
    """
    Choose the layers of a motion graph by what they do to the joints.

    Args:
        bundle: the model.
        model: its motion graph, with its weights in it.
        thresholds: of the values that the candidates take.
        candidates: names of layers.
        demonstrations: to measure with.
        budget: highest joint error, as a multiple of fp32's.
        progress: called with what is measured next.

    Raises:
        EngineError: a graph cannot be loaded.

    """
    tell = progress or (lambda _: None)
    tell('the joint error of fp32')
    exact = joint_accuracy(bundle, demonstrations)

    def measure(layers: Sequence[str]) -> JointAccuracy:
        return joint_accuracy(bundle, demonstrations, mixed_precision(model, thresholds, layers))

    shares = []
    for layer in candidates:
        tell(f'int8 in {layer} alone')
        found = measure([layer])
        shares.append(LayerShare(layer, found.rate(exact), found.deviation(exact)))
    layers, rate = leave_out(
        candidates,
        {share.layer: share.deviation for share in shares},
        lambda layers: measure(layers).expected_rate(exact),
        budget,
        tell,
    )
    shares.sort(key=lambda share: share.deviation, reverse=True)
    return Selection(layers, rate, tuple(shares))


def select_image_layers(
    bundle: Bundle,
    model: onnx.ModelProto,
    thresholds: Mapping[str, float],
    candidates: Sequence[str],
    demonstrations: Sequence[Demonstration],
    *,
    budget: float = DEFAULT_IMAGE_BUDGET,
    progress: Tell | None = None,
) -> Selection:
    """
    Choose the layers of an image graph by what they do to the predicted image.

    Args:
        bundle: the model.
        model: its image graph, with its weights in it.
        thresholds: of the values that the candidates take.
        candidates: names of layers.
        demonstrations: to measure with.
        budget: highest mean absolute difference from fp32's image, in grey levels (0 to 255).
        progress: called with what is measured next.

    Raises:
        EngineError: a graph cannot be loaded.

    """
    tell = progress or (lambda _: None)
    tell('the predicted images of fp32')
    steps = [step.image for step in rollout(bundle, demonstrations) if step.frame % _EVERY == 0]
    own = ExactSession(model)
    exact = [own.run(step)['predicted_image'].astype(np.int16) for step in steps]

    def measure(layers: Sequence[str]) -> float:
        session = ExactSession(mixed_precision(model, thresholds, layers))
        found = (session.run(step)['predicted_image'] for step in steps)
        pairs = zip(found, exact, strict=True)
        return float(np.mean([np.abs(one - other).mean() for one, other in pairs]))

    alone = {}
    for layer in candidates:
        tell(f'int8 in {layer} alone')
        alone[layer] = measure([layer])
    return Selection(*leave_out(candidates, alone, measure, budget, tell))
