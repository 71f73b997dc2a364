# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Ranges, quantised graphs, and which layers may have int8."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from builders import SPECS, make_pictures, write_random_bundle
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.engines.accuracy import JointAccuracy, joint_accuracy
from eipl_trt_ros.engines.demonstrations import Demonstration
from eipl_trt_ros.engines.half import half_nodes, load_graph, to_half
from eipl_trt_ros.engines.int8_options import METHODS, OPERATORS, Int8Options
from eipl_trt_ros.engines.quantize import inputs_of, quantisable, quantize, scale_for
from eipl_trt_ros.engines.ranges import BINS, Magnitudes, entropy_bins, measure_ranges
from eipl_trt_ros.engines.rollout import ExactSession, rollout
from eipl_trt_ros.engines.sensitivity import (
    Question,
    leave_out,
    select_image_layers,
    select_layers,
)
from eipl_trt_ros.errors import EngineError
from eipl_trt_ros.spec import GRAPHS

MODELS = ('sarnn', 'cnnrnn', 'cnnrnnln')
numbers = st.floats(-1e4, 1e4, width=32)


def demonstration(bundle: Bundle, frames: int = 4) -> Demonstration:
    model = bundle.model
    joints = np.linspace(bundle.joint_minimum, bundle.joint_maximum, frames).astype(np.float32)
    return Demonstration(make_pictures(frames, model.image_height, model.image_width), joints)


def quantized(bundle: Bundle, graph: str) -> onnx.ModelProto:
    model = load_graph(bundle.graph_path(graph, 'int8'))
    nodes = quantisable(model)
    ranges = measure_ranges(bundle, graph, [demonstration(bundle)], inputs_of(model, nodes))
    return quantize(
        model, {name: seen.threshold('minmax') for name, seen in ranges.items()}, nodes
    )


@example([np.array([1e-45], np.float32)])
@settings(deadline=None)  # a loaded machine is no bug
@given(st.lists(arrays(np.float32, st.integers(0, 50), elements=numbers), max_size=8))
def test_a_histogram_counts_every_value_that_is_not_zero(batches: list[NDArray]) -> None:
    seen = Magnitudes()
    for batch in batches:
        seen.add(batch)
    values = np.abs(np.concatenate([*batches, np.zeros(0, np.float32)]))
    values = values[values > 0].astype(np.float64)
    assert seen.counts.sum() == values.size
    assert seen.highest == values.max(initial=0)
    if values.size:
        wanted = np.cumsum(np.histogram(values, BINS, (0, seen.limit))[0])
        found = np.cumsum(seen.counts)
        # A value at the very edge of a bin may fall to either side.
        assert (found[1:] >= wanted[:-1]).all()
        assert (found[:-1] <= wanted[1:]).all()
        assert seen.highest <= seen.limit
        assert seen.threshold('minmax') == seen.highest
        for method in METHODS:
            assert 0 < seen.threshold(method) <= seen.highest


@settings(deadline=None)  # a loaded machine is no bug
@given(st.integers(0, 10))
def test_growing_a_histogram_is_like_knowing_its_range_from_the_start(seed: int) -> None:
    values = np.random.default_rng(seed).exponential(1.0, 2000).astype(np.float32)
    grown, known = Magnitudes(), Magnitudes()
    grown.add(values[:1])
    known.limit = grown.limit
    while known.limit < values.max():
        known.limit *= 2
    for magnitudes in (grown, known):
        magnitudes.add(values[1:])
    known.add(values[:1])
    assert grown.limit == known.limit
    assert np.abs(np.cumsum(grown.counts) - np.cumsum(known.counts)).max() <= 2


def test_percentile_and_entropy_cut_off_a_rare_far_value_and_minmax_does_not() -> None:
    seen = Magnitudes()
    seen.add(np.random.default_rng(0).standard_normal(200_000).astype(np.float32))
    seen.add(np.array([100.0], np.float32))
    assert seen.threshold('minmax') == 100.0
    assert 3.0 < seen.threshold('percentile') < 5.0
    assert 1.0 < seen.threshold('entropy') < 10.0


def test_entropy_keeps_a_range_that_is_evenly_used() -> None:
    assert entropy_bins(np.full(BINS, 1000)) > 0.95 * BINS


def test_a_value_that_is_always_zero_has_a_range_of_zero_and_can_be_quantised() -> None:
    seen = Magnitudes()
    seen.add(np.zeros(5, np.float32))
    assert [seen.threshold(method) for method in METHODS] == [0.0] * 3
    assert scale_for(np.asarray(0.0)) > 0


