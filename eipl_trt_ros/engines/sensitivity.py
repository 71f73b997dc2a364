# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Which layers int8 may have: each layer's share of the joint error, and a budget for all."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import onnx

from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.engines.accuracy import JointAccuracy, joint_accuracy
from eipl_trt_ros.engines.demonstrations import Demonstration
from eipl_trt_ros.engines.half import half_nodes, to_half
from eipl_trt_ros.engines.int8_options import DEFAULT_BUDGET
from eipl_trt_ros.engines.manifest import LayerShare
from eipl_trt_ros.engines.quantize import quantize


@dataclass(frozen=True)
class Selection:
    """
    The layers that run in int8, and what came out.

    Attributes:
        layers: names of the nodes, in the order of the graph.
        rate: joint error with all of them in int8 and the rest in fp16, over that of fp32.
        shares: each candidate's own share, the most harmful first.

    """

    layers: tuple[str, ...]
    rate: float
    shares: tuple[LayerShare, ...]


def mixed_precision(
    model: onnx.ModelProto, thresholds: Mapping[str, float], layers: Collection[str]
) -> onnx.ModelProto:
    """Rewrite a graph: some layers in int8, the other image layers in fp16, the rest in fp32."""
    quantized = quantize(model, thresholds, tuple(layers))
    return to_half(quantized, half_nodes(quantized))


def select_layers(
    bundle: Bundle,
    model: onnx.ModelProto,
    thresholds: Mapping[str, float],
    candidates: Sequence[str],
    demonstrations: Sequence[Demonstration],
    *,
    budget: float = DEFAULT_BUDGET,
    progress: Callable[[str], None] | None = None,
) -> Selection:
    """
    Leave layers out of int8 until the joint error is within a budget.

    Layers are ordered by what each does alone to the joints; the most harmful go first. How far
    the joints move is a steadier measure for that order than the error itself, in which a harm
    may cancel out by chance; the budget is on the error.

    Args:
        bundle: the model.
        model: its motion graph, with its weights in it.
        thresholds: of the values that the candidates take.
        candidates: names of layers.
        demonstrations: to measure with.
        budget: highest joint error, as a multiple of fp32's.
        progress: called with what is measured next.

    Returns:
        The selection; no layers where fp16 alone is beyond the budget.

    Raises:
        EngineError: a graph cannot be loaded.

    """
    tell = progress or (lambda _: None)
    tell('the error of fp32')
    exact = joint_accuracy(bundle, demonstrations)

    def measure(layers: Sequence[str]) -> JointAccuracy:
        return joint_accuracy(bundle, demonstrations, mixed_precision(model, thresholds, layers))

    shares = []
    for layer in candidates:
        tell(f'the error of int8 in {layer}')
        found = measure([layer])
        deviation = float(((found.predicted - exact.predicted) ** 2).mean())
        shares.append(LayerShare(layer, found.rate(exact), deviation))
    shares.sort(key=lambda share: share.deviation, reverse=True)
    dropped: set[str] = set()
    rate = float('inf')
    for share in (None, *shares):
        if share is not None:
            dropped.add(share.layer)
        layers = [layer for layer in candidates if layer not in dropped]
        tell(f'the error of int8 in {len(layers)} of {len(candidates)} layers')
        rate = measure(layers).rate(exact)
        if rate <= budget:
            break
    return Selection(tuple(layers), rate, tuple(shares))
