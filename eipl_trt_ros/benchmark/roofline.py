# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
How far a frame is from what a machine allows: its arithmetic and memory against two ceilings.

The floor of a graph is the longer of two times: its arithmetic at the speed of a large matrix
product, and the bytes that cannot be avoided (weights, inputs, outputs, each once) at the speed of
a large copy. Of the arithmetic, products and sums of convolutions and linear layers count; the
rest is a few percent.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.errors import require

if TYPE_CHECKING:
    import onnx

_OPERATORS = ('Conv', 'ConvTranspose', 'Gemm')  # that multiply by a kernel, their second input
_PRODUCT_SIDE = 1024
_COPIED_BYTES = 256 << 20
_TRIES = 25


@dataclass(frozen=True)
class Work:
    """
    What a graph has to do.

    Attributes:
        flop: multiplications and additions of its convolutions and linear layers.
        bytes: of weights, inputs and outputs.

    """

    flop: float
    bytes: float

    def __add__(self, other: Work) -> Work:
        """Return the work of both."""
        return Work(self.flop + other.flop, self.bytes + other.bytes)


@dataclass(frozen=True)
class Ceilings:
    """
    What a machine can do.

    Attributes:
        flop_per_s: multiplications and additions.
        bytes_per_s: read and written.

    """

    flop_per_s: float
    bytes_per_s: float

    def floor(self, work: Work) -> float:
        """Return the time below which some work cannot be done, in seconds."""
        return max(work.flop / self.flop_per_s, work.bytes / self.bytes_per_s)


# Jetson Orin Nano 4GB (the paper's table 3): 512 CUDA cores at 625 MHz, two operations a clock in
# fp32; 20 TOPS in sparse int8, which is a quarter of it in dense fp16 and half in dense int8;
# 34 GB/s.
ORIN_NANO: Mapping[str, Ceilings] = {
    'fp32': Ceilings(512 * 2 * 625e6, 34e9),
    'fp16': Ceilings(20e12 / 4, 34e9),
    'int8': Ceilings(20e12 / 2, 34e9),
}
# The paper's table 4: milliseconds of a whole model in TensorRT on that board, copies included.
PAPER_MS: Mapping[str, Mapping[str, float]] = {
    'sarnn': {'fp32': 4.42, 'fp16': 2.47, 'int8': 2.88},
    'cnnrnn': {'fp32': 1.87, 'fp16': 1.32, 'int8': 1.27},
    'cnnrnnln': {'fp32': 3.55, 'fp16': 2.77, 'int8': 2.88},
}


def work_of(bundle: Bundle, graph: str) -> Work:
    """
    Count what one of a bundle's graphs has to do.

    Zeros in a kernel count neither as products nor as bytes: one that gives blocks of pixels has
    them wherever a pixel does not depend on a place.

    Args:
        bundle: the model.
        graph: one of ``eipl_trt_ros.spec.GRAPHS``; the general form counts, no other.

    Raises:
        BundleError: the graphs were never exported.
        MissingPackageError: onnx is not installed.

    """
    onnx: Any = require('onnx', install='pip install onnx', needed_for='the floor')
    model = onnx.load(bundle.graph_path(graph))
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    shapes = {entry.name: tuple(entry.dims) for entry in inferred.initializer}
    for value in (*inferred.input, *inferred.output, *inferred.value_info):
        shapes[value.name] = tuple(side.dim_value for side in value.type.tensor_type.shape.dim)
    products = {node.output[0] for node in inferred.node if node.op_type == 'Mul'}
    kernels = {node.input[1] for node in inferred.node if node.op_type in _OPERATORS}
    weights = {
        entry.name: int(np.count_nonzero(onnx.numpy_helper.to_array(entry)))
        if entry.name in kernels
        else _size(shapes[entry.name])
        for entry in inferred.initializer
    }
    flop = sum(_flop(node, shapes, products, weights) for node in inferred.node)
    ends = (*bundle.model.graph_inputs(graph), *bundle.model.graph_outputs(graph))
    moved = sum(_size(spec.shape) * (1 if spec.dtype == 'uint8' else 4) for spec in ends)
    return Work(flop, 4 * sum(weights.values()) + moved)