@settings(deadline=None)  # a loaded machine is no bug
@given(arrays(np.float32, 5, elements=st.floats(0, 1e4, width=32)))
def test_a_scale_reaches_the_highest_value_and_is_one_that_fp16_holds(
    highest: NDArray[np.float32],
) -> None:
    scale = scale_for(highest)
    assert (scale * 127 >= highest * (1 - 1e-6)).all()
    assert (scale.astype(np.float16).astype(np.float32) == scale).all()
    normal = highest / 127 > np.finfo(np.float16).tiny
    assert (scale[normal] <= highest[normal] / 127 * (1 + 2e-3)).all()


@pytest.mark.parametrize('graph', GRAPHS)
@pytest.mark.parametrize('model', MODELS)
def test_quantisers_are_what_every_tensorrt_takes(
    bundle_of: Callable[[str], Bundle], model: str, graph: str
) -> None:
    result = quantized(bundle_of(model), graph)
    constants = {entry.name: entry for entry in result.graph.initializer}
    layers = {}
    for node in result.graph.node:
        if node.op_type in ('QuantizeLinear', 'DequantizeLinear'):
            scale, zero = (numpy_helper.to_array(constants[name]) for name in node.input[1:])
            assert constants[node.input[2]].data_type == TensorProto.INT8
            assert not zero.any()
            per_channel = scale.ndim == 1
            assert per_channel == any(entry.name == 'axis' for entry in node.attribute)
            layers[node.output[0]] = (node.input[0], per_channel)
        if node.op_type in OPERATORS:
            activation, weight, bias = node.input
            assert bias in constants  # in float, without quantiser
            assert constants[bias].data_type == TensorProto.FLOAT
            assert not layers[activation][1]
            source, per_channel = layers[layers[weight][0]]
            assert source in constants
            assert per_channel == (node.op_type != 'ConvTranspose')
    assert layers


@pytest.mark.parametrize('graph', GRAPHS)
@pytest.mark.parametrize('model', MODELS)
def test_int8_and_fp16_go_together(
    bundle_of: Callable[[str], Bundle], model: str, graph: str
) -> None:
    result = quantized(bundle_of(model), graph)
    half = to_half(result, half_nodes(result))
    types = {entry.name: entry.data_type for entry in half.graph.initializer}
    readers = {value: node for node in half.graph.node for value in node.input}
    kinds: dict[bool, set[int]] = {True: set(), False: set()}
    for node in half.graph.node:
        if node.op_type == 'QuantizeLinear':
            layer = readers[readers[node.output[0]].output[0]]
            kinds[layer.op_type == 'Gemm'].add(types[node.input[1]])
    assert kinds[False] == {TensorProto.FLOAT16}
    assert kinds[True] <= {TensorProto.FLOAT}  # which TensorRT-RTX wants to sum rightly
    assert half.opset_import[0].version == 19


@pytest.mark.parametrize('model', MODELS)
def test_a_quantised_model_predicts_almost_the_same_joints(
    bundle_of: Callable[[str], Bundle], model: str
) -> None:
    bundle = bundle_of(model)
    data = [demonstration(bundle)]
    exact = joint_accuracy(bundle, data)
    result = quantized(bundle, 'motion')
    int8 = joint_accuracy(bundle, data, result)
    mixed = joint_accuracy(bundle, data, to_half(result, half_nodes(result)))
    tolerance = 0.2 if model == 'sarnn' else 0.02  # random weights make flat attention maps
    assert 0 < int8.drift(exact) < tolerance
    assert 0 < mixed.drift(exact) < tolerance
    assert int8.rate(exact) == pytest.approx(int8.mse / exact.mse)


def test_a_quantised_graph_gives_what_the_formula_gives(
    bundle_of: Callable[[str], Bundle],
) -> None:
    """One Gemm alone: y = s_x round(x / s_x) (s_w round(w / s_w))^T + b."""
    bundle = bundle_of('cnnrnn')
    model = load_graph(bundle.graph_path('motion', 'int8'))
    layer = 'encoder_image/linear2'
    data = [demonstration(bundle, 2)]
    (value,) = inputs_of(model, [layer])
    threshold = measure_ranges(bundle, 'motion', data, [value])[value].threshold('minmax')
    weights = {e.name: numpy_helper.to_array(e) for e in model.graph.initializer}
    (node,) = (node for node in model.graph.node if node.name == layer)
    weight, bias = (weights[name] for name in node.input[1:])
    for name, size in zip((value, layer), reversed(weight.shape), strict=True):
        model.graph.output.append(
            helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, size])
        )
    session = ExactSession(quantize(model, {value: threshold}, [layer]))
    scale, channel = scale_for(np.asarray(threshold)), scale_for(np.abs(weight).max(axis=1))
    rounded = np.round(weight / channel[:, None]) * channel[:, None]
    for step in rollout(bundle, data):
        found = session.run(step.motion)
        taken = np.round(found[value] / scale) * scale
        np.testing.assert_allclose(found[layer], taken @ rounded.T + bias, atol=1e-6)


