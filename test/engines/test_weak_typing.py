# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
What is asked of a TensorRT that knows no strong typing (8.5, 8.6).

No such version can be installed here, so these tests go as far as the calls into it.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import onnx
import pytest

from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.engines.half import half_nodes, load_graph
from eipl_trt_ros.engines.int8_recipe import GraphRecipe, Threshold
from eipl_trt_ros.engines.machine import Machine
from eipl_trt_ros.engines.manifest import make_recipe
from eipl_trt_ros.engines.quantize import inputs_of, quantisable
from eipl_trt_ros.engines.requests import make_request
from eipl_trt_ros.engines.rewrite import quantized_graph
from eipl_trt_ros.engines.tensorrt_api import TensorRT

OLD = Machine('TensorRT', '8.5.2')
WEAK: Any = SimpleNamespace(features=SimpleNamespace(strong_typing=False, normalisation=True))
OLDEST: Any = SimpleNamespace(features=SimpleNamespace(strong_typing=False, normalisation=False))


def names(model: onnx.ModelProto) -> set[str]:
    return {node.name for node in model.graph.node}


@pytest.mark.parametrize('model', ['sarnn', 'cnnrnn', 'cnnrnnln'])
def test_fp16_is_a_flag_with_the_delicate_layers_held_to_fp32(
    bundle_of: Callable[[str], Bundle], model: str
) -> None:
    bundle = bundle_of(model)
    graph = load_graph(bundle.graph_path('motion', 'fp16'))
    request = make_request(bundle, make_recipe(bundle, 'motion', 'fp16', OLD), WEAK)
    assert request.graph == bundle.graph_path('motion', 'fp16')
    assert request.half
    assert not request.int8
    assert request.keep_fp32 is not None
    held = {name for name in names(graph) if request.keep_fp32(name)}
    assert held == names(graph) - half_nodes(graph)


def test_int8_is_explicit_there_too_and_quantised_layers_are_not_held(bundle: Bundle) -> None:
    graph = load_graph(bundle.graph_path('motion', 'int8'))
    layers = tuple(quantisable(graph))
    thresholds = tuple(Threshold(value, 1.0) for value in inputs_of(graph, layers))
    int8 = GraphRecipe('motion', 'a', layers, len(layers), thresholds)
    request = make_request(
        bundle,
        make_recipe(bundle, 'motion', 'int8', OLD),
        WEAK,
        int8,
    )
    assert request.half
    assert request.int8
    assert isinstance(request.graph, bytes)
    assert onnx.load_from_string(request.graph).opset_import[0].version == 17
    assert request.keep_fp32 is not None
    held = {name for name in names(quantized_graph(bundle, int8)) if request.keep_fp32(name)}
    assert 'lstm/cell' in held
    assert not held & set(layers)
    assert not any(name.endswith('QuantizeLinear') for name in held)


@pytest.mark.parametrize('precision', ['fp32', 'fp16', 'int8'])
def test_8_5_gets_no_layer_normalisation_to_read(
    bundle_of: Callable[[str], Bundle], precision: str
) -> None:
    bundle = bundle_of('cnnrnnln')
    layers = ('encoder_image/conv1',)
    int8 = GraphRecipe('motion', 'a', layers, 1, (Threshold('encoder_image/conv1/channels', 1.0),))
    request = make_request(
        bundle,
        make_recipe(bundle, 'motion', precision, OLD),
        OLDEST,
        int8 if precision == 'int8' else None,
    )
    assert isinstance(request.graph, bytes)
    model = onnx.load_from_string(request.graph)
    assert 'LayerNormalization' not in {node.op_type for node in model.graph.node}
    if request.keep_fp32 is not None:
        steps = {name for name in names(model) if '_norm/' in name}
        assert steps
        assert all(request.keep_fp32(name) for name in steps)


def test_fp32_asks_for_nothing(bundle: Bundle) -> None:
    request = make_request(bundle, make_recipe(bundle, 'motion', 'fp32', OLD), WEAK)
    assert not request.half
    assert not request.int8
    assert request.keep_fp32 is None


class Layer:
    """A layer as TensorRT 8 gives it; its precision may be set, its type asked."""

    def __init__(self, name: str, kind: str, *dtypes: str) -> None:
        self.name, self.type, self.num_outputs = name, kind, len(dtypes)
        self.precision: str | None = None
        self.types: dict[int, str] = {}
        self._dtypes = dtypes

    def get_output(self, index: int) -> SimpleNamespace:
        return SimpleNamespace(dtype=self._dtypes[index])

    def set_output_type(self, index: int, dtype: str) -> None:
        self.types[index] = dtype


def test_only_layers_that_compute_floats_are_held() -> None:
    layers = [
        Layer('lstm/cell', 'ELEMENTWISE', 'fp32'),
        Layer('lstm/split', 'SLICE', 'fp32', 'fp32'),
        Layer('conv', 'CONVOLUTION', 'fp32'),
        Layer('lstm/shape', 'SHAPE', 'int32'),
        Layer('lstm/weight', 'CONSTANT', 'fp32'),
    ]
    network = SimpleNamespace(num_layers=len(layers), get_layer=lambda index: layers[index])
    module = SimpleNamespace(float32='fp32', LayerType=SimpleNamespace(CONSTANT='CONSTANT'))
    adapter: Any = SimpleNamespace(_trt=module)
    TensorRT._hold_layers(adapter, network, lambda name: name.startswith('lstm/'))
    assert [layer.precision for layer in layers] == ['fp32', 'fp32', None, None, None]
    assert [len(layer.types) for layer in layers] == [1, 2, 0, 0, 0]
