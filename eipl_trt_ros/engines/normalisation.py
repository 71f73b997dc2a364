# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Writes layer normalisation as sums and products, for a TensorRT that has no such layer (8.5).

Its parser refuses the operator LayerNormalization of opset 17; those below it knows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import onnx
from onnx import TensorProto, helper

_OPERATOR = 'LayerNormalization'


def spell_out_normalisation(model: onnx.ModelProto) -> onnx.ModelProto:
    """
    Put (x - mean) / sqrt(variance + epsilon) * scale + bias in the place of each normalisation.

    Args:
        model: a graph of a bundle, opset 17; it is not changed.

    Returns:
        The rewritten graph; the new nodes bear the old name with a part of their own behind it.

    """
    result = onnx.ModelProto()
    result.CopyFrom(model)
    dimensions = {entry.name: len(entry.dims) for entry in model.graph.initializer}
    nodes: list[onnx.NodeProto] = []
    for node in model.graph.node:
        if node.op_type != _OPERATOR:
            nodes.append(node)
            continue
        (epsilon,) = (entry.f for entry in node.attribute if entry.name == 'epsilon')
        result.graph.initializer.append(
            helper.make_tensor(f'{node.name}/epsilon', TensorProto.FLOAT, [], [epsilon])
        )
        nodes += _steps(node, dimensions[node.input[1]])
    del result.graph.node[:]
    result.graph.node.extend(nodes)
    onnx.checker.check_model(result, full_check=True)
    return result


def _steps(node: onnx.NodeProto, dimensions: int) -> Iterator[onnx.NodeProto]:
    """Yield the steps; the scale has as many dimensions as are normalised, the last ones."""
    name, (value, scale, bias) = node.name, node.input
    mean: dict[str, Any] = {'axes': list(range(-dimensions, 0)), 'keepdims': 1}

    def step(operator: str, result: str, *inputs: str, **attributes: Any) -> onnx.NodeProto:
        return helper.make_node(operator, inputs, [result], f'{result}/step', **attributes)

    yield step('ReduceMean', f'{name}/mean', value, **mean)
    yield step('Sub', f'{name}/centred', value, f'{name}/mean')
    yield step('Mul', f'{name}/squares', f'{name}/centred', f'{name}/centred')
    yield step('ReduceMean', f'{name}/variance', f'{name}/squares', **mean)
    yield step('Add', f'{name}/safe', f'{name}/variance', f'{name}/epsilon')
    yield step('Sqrt', f'{name}/deviation', f'{name}/safe')
    yield step('Div', f'{name}/normal', f'{name}/centred', f'{name}/deviation')
    yield step('Mul', f'{name}/scaled', f'{name}/normal', scale)
    yield helper.make_node('Add', [f'{name}/scaled', bias], node.output, f'{name}/shifted/step')
