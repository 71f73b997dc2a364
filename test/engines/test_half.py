# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Graphs rewritten to fp16: what stays, what changes, and why some layers must not."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

import numpy as np
import onnx
import pytest
from builders import SPECS, make_pictures, write_random_bundle
from numpy.typing import NDArray
from onnx import TensorProto

from eipl_trt_ros.bundle import Bundle, write_bundle
from eipl_trt_ros.engines.demonstrations import Demonstration
from eipl_trt_ros.engines.half import half_nodes, load_graph, to_half
from eipl_trt_ros.engines.normalisation import spell_out_normalisation
from eipl_trt_ros.engines.rewrite import half_graph
from eipl_trt_ros.engines.rollout import ExactSession, Step, rollout
from eipl_trt_ros.errors import EngineError
from eipl_trt_ros.spec import GRAPHS

MODELS = ('sarnn', 'cnnrnn', 'cnnrnnln')


def demonstration(bundle: Bundle, frames: int = 6) -> Demonstration:
    model = bundle.model
    joints = np.linspace(bundle.joint_minimum, bundle.joint_maximum, frames).astype(np.float32)
    return Demonstration(make_pictures(frames, model.image_height, model.image_width), joints)


def halved(bundle: Bundle, graph: str, nodes: Collection[str] | None = None) -> onnx.ModelProto:
    model = load_graph(bundle.graph_path(graph, 'fp16'))
    return to_half(model, half_nodes(model) if nodes is None else nodes)


def everything(bundle: Bundle, graph: str) -> set[str]:
    """Name all nodes but those that turn grey levels into floats."""
    nodes = load_graph(bundle.graph_path(graph, 'fp16')).graph.node
    return {node.name for node in nodes if node.op_type != 'Cast'}


def types_inside(model: onnx.ModelProto) -> dict[str, int]:
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    values = [*inferred.input, *inferred.output, *inferred.value_info]
    found = {value.name: value.type.tensor_type.elem_type for value in values}
    return found | {entry.name: entry.data_type for entry in inferred.initializer}


def ends(model: onnx.ModelProto) -> list[tuple[str, int]]:
    values = [*model.graph.input, *model.graph.output]
    return [(value.name, value.type.tensor_type.elem_type) for value in values]


@pytest.mark.parametrize('graph', GRAPHS)
@pytest.mark.parametrize('model', MODELS)
def test_a_graph_takes_and_gives_the_same_types_as_before(
    bundle_of: Callable[[str], Bundle], model: str, graph: str
) -> None:
    bundle = bundle_of(model)
    before = load_graph(bundle.graph_path(graph, 'fp16'))
    assert ends(halved(bundle, graph)) == ends(before)
    assert ends(halved(bundle, graph, everything(bundle, graph))) == ends(before)


@pytest.mark.parametrize('graph', GRAPHS)
@pytest.mark.parametrize('model', MODELS)
def test_convolutions_run_in_fp16_and_what_is_delicate_in_fp32(
    bundle_of: Callable[[str], Bundle], model: str, graph: str
) -> None:
    rewritten = halved(bundle_of(model), graph)
    types = types_inside(rewritten)
    seen = set()
    for node in rewritten.graph.node:
        if node.op_type in ('Conv', 'ConvTranspose'):
            assert {types[value] for value in node.input} == {TensorProto.FLOAT16}, node.name
            seen.add('convolution')
        delicate = ('attention/', 'lstm/', 'decoder_joint/', 'decoders/', 'command/')
        norm = any(part.endswith('_norm') for part in node.name.split('/'))
        if norm or node.name.startswith(delicate):
            assert TensorProto.FLOAT16 not in {types[value] for value in node.input}, node.name
            seen.add('delicate')
    assert 'convolution' in seen
    assert 'delicate' in seen or graph.startswith('image')


def test_a_value_that_is_read_inside_and_given_as_output_has_both_types(
    bundle_of: Callable[[str], Bundle],
) -> None:
    bundle = bundle_of('sarnn')
    rewritten = halved(bundle, 'motion', everything(bundle, 'motion'))
    types = types_inside(rewritten)
    assert types['encoder_points'] == TensorProto.FLOAT
    assert types['encoder_points/half'] == TensorProto.FLOAT16


def test_a_graph_without_fp16_nodes_is_the_graph_itself(bundle: Bundle) -> None:
    before = load_graph(bundle.graph_path('motion', 'fp16'))
    assert list(halved(bundle, 'motion', ()).graph.node) == list(before.graph.node)


def joints_of(steps: list[Step], bundle: Bundle) -> NDArray[np.float64]:
    span = bundle.joint_maximum - bundle.joint_minimum
    return np.array([step.outputs['predicted_joints'] for step in steps]) / span


