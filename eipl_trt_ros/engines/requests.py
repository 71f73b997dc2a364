# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What TensorRT is asked to build for a graph and a precision."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import onnx

from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.engines.calibrator import Batches
from eipl_trt_ros.engines.half import QUANTISERS, load_graph, runs_in_half
from eipl_trt_ros.engines.int8_recipe import GraphRecipe
from eipl_trt_ros.engines.manifest import Recipe
from eipl_trt_ros.engines.normalisation import spell_out_normalisation
from eipl_trt_ros.engines.quantize import quantisable
from eipl_trt_ros.engines.rewrite import half_graph, quantized_graph
from eipl_trt_ros.engines.tensorrt_api import BuildRequest, TensorRT


def asked_layers(bundle: Bundle, recipe: Recipe, int8: Collection[str] = ()) -> dict[str, str]:
    """
    Name the convolutions and linear layers that a lower precision than fp32 is asked for.

    Args:
        bundle: the model.
        recipe: of the engine.
        int8: the layers of the graph that shall run in int8.

    Returns:
        The precision by the name of the layer.

    """
    if recipe.precision == 'fp32':
        return {}
    model = load_graph(bundle.graph_path(recipe.graph, recipe.precision))
    half = [name for name in quantisable(model) if runs_in_half(name)]
    return {**dict.fromkeys(half, 'fp16'), **dict.fromkeys(int8, 'int8')}


def make_request(
    bundle: Bundle, recipe: Recipe, tensorrt: TensorRT, quantized: GraphRecipe | None = None
) -> BuildRequest:
    """
    Put together what TensorRT shall build.

    Where networks can be strongly typed, precision is in the graph; where they cannot, it is left
    to the builder, with the layers that need fp32 held to it.

    Args:
        bundle: the model.
        recipe: what to build.
        tensorrt: what will build it.
        quantized: which layers have int8, for that precision.

    Raises:
        EngineError: the graph cannot be read.

    """
    request = _plain(bundle, recipe, tensorrt)
    if recipe.precision == 'fp32':
        return request
    if tensorrt.features.strong_typing:
        model = half_graph(bundle, recipe.graph, quantized)
        return replace(request, graph=_whole(model))
    if quantized is None:
        return replace(request, half=True, keep_fp32=_delicate)
    free = frozenset(quantized.layers)
    model = quantized_graph(bundle, quantized)
    return replace(
        request,
        graph=_whole(model if tensorrt.features.normalisation else spell_out_normalisation(model)),
        half=True,
        int8=True,
        keep_fp32=lambda name: _delicate(name) and not (name in free or name.endswith(QUANTISERS)),
    )


def calibrated_request(
    bundle: Bundle, recipe: Recipe, tensorrt: TensorRT, batches: Batches
) -> BuildRequest:
    """
    Put together a build in which TensorRT finds int8's ranges and layers itself.

    Only in the image's encoders and decoders: soft-argmax, layer normalisation, the LSTM and what
    reads joints and points off it are held to fp32.
    """
    request = _plain(bundle, recipe, tensorrt)
    return replace(request, half=True, int8=True, keep_fp32=_delicate, calibration=batches)


def _plain(bundle: Bundle, recipe: Recipe, tensorrt: TensorRT) -> BuildRequest:
    title = f'{bundle.path}: {recipe.graph} {recipe.precision}'
    path = bundle.graph_path(recipe.graph, recipe.precision)
    if tensorrt.features.normalisation:
        return BuildRequest(title, path, tf32=recipe.tf32)
    return BuildRequest(title, _whole(spell_out_normalisation(load_graph(path))), recipe.tf32)


def _whole(model: onnx.ModelProto) -> bytes:
    return model.SerializeToString(deterministic=True)


def _delicate(name: str) -> bool:
    return not runs_in_half(name)
