# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Puts explicit int8 into a bundle's graph: a QuantizeLinear and a DequantizeLinear before a layer.

What every version of TensorRT that knows explicit quantisation takes: symmetric (all zero points
are 0), one scale for an activation, weights in float before their quantiser, biases in float.
Weights have one scale per output channel; those of a transposed convolution have a single one,
because versions disagree on which of its axes is the channel.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from eipl_trt_ros.engines.int8_options import OPERATORS

_CHANNEL_AXIS = 0  # of the weight of a Conv, and of a Gemm with transB, as all of ours
_HIGHEST = 127
_SMALLEST_SCALE = float(np.finfo(np.float16).tiny)


def quantisable(model: onnx.ModelProto, operators: Collection[str] = OPERATORS) -> list[str]:
    """
    List the layers of a graph that int8 can be for.

    Args:
        model: a graph of a bundle.
        operators: some of `OPERATORS`.

    Returns:
        Names of nodes, in order.

    """
    weights = {entry.name for entry in model.graph.initializer}
    return [
        node.name
        for node in model.graph.node
        if node.op_type in operators and node.input[1] in weights
    ]


def inputs_of(model: onnx.ModelProto, nodes: Collection[str]) -> list[str]:
    """Name the values that layers take, each once: those whose ranges `quantize` needs."""
    names = (node.input[0] for node in model.graph.node if node.name in nodes)
    return list(dict.fromkeys(names))


def quantize(
    model: onnx.ModelProto, thresholds: Mapping[str, float], nodes: Sequence[str]
) -> onnx.ModelProto:
    """
    Let layers of a graph take int8.

    Args:
        model: a graph with its weights in it; it is not changed.
        thresholds: for each value from `inputs_of`, where int8 cuts it off.
        nodes: names of the layers, from `quantisable`.

    Returns:
        The rewritten graph; its inputs and outputs are those of before.

    """
    result = onnx.ModelProto()
    result.CopyFrom(model)
    weights = {entry.name: numpy_helper.to_array(entry) for entry in model.graph.initializer}
    written: list[onnx.NodeProto] = []
    constants: dict[str, onnx.TensorProto] = {}
    done: set[str] = set()
    for node in result.graph.node:
        if node.name in nodes:
            value, weight = node.input[:2]
            per_channel = node.op_type != 'ConvTranspose'
            largest = _largest(weights[weight], per_channel=per_channel)
            for index, name, highest in ((0, value, thresholds[value]), (1, weight, largest)):
                axis = _CHANNEL_AXIS if index == 1 and per_channel else None
                if name not in done:
                    done.add(name)
                    constants |= _constants(name, np.asarray(highest))
                    written += _pair(name, axis)
                node.input[index] = f'{name}/dequantized'
        written.append(node)
    del result.graph.node[:]
    result.graph.node.extend(written)
    result.graph.initializer.extend(constants.values())
    onnx.checker.check_model(result, full_check=True)
    return result


def _largest(weight: NDArray[np.float32], *, per_channel: bool) -> NDArray[np.float32]:
    magnitudes = np.abs(weight)
    if not per_channel:
        return magnitudes.max()
    return magnitudes.max(axis=tuple(range(1, weight.ndim)))


def scale_for(highest: NDArray[np.floating]) -> NDArray[np.float32]:
    """
    Return the scale with which int8 reaches a value.

    It is one that fp16 can hold, the next above, so that a graph in fp16 quantises with the very
    same scale.
    """
    wanted = np.maximum(highest / _HIGHEST, _SMALLEST_SCALE)
    near = wanted.astype(np.float16)
    above = np.nextafter(near, np.float16(np.inf))
    return np.where(near >= wanted, near, above).astype(np.float32)


def _constants(name: str, highest: NDArray[np.floating]) -> dict[str, onnx.TensorProto]:
    scale = scale_for(highest)
    zero = np.zeros(scale.shape, np.int8)
    tensors: dict[str, NDArray[Any]] = {f'{name}/scale': scale, f'{name}/zero': zero}
    return {key: numpy_helper.from_array(array, key) for key, array in tensors.items()}


def _pair(name: str, axis: int | None) -> Iterator[onnx.NodeProto]:
    attributes: dict[str, Any] = {} if axis is None else {'axis': axis}
    source = name
    for operator, result in (('QuantizeLinear', 'quantized'), ('DequantizeLinear', 'dequantized')):
        ends = [source, f'{name}/scale', f'{name}/zero']
        source = f'{name}/{result}'
        yield helper.make_node(operator, ends, [source], f'{name}/{operator}', **attributes)
