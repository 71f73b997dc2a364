# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
import math
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper
from references import make_bundle, random_weights

from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.errors import ExportError
from eipl_trt_ros.export.builder import INLINE_BYTES, GraphBuilder
from eipl_trt_ros.export.graphs import build_graph, write_graphs
from eipl_trt_ros.export.weights import WeightFile, write_weights
from eipl_trt_ros.spec import GRAPHS, ModelSpec, TensorSpec

SPECS = {
    'sarnn': ModelSpec('sarnn', 48, 64, 5, 80, k_dim=4, temperature=1e-4, heatmap_size=0.1),
    'cnnrnn': ModelSpec('cnnrnn', 128, 128, 8, 50, feat_dim=10),
    'cnnrnnln': ModelSpec('cnnrnnln', 128, 128, 8, 50, feat_dim=10),
}
TYPES = {int(TensorProto.UINT8): 'uint8', int(TensorProto.FLOAT): 'float32'}


@pytest.fixture(scope='module', params=SPECS)
def bundle(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    spec = SPECS[request.param]
    return make_bundle(tmp_path_factory.mktemp(spec.type), spec, random_weights(spec))


@pytest.fixture(
    params=[(graph, form) for graph in GRAPHS for form in ('', 'cpu', 'half')], ids='-'.join
)
def model(request: pytest.FixtureRequest, bundle: Bundle) -> onnx.ModelProto:
    graph, form = request.param
    path = {
        '': bundle.graph_path(graph),
        'cpu': bundle.cpu_graph_path(graph),
        'half': bundle.graph_path(graph, 'fp16'),
    }[form]
    assert path.name == '.'.join(filter(None, (graph, form, 'onnx')))
    found = onnx.load(path, load_external_data=False)
    assert form_of(found) == form
    return found


# Kernels that are not stored as they are used: by SARNN or not, image graph or not, and form.
GATES = [f'{gate}_gate' for gate in ('cell', 'forget', 'input', 'output')]
DERIVED = {
    (True, False, ''): ['rows', 'columns', *GATES],
    (False, False, ''): ['blocks', 'columns', *GATES],
    (True, True, ''): ['turned'] + ['rows'] * 3,
    (False, True, ''): ['blocks'] * 5,
    (True, False, 'cpu'): ['rows'],
    (True, True, 'cpu'): ['turned'] * 2 + ['rows'] * 2,
    (False, True, 'cpu'): ['blocks', 'column0', 'column1', 'row0', 'row1'],
    (True, False, 'half'): ['blocks'] * 3 + ['columns', *GATES],
    (False, False, 'half'): ['blocks', 'columns', *GATES] + ['wide'] * 4,
    (True, True, 'half'): ['blocks'] * 6,
    (False, True, 'half'): ['blocks'] * 5,
}
DERIVED_NAME = re.compile(
    r'(?P<layer>.+)\.((?P<part>weight)_(?P<how>\w+)'
    r'|(?P<filters>blocks|wide)\.(?P<filters_part>weight|bias))'
)


class Derived(NamedTuple):
    """What the name of a constant says of the stored tensor that it was made from."""

    stored: str
    part: str
    how: str
    filters: bool  # of `blocks`: the stored numbers and zeros


def derived_from(name: str) -> Derived | None:
    match = DERIVED_NAME.fullmatch(name)
    if match is None:
        return None
    part = match['part'] or match['filters_part']
    how = match['how'] or match['filters']
    return Derived(f'{match["layer"]}.{part}', part, how, match['filters'] is not None)


def takes_pixels(model: onnx.ModelProto, bundle: Bundle) -> bool:
    """Whether the first convolution takes the camera's image: not for TensorRT, nor if mixed."""
    sees = ('motion', 'image') if bundle.model.type == 'sarnn' else ('motion',)
    return is_cpu(model) and model.graph.name in sees


def form_of(model: onnx.ModelProto) -> str:
    return next((pair.value for pair in model.metadata_props if pair.key == 'form'), '')


def is_cpu(model: onnx.ModelProto) -> bool:
    return form_of(model) == 'cpu'


def described(values: list[onnx.ValueInfoProto]) -> list[tuple[str, str, tuple[int, ...]]]:
    types = [value.type.tensor_type for value in values]
    return [
        (value.name, TYPES[kind.elem_type], tuple(side.dim_value for side in kind.shape.dim))
        for value, kind in zip(values, types, strict=True)
    ]


def expected(specs: tuple[TensorSpec, ...]) -> list[tuple[str, str, tuple[int, ...]]]:
    return [(spec.name, spec.dtype, spec.shape) for spec in specs]


def test_a_graph_takes_and_gives_what_the_spec_says(
    model: onnx.ModelProto, bundle: Bundle
) -> None:
    name = model.graph.name
    assert described(list(model.graph.input)) == expected(bundle.model.graph_inputs(name))
    assert described(list(model.graph.output)) == expected(bundle.model.graph_outputs(name))


def test_a_graph_is_opset_17_without_batch_axis_and_with_named_nodes(
    model: onnx.ModelProto,
) -> None:
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [('', 17)]
    names = [node.name for node in model.graph.node]
    assert all(names)
    assert len(set(names)) == len(names)


def test_every_node_and_initializer_is_used(model: onnx.ModelProto) -> None:
    graph = model.graph
    used = {name for node in graph.node for name in node.input}
    used |= {value.name for value in graph.output}
    made = [value.name for value in graph.input] + [entry.name for entry in graph.initializer]
    made += [name for node in graph.node for name in node.output]
    assert set(made) == used
    assert 'Constant' not in {node.op_type for node in graph.node}


def test_uint8_goes_through_a_cast_and_nothing_else(model: onnx.ModelProto) -> None:
    """TensorRT does nothing else with uint8; a processor may move its bytes after the cast."""
    graph = model.graph
    last = {'Cast', 'Reshape'} if is_cpu(model) else {'Cast'}
    for value in graph.input:
        if value.type.tensor_type.elem_type == TensorProto.UINT8:
            takers = [node.op_type for node in graph.node if value.name in node.input]
            assert takers == ['Cast']
    for value in graph.output:
        if value.type.tensor_type.elem_type == TensorProto.UINT8:
            assert {node.op_type for node in graph.node if value.name in node.output} <= last


def test_large_weights_stay_in_the_weights_file_byte_by_byte(
    model: onnx.ModelProto, bundle: Bundle
) -> None:
    data = bundle.weights_path.read_bytes()
    weights = WeightFile(bundle.weights_path)
    derived, outside = [], set()
    for entry in model.graph.initializer:
        if entry.data_location != TensorProto.EXTERNAL:
            if origin := derived_from(entry.name):
                derived.append(origin)
            elif not entry.name.endswith('shape'):
                assert numpy_helper.to_array(entry).nbytes < INLINE_BYTES
            continue
        outside.add(entry.name)
        place = {pair.key: pair.value for pair in entry.external_data}
        assert place['location'] == bundle.weights_path.name
        begin, length = int(place['offset']), int(place['length'])
        stored = weights[entry.name].values
        assert data[begin : begin + length] == stored.tobytes()
        assert int(np.prod(entry.dims)) * 4 == length >= INLINE_BYTES
    image = model.graph.name.startswith('image')
    kind = bundle.model.type == 'sarnn', image, form_of(model)
    pixels = ['pixels'] * takes_pixels(model, bundle)
    kernels = [origin.how for origin in derived if origin.part == 'weight']
    assert sorted(kernels) == sorted(DERIVED.get(kind, []) + pixels)
    # All others that are large: none is kept in the graph, or both there and outside.
    layers = ('im_encoder', 'decoder_image') if image else ('pos_encoder', 'encoder_image')
    used = re.compile(rf'({"|".join(layers)})\.\d+\.(weight|bias)')
    large = {
        name
        for name, shape in bundle.model.expected_shapes().items()
        if used.fullmatch(name) and 4 * math.prod(shape) >= INLINE_BYTES
    }
    found = {name for name in outside if used.fullmatch(name)}
    assert found == large - {origin.stored for origin in derived}


def test_filters_in_blocks_have_the_stored_numbers_and_zeros(
    model: onnx.ModelProto, bundle: Bundle
) -> None:
    weights = WeightFile(bundle.weights_path)
    for entry in model.graph.initializer:
        origin = derived_from(entry.name)
        if origin is not None and origin.filters:
            found, stored = numpy_helper.to_array(entry), weights[origin.stored].values
            np.testing.assert_array_equal(np.unique(found[found != 0]), np.unique(stored))


@pytest.mark.parametrize('graph', GRAPHS)
def test_a_convolution_for_tensor_cores_takes_whole_lanes_and_has_enough_channels(
    bundle: Bundle, graph: str
) -> None:
    assert_fits_tensor_cores(bundle, graph)


@pytest.mark.parametrize('points', range(1, 9))
def test_any_number_of_points_fits_tensor_cores(points: int, tmp_path: Path) -> None:
    spec = dataclasses.replace(SPECS['sarnn'], k_dim=points)
    bundle = make_bundle(tmp_path, spec, random_weights(spec))
    for graph in GRAPHS:
        assert_fits_tensor_cores(bundle, graph)


def assert_fits_tensor_cores(bundle: Bundle, graph: str) -> None:
    model = onnx.load(bundle.graph_path(graph, 'fp16'), load_external_data=False)
    shapes = {entry.name: tuple(entry.dims) for entry in model.graph.initializer}
    convolutions = [node for node in model.graph.node if 'Conv' in node.op_type]
    assert convolutions
    for node in convolutions:
        assert node.op_type == 'Conv'
        gives, takes = shapes[node.input[1]][:2]
        assert takes % 16 == 0, node.name
        assert max(takes, gives) >= 64, node.name


@pytest.mark.parametrize('size', [(57, 40), (40, 57), (57, 41)])
@pytest.mark.parametrize('graph', GRAPHS)
def test_an_image_with_an_odd_side_is_not_taken_in_blocks(
    graph: str, size: tuple[int, int], tmp_path: Path
) -> None:
    spec = dataclasses.replace(SPECS['sarnn'], image_height=size[0], image_width=size[1])
    bundle = make_bundle(tmp_path, spec, random_weights(spec))
    general, half = (
        onnx.load(bundle.graph_path(graph, precision), load_external_data=False)
        for precision in ('fp32', 'fp16')
    )
    assert (form_of(general), form_of(half)) == ('', 'half')
    assert half.graph == general.graph


def test_onnx_itself_reads_the_external_weights(bundle: Bundle) -> None:
    outside = onnx.load(bundle.graph_path('motion'), load_external_data=False).graph.initializer
    name = next(e.name for e in outside if e.data_location == TensorProto.EXTERNAL)
    loaded = onnx.load(bundle.graph_path('motion'))
    weights = WeightFile(bundle.weights_path)
    arrays = {entry.name: numpy_helper.to_array(entry) for entry in loaded.graph.initializer}
    np.testing.assert_array_equal(arrays[name], weights[name].values)


def test_the_same_weights_give_the_same_bytes(bundle: Bundle, tmp_path: Path) -> None:
    spec = bundle.model
    again = make_bundle(tmp_path / 'elsewhere', spec, random_weights(spec))
    for name in bundle.files:
        assert (again.path / name).read_bytes() == (bundle.path / name).read_bytes()


def test_an_export_that_is_cut_off_leaves_the_old_graphs_and_nothing_else(bundle: Bundle) -> None:
    before = {path.name: path.read_bytes() for path in bundle.path.iterdir()}

    def cut_off(graph: str) -> None:
        if graph == 'motion_mixed':
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_graphs(dataclasses.replace(bundle, vmin=0.1), cut_off)
    assert {path.name: path.read_bytes() for path in bundle.path.iterdir()} == before


def test_weights_of_another_model_are_refused(bundle: Bundle) -> None:
    small = dataclasses.replace(bundle.model, rec_dim=7)
    with pytest.raises(ExportError, match=r'tensor .* has the shape .*, the model needs'):
        write_graphs(dataclasses.replace(bundle, model=small))


def test_the_progress_names_each_graph(bundle: Bundle) -> None:
    names: list[str] = []
    write_graphs(bundle, names.append)
    assert names == list(GRAPHS)


def test_missing_weights_are_named(bundle: Bundle, tmp_path: Path) -> None:
    path = tmp_path / 'weights.safetensors'
    with pytest.raises(ExportError, match=r'weights\.safetensors cannot be read as weights'):
        WeightFile(path)
    write_weights({'some.weight': np.zeros(3, np.float32)}, path)
    with pytest.raises(ExportError, match='has no tensor'):
        build_graph(bundle, 'motion', WeightFile(path))


def test_a_node_that_nobody_uses_is_refused(tmp_path: Path) -> None:
    write_weights({}, tmp_path / 'weights.safetensors')
    build = GraphBuilder('example', WeightFile(tmp_path / 'weights.safetensors'))
    build.add('Tanh', ['x'], 'idle')
    build.add('Tanh', ['x'], 'y')
    ends = TensorSpec('x', 'float32', (1,)), TensorSpec('y', 'float32', (1,))
    with pytest.raises(ExportError, match='graph example: nothing uses idle'):
        build.build(ends[:1], ends[1:], {})


def test_two_constants_of_one_name_are_refused(tmp_path: Path) -> None:
    write_weights({}, tmp_path / 'weights.safetensors')
    build = GraphBuilder('example', WeightFile(tmp_path / 'weights.safetensors'))
    assert build.constant('one', 1.0) == build.constant('one', 1.0) == 'one'
    with pytest.raises(ExportError, match="two different constants are named 'one'"):
        build.constant('one', 2.0)