def test_layers_are_left_out_until_the_error_is_within_the_budget(tmp_path: Path) -> None:
    features = SPECS['cnnrnn'].feat_dim

    def watchful(weights: dict[str, NDArray[np.float32]]) -> None:
        """Let the joints depend on what is seen."""
        weights['rec.weight_ih'][:, :features] *= 20
        weights['decoder_joint.0.weight'] *= 3

    bundle = write_random_bundle(tmp_path, SPECS['cnnrnn'], change=watchful)
    model = load_graph(bundle.graph_path('motion', 'int8'))
    candidates = quantisable(model)
    data = [demonstration(bundle, 5)]
    ranges = measure_ranges(bundle, 'motion', data, inputs_of(model, candidates))
    thresholds = {name: seen.threshold('minmax') for name, seen in ranges.items()}
    (value,) = inputs_of(model, ['encoder_image/linear2'])
    thresholds[value] = 1e-3  # cuts off nearly all of what there is of the image
    said: list[str] = []
    question = Question(bundle, model, thresholds, candidates, data, said.append)
    chosen = select_layers(question)
    assert chosen.harm <= 1.02
    assert chosen.shares[0].layer == 'encoder_image/linear2'
    assert 'encoder_image/linear2' not in chosen.layers
    assert len(chosen.layers) >= len(candidates) - 3
    assert len(said) > len(candidates)
    free = select_layers(question, budget=1e6)
    assert free.layers == tuple(candidates)


def test_layers_of_the_image_graph_are_left_out_until_the_image_is_near_enough(
    bundle: Bundle,
) -> None:
    model = load_graph(bundle.graph_path('image', 'int8'))
    candidates = quantisable(model)
    data = [demonstration(bundle, 9)]
    ranges = measure_ranges(bundle, 'image', data, inputs_of(model, candidates))
    thresholds = {name: seen.threshold('minmax') for name, seen in ranges.items()}
    value = next(node.input[0] for node in model.graph.node if node.name == candidates[-1])
    thresholds[value] /= 1e3
    question = Question(bundle, model, thresholds, candidates, data)
    near = select_image_layers(question)
    assert near.harm <= 1.0
    assert candidates[-1] not in near.layers
    assert select_image_layers(question, budget=255.0).layers == tuple(candidates)


@settings(deadline=None)  # a loaded machine is no bug
@given(st.dictionaries(st.text(min_size=1), st.floats(0, 10), max_size=6), st.floats(0, 20))
def test_leaving_out_stops_at_the_first_that_fits(alone: dict[str, float], budget: float) -> None:
    layers, harm = leave_out(
        list(alone), alone, lambda names: sum(alone[name] for name in names), budget, len
    )
    assert harm == sum(alone[name] for name in layers) <= budget
    left = [name for name in alone if name not in layers]
    assert all(alone[one] >= alone[other] for one in left for other in layers)
    if left:
        least = min(alone[name] for name in left)
        assert harm + least > budget


def test_an_error_that_cancels_out_by_chance_is_expected_elsewhere() -> None:
    predicted = np.zeros((4, 1))
    exact = JointAccuracy(0.25, np.array([0.25]), predicted)
    lucky = JointAccuracy(0.16, np.array([0.16]), predicted + 0.1)
    assert lucky.rate(exact) == pytest.approx(0.64)
    assert lucky.expected_rate(exact) == pytest.approx(1.04)


@pytest.mark.parametrize(
    ('options', 'reason'),
    [
        ({'method': 'guess'}, 'percentile, entropy, minmax'),
        ({'operators': ('Add',)}, 'Conv, ConvTranspose, Gemm'),
        ({'operators': ()}, 'Conv, ConvTranspose, Gemm'),
        ({'budget': 0.5}, '1 or more'),
        ({'budget': float('nan')}, '1 or more'),
        ({'image_budget': -1.0}, '0 grey levels or more'),
    ],
)
def test_an_option_that_makes_no_sense_is_refused(options: dict, reason: str) -> None:
    with pytest.raises(EngineError, match=reason):
        Int8Options(**({'demonstrations': (Path('d'),)} | options))