@pytest.mark.parametrize('model', MODELS)
def test_a_rollout_in_fp16_stays_near_that_in_fp32(
    bundle_of: Callable[[str], Bundle], model: str
) -> None:
    bundle = bundle_of(model)
    data = [demonstration(bundle)]
    exact = joints_of(list(rollout(bundle, data)), bundle)
    half = joints_of(list(rollout(bundle, data, motion=halved(bundle, 'motion'))), bundle)
    # Random weights give SARNN flat maps, whose maximum jumps: see the next test for trained ones.
    tolerance = 1e-2 if model == 'sarnn' else 2e-3
    np.testing.assert_allclose(half, exact, rtol=0, atol=tolerance)


def test_fp16_in_the_soft_argmax_loses_the_points(tmp_path: Path) -> None:
    """A feature above 6.55 divided by a temperature of 1e-4 is beyond fp16's largest number."""

    def strong(weights: dict[str, NDArray[np.float32]]) -> None:
        weights['pos_encoder.4.bias'] += 8.0

    bundle = write_random_bundle(tmp_path, SPECS['sarnn'], change=strong)
    data = [demonstration(bundle, 3)]
    exact = [step.outputs['encoder_points'] for step in rollout(bundle, data)]
    kept = list(rollout(bundle, data, motion=halved(bundle, 'motion')))
    lost = list(
        rollout(bundle, data, motion=halved(bundle, 'motion', everything(bundle, 'motion')))
    )
    assert all(np.isfinite(step.outputs['encoder_points']).all() for step in kept)
    assert not any(np.isfinite(step.outputs['encoder_points']).all() for step in lost)
    assert all(np.isfinite(points).all() for points in exact)


def test_layer_normalisation_spelt_out_is_the_same_function_and_stays_in_fp32(
    bundle_of: Callable[[str], Bundle],
) -> None:
    bundle = bundle_of('cnnrnnln')
    data = [demonstration(bundle, 3)]
    for graph in GRAPHS:
        model = spell_out_normalisation(load_graph(bundle.graph_path(graph, 'fp16')))
        operators = {node.op_type for node in model.graph.node}
        assert 'LayerNormalization' not in operators
        assert not any('_norm/' in name for name in half_nodes(model))
    model = spell_out_normalisation(load_graph(bundle.graph_path('motion', 'fp16')))
    exact = joints_of(list(rollout(bundle, data)), bundle)
    np.testing.assert_allclose(
        joints_of(list(rollout(bundle, data, motion=model)), bundle), exact, rtol=0, atol=1e-5
    )


def test_fp16_in_the_layer_normalisation_loses_maps_of_large_values(tmp_path: Path) -> None:
    """The square of a value above 256 is beyond fp16's largest number."""

    def strong(weights: dict[str, NDArray[np.float32]]) -> None:
        weights['encoder_image.0.weight'] *= 1e4

    bundle = write_random_bundle(tmp_path, SPECS['cnnrnnln'], change=strong)
    data = [demonstration(bundle, 2)]
    exact = joints_of(list(rollout(bundle, data)), bundle)
    model = spell_out_normalisation(load_graph(bundle.graph_path('motion', 'fp16')))
    half = half_nodes(model)
    steps = {node.name for node in model.graph.node if '_norm/' in node.name}
    kept = joints_of(list(rollout(bundle, data, motion=to_half(model, half))), bundle)
    lost = joints_of(list(rollout(bundle, data, motion=to_half(model, half | steps))), bundle)
    error, worse = np.abs(kept - exact).max(), np.abs(lost - exact).max()
    assert error < 2e-3
    assert np.isnan(worse) or worse > 10 * error


def test_images_in_fp16_differ_by_a_grey_level_at_most(
    bundle_of: Callable[[str], Bundle],
) -> None:
    bundle = bundle_of('cnnrnn')
    exact, half = (
        ExactSession(graph) for graph in (bundle.graph_path('image'), halved(bundle, 'image'))
    )
    for step in rollout(bundle, [demonstration(bundle)]):
        images = [
            session.run(step.image)['predicted_image'].astype(int) for session in (exact, half)
        ]
        assert np.abs(images[0] - images[1]).max() <= 1


@pytest.mark.parametrize('graph', GRAPHS)
@pytest.mark.parametrize('model', MODELS)
def test_fp16_is_made_from_the_form_for_tensor_cores_or_in_an_older_bundle_from_the_general_one(
    bundle_of: Callable[[str], Bundle], model: str, graph: str
) -> None:
    bundle = bundle_of(model)
    assert half_graph(bundle, graph) == halved(bundle, graph)
    old = write_bundle(bundle, [name for name in bundle.files if not name.endswith('.half.onnx')])
    general = load_graph(bundle.graph_path(graph))
    assert half_graph(old, graph) == to_half(general, half_nodes(general))
    assert half_graph(old, graph) != half_graph(bundle, graph)


def test_a_missing_weights_file_is_named(bundle: Bundle) -> None:
    bundle.weights_path.unlink()
    with pytest.raises(EngineError, match='eipl_trt export'):
        load_graph(bundle.graph_path('motion', 'fp16'))
