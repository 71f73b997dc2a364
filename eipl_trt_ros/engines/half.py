# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Turns the image layers of a bundle's graph into fp16, and leaves the rest in fp32.

A strongly typed network computes in the types that its graph says, so fp16 is a rewrite of the
graph. What the graph takes and gives keeps its types, the LSTM's state among it. In fp16 are the
convolutions and linear layers of the image's encoders and decoders: all but a few percent of the
arithmetic. In fp32 stay

- SARNN's soft-argmax: the division by the temperature goes beyond fp16's 65504 as soon as a
  feature exceeds 65504 times the temperature (6.55 at EIPL's 1e-4), and half the bits of a logit
  are the place of a point;
- layer normalisation, which sums squares over a whole map;
- the LSTM and the layers that read joints and points off it: they are tiny, and the state is
  carried on for hundreds of frames;
- the conversions from and to radians and grey levels;
- linear layers that run in int8: between fp16 values TensorRT-RTX 1.6 gives wrong sums for them
  (on an H200, where an image came out wrong by 84 grey levels), between fp32 values right ones.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

import onnx
from onnx import TensorProto, helper, numpy_helper

from eipl_trt_ros.errors import EngineError

HALF_SUFFIX = '/half'
_IMAGE_LAYERS = ('pos_encoder/', 'im_encoder/', 'encoder_image/', 'decoder_image/')
_ALSO_HALF = ('heatmap/apply',)
_FP32_OPERATORS = ('LayerNormalization',)
_LINEAR = ('Gemm', 'MatMul')
QUANTISERS = ('QuantizeLinear', 'DequantizeLinear')
# The first opset in which a value can be quantised from fp16, and the IR version of that time.
_QUANTISED_HALF_OPSET, _QUANTISED_HALF_IR = 19, 9
_FLOAT, _HALF = TensorProto.FLOAT, TensorProto.FLOAT16


def load_graph(path: Path) -> onnx.ModelProto:
    """
    Read a graph of a bundle with all its weights in it.

    Raises:
        EngineError: the file, or the weights file beside it, cannot be read.

    """
    try:
        return onnx.load(path)
    except Exception as error:  # onnx and protobuf share no base but Exception
        msg = f'{path} cannot be read: {error}; write it again with: eipl_trt export {path.parent}'
        raise EngineError(msg) from None


def runs_in_half(name: str, operator: str = '') -> bool:
    """Tell by its name whether a node of a bundle's graph shall run in fp16."""
    if operator in _FP32_OPERATORS or any(part.endswith('_norm') for part in name.split('/')):
        return False
    return name.startswith(_IMAGE_LAYERS) or name in _ALSO_HALF


def half_nodes(model: onnx.ModelProto) -> frozenset[str]:
    """
    List the nodes of a bundle's graph that shall run in fp16.

    The quantisers before a layer belong to it: they take the type that the layer has.
    """
    half: set[str] = set()
    readers: dict[str, list[onnx.NodeProto]] = {}
    makers = {value: node.op_type for node in model.graph.node for value in node.output}
    for node in model.graph.node:
        for value in node.input:
            readers.setdefault(value, []).append(node)
    for node in reversed(model.graph.node):
        if node.op_type in QUANTISERS:
            followers = [reader for value in node.output for reader in readers.get(value, [])]
            if any(reader.name in half for reader in followers):
                half.add(node.name)
        elif runs_in_half(node.name, node.op_type) and not (
            node.op_type in _LINEAR and makers.get(node.input[0]) == 'DequantizeLinear'
        ):
            half.add(node.name)
    return frozenset(half)


def to_half(model: onnx.ModelProto, nodes: Collection[str]) -> onnx.ModelProto:
    """
    Let some nodes of a graph run in fp16, with a Cast wherever a value changes its type.

    Args:
        model: a graph with its weights in it; it is not changed.
        nodes: names of the nodes; of their inputs and outputs those that are float32 become
            float16.

    Returns:
        The rewritten graph; its inputs and outputs have the types of before.

    """
    result = onnx.ModelProto()
    result.CopyFrom(model)
    rewriter = _Rewriter(result, nodes)
    written = list(rewriter.rewrite())
    del result.graph.node[:]
    result.graph.node.extend(written)
    used = {value for node in written for value in node.input}
    kept = [entry for entry in result.graph.initializer if entry.name in used]
    kept += [entry for entry in rewriter.initializers if entry.name in used]
    del result.graph.initializer[:]
    result.graph.initializer.extend(kept)
    del result.graph.value_info[:]
    if any(node.op_type in QUANTISERS and node.name in nodes for node in written):
        _raise_opset(result)
    onnx.checker.check_model(result, full_check=True)
    return result


class _Rewriter:
    """
    Walks through a graph in order and keeps track of which values are there in which type.

    What a half node makes bears its old name with `HALF_SUFFIX`; under the old name comes, where
    anybody wants it, a Cast back to float32. So a value that is a graph's output and is read
    inside as well has both types.
    """

    def __init__(self, model: onnx.ModelProto, nodes: Collection[str]) -> None:
        self._graph = model.graph
        self._nodes = nodes
        self._floats = _values_of_type(model, _FLOAT)
        self._weights = {entry.name: entry for entry in model.graph.initializer}
        self._there = {entry.name for entry in model.graph.input} | self._weights.keys()
        self.initializers: list[TensorProto] = []

    def rewrite(self) -> Iterator[onnx.NodeProto]:
        for node in self._graph.node:
            half = node.name in self._nodes
            for index, value in enumerate(node.input):
                if value not in self._floats:
                    continue
                wanted = value + HALF_SUFFIX if half else value
                yield from self._provide(value, wanted, half=half)
                node.input[index] = wanted
            for index, value in enumerate(node.output):
                if half and value in self._floats:
                    node.output[index] = value + HALF_SUFFIX
                self._there.add(node.output[index])
            yield node
        for output in self._graph.output:
            yield from self._provide(output.name, output.name, half=False)

    def _provide(self, value: str, wanted: str, *, half: bool) -> Iterator[onnx.NodeProto]:
        """Make a value available in the wanted type, if it is not yet."""
        if wanted in self._there:
            return
        self._there.add(wanted)
        if half and value in self._weights:
            array = numpy_helper.to_array(self._weights[value]).astype('float16')
            self.initializers.append(numpy_helper.from_array(array, wanted))
            return
        source = value if half else value + HALF_SUFFIX
        yield helper.make_node(
            'Cast', [source], [wanted], f'{wanted}/cast', to=_HALF if half else _FLOAT
        )


def _values_of_type(model: onnx.ModelProto, kind: int) -> set[str]:
    """Name every value of a graph that is of a type, such as ``TensorProto.FLOAT``."""
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    values = [*inferred.input, *inferred.output, *inferred.value_info]
    found = {entry.name for entry in values if entry.type.tensor_type.elem_type == kind}
    return found | {entry.name for entry in inferred.initializer if entry.data_type == kind}


def _raise_opset(model: onnx.ModelProto) -> None:
    """
    Rewrite the operators of our graphs that changed between opset 17 and 19.

    ReduceMax and ReduceMean take their axes as an input since 18, and a Split that is not told the
    parts' sizes must say how many it makes.
    """
    for node in model.graph.node:
        if node.op_type in ('ReduceMax', 'ReduceMean'):
            (axes,) = (entry for entry in node.attribute if entry.name == 'axes')
            name = f'{node.name}/axes'
            model.graph.initializer.append(
                helper.make_tensor(name, TensorProto.INT64, [len(axes.ints)], axes.ints)
            )
            node.input.append(name)
            node.attribute.remove(axes)
        elif node.op_type == 'Split' and len(node.input) == 1:
            node.attribute.append(helper.make_attribute('num_outputs', len(node.output)))
    model.opset_import[0].version = _QUANTISED_HALF_OPSET
    model.ir_version = _QUANTISED_HALF_IR


def emulate_half(model: onnx.ModelProto) -> onnx.ModelProto:
    """
    Write fp16 out as fp32 whose values are rounded to fp16 wherever fp16 is stored.

    A processor has no fp16 kernels; ONNX Runtime computes in fp32 there and skips the rounding
    between two nodes, and with it every overflow. Here each value goes through fp16 for certain,
    while sums are kept in fp32, as a GPU's kernels keep them.

    Args:
        model: a graph from `to_half`; it is not changed.

    Returns:
        A graph of the same inputs and outputs that computes in fp32.

    """
    halves = _values_of_type(model, _HALF)
    result = onnx.ModelProto()
    result.CopyFrom(model)
    nodes: list[onnx.NodeProto] = []
    for node in result.graph.node:
        rounded = [value for value in node.output if value in halves]
        for index, value in enumerate(node.output):
            if value in halves:
                node.output[index] = f'{value}/exact'
        if node.op_type == 'Cast':
            for attribute in node.attribute:
                if attribute.name == 'to' and attribute.i == _HALF:
                    attribute.i = _FLOAT
        nodes.append(node)
        for value in rounded:
            nodes += [
                helper.make_node('Cast', [f'{value}/exact'], [f'{value}/stored'], to=_HALF),
                helper.make_node('Cast', [f'{value}/stored'], [value], to=_FLOAT),
            ]
    weights = [
        numpy_helper.from_array(numpy_helper.to_array(entry).astype('float32'), entry.name)
        if entry.data_type == _HALF
        else entry
        for entry in model.graph.initializer
    ]
    del result.graph.node[:], result.graph.initializer[:], result.graph.value_info[:]
    result.graph.node.extend(nodes)
    result.graph.initializer.extend(weights)
    return result
