# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Finds out by trying which layers an installed TensorRT can build in int8."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from eipl_trt_ros.engines.int8_options import OPERATORS
from eipl_trt_ros.engines.quantize import quantize
from eipl_trt_ros.engines.tensorrt_api import BuildRequest, TensorRT
from eipl_trt_ros.errors import EngineError

_CHANNELS = 32  # kernels for int8 want channels in fours, or in 32s


def int8_operators(tensorrt: TensorRT) -> list[str]:
    """List those of `OPERATORS` that a TensorRT builds in int8, by building one layer of each."""
    return [operator for operator in OPERATORS if _builds(tensorrt, operator)]


def _builds(tensorrt: TensorRT, operator: str) -> bool:
    model = quantize(_one_layer(operator), {'x': 1.0}, ['layer'])
    weak = not tensorrt.features.strong_typing
    request = BuildRequest(f'int8 {operator}', model.SerializeToString(), int8=weak)
    try:
        tensorrt.build(request)
    except EngineError:
        return False
    return True


def _one_layer(operator: str) -> onnx.ModelProto:
    vector = operator == 'Gemm'
    shape = [1, _CHANNELS] if vector else [1, _CHANNELS, 8, 8]
    kernel = [_CHANNELS, _CHANNELS] if vector else [_CHANNELS, _CHANNELS, 3, 3]
    attributes = {'transB': 1} if vector else {'pads': [1, 1, 1, 1]}
    weights = {'w': np.full(kernel, 0.01, np.float32), 'b': np.zeros(_CHANNELS, np.float32)}
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in 'xy']
    graph = helper.make_graph(
        [helper.make_node(operator, ['x', 'w', 'b'], ['y'], 'layer', **attributes)],
        operator,
        ends[:1],
        ends[1:],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    opset = [helper.make_opsetid('', 17)]
    return helper.make_model(graph, ir_version=8, opset_imports=opset)