def _flop(
    node: onnx.NodeProto,
    shapes: Mapping[str, tuple[int, ...]],
    products: Collection[str],
    weights: Mapping[str, int],
) -> int:
    """Count for one node; ``weights`` are how many numbers of each constant count."""
    if node.op_type == 'ReduceSum' and node.input[0] in products:  # small linear layers, points
        return 2 * _size(shapes[node.input[0]])
    if node.op_type not in _OPERATORS:
        return 0
    # A weight is multiplied once per result; in a transposed convolution, which bundles have that
    # were exported before it became an ordinary one, once per input; in a linear layer once.
    places = node.input[0] if node.op_type == 'ConvTranspose' else node.output[0]
    return 2 * weights[node.input[1]] * _size(shapes[places][2:])


def _size(shape: tuple[int, ...]) -> int:
    size = 1
    for side in shape:
        size *= side
    return size


def measure_ceilings(threads: int) -> Ceilings:
    """
    Measure what this machine's processor can do.

    The product is that of PyTorch or of ONNX Runtime, whichever is faster: PyTorch's library (MKL)
    uses half of what an AMD processor can do, and a frame would take less time than its floor.

    Args:
        threads: of the processor.

    Raises:
        MissingPackageError: PyTorch, onnx or ONNX Runtime is not installed.

    """
    torch: Any = require('torch', install='pip install torch', needed_for='the ceilings')
    torch.set_num_threads(threads)
    factor = torch.rand(_PRODUCT_SIDE, _PRODUCT_SIDE)
    result = torch.empty_like(factor)
    source = torch.zeros(_COPIED_BYTES, dtype=torch.uint8)
    target = torch.empty_like(source)
    products = (
        lambda: torch.matmul(factor, factor, out=result),
        _onnxruntime_product(threads, factor.numpy()),
    )
    product = min(map(_fastest, products))
    copy = _fastest(lambda: target.copy_(source))
    return Ceilings(2 * _PRODUCT_SIDE**3 / product, 2 * _COPIED_BYTES / copy)


def _onnxruntime_product(threads: int, factor: NDArray[np.float32]) -> Callable[[], object]:
    """Return what multiplies a square matrix by itself."""
    onnx: Any = require('onnx', install='pip install onnx', needed_for='the ceilings')
    runtime: Any = require(
        'onnxruntime', install='pip install onnxruntime', needed_for='the ceilings'
    )
    ends = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, factor.shape)
        for name in ('factor', 'product')
    ]
    node = onnx.helper.make_node('MatMul', ['factor', 'factor'], ['product'])
    graph = onnx.helper.make_graph([node], 'product', ends[:1], ends[1:])
    opset = onnx.helper.make_opsetid('', 17)
    model = onnx.helper.make_model(graph, opset_imports=[opset], ir_version=8)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    session = runtime.InferenceSession(
        model.SerializeToString(), options, providers=['CPUExecutionProvider']
    )
    given = {'factor': runtime.OrtValue.ortvalue_from_numpy(factor)}
    return lambda: session.run_with_ort_values(['product'], given)


def _fastest(work: Callable[[], object]) -> float:
    taken = []
    for _ in range(_TRIES):
        begin = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begin)
    return min(taken)


def describe_share(title: str, work: Work, ceilings: Ceilings, milliseconds: float) -> str:
    """Write one line: what there is to do, the floor, and the share of it that was reached."""
    floor = 1e3 * ceilings.floor(work)
    return (
        f'{title}: {work.flop / 1e6:.1f} MFLOP, {work.bytes / 1e6:.2f} MB, '
        f'floor {floor:.3f} ms, took {milliseconds:.2f} ms: {100 * floor / milliseconds:.0f} %'
    )
