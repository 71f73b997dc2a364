# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The graphs of a bundle in another precision than fp32."""

from __future__ import annotations

import onnx

from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.engines.half import emulate_half, half_nodes, load_graph, to_half
from eipl_trt_ros.engines.int8_recipe import GraphRecipe, read_recipe
from eipl_trt_ros.engines.quantize import quantize


def quantized_graph(bundle: Bundle, recipe: GraphRecipe) -> onnx.ModelProto:
    """Give a graph with int8 in the layers of a recipe, and fp32 in all others."""
    model = load_graph(bundle.graph_path(recipe.graph, 'int8'))
    return quantize(model, recipe.highest, recipe.layers)


def half_graph(bundle: Bundle, graph: str, int8: GraphRecipe | None = None) -> onnx.ModelProto:
    """
    Give the graph that a strongly typed engine is built from.

    Args:
        bundle: the model.
        graph: one of its graphs.
        int8: which of its layers are int8; none for fp16.

    Raises:
        EngineError: the graph cannot be read.

    """
    if int8 is None:
        model = load_graph(bundle.graph_path(graph, 'fp16'))
    else:
        model = quantized_graph(bundle, int8)
    return to_half(model, half_nodes(model))


def exact_graph(bundle: Bundle, graph: str, precision: str) -> bytes:
    """
    Give a graph that computes a precision's arithmetic on any processor.

    It must run as it is written, with the runtime's graph optimisation off.

    Args:
        bundle: the model.
        graph: one of its graphs.
        precision: ``fp16`` or ``int8``.

    Returns:
        A whole ONNX model, weights included, that takes and gives what the graph does.

    Raises:
        EngineError: the graph cannot be read, or int8 is asked for and the bundle has no recipe.

    """
    int8 = read_recipe(bundle).of(bundle, graph) if precision == 'int8' else None
    return emulate_half(half_graph(bundle, graph, int8)).SerializeToString()
