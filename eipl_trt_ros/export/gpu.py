# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Layers in the form that a GPU runs fastest: the same functions, to float rounding.

A GPU has a hundred processors, and each kernel that it is given costs a microsecond before the
first number is there. TensorRT sums up a whole map in one block of threads, which is on one of the
hundred, and gives a matrix product with one vector a kernel of its own. So here maps are summed up
in chunks and then over the chunks, and small products are written as products and sums, which
TensorRT puts into the kernels before and behind them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from eipl_trt_ros.export.builder import GraphBuilder
from eipl_trt_ros.export.layers import LSTM_GATES, next_state, row

_CHUNK = 1024  # numbers of a map that are summed up by one block of threads
_CHANNELS_LAST, _CHANNELS_FIRST = [0, 2, 3, 1], [0, 3, 1, 2]


def lstm_of_sums(build: GraphBuilder, values: Sequence[str], rec_dim: int) -> str:
    """
    Step a torch.nn.LSTMCell, each gate as one sum of products with all that it sees.

    Args:
        build: the graph, with the inputs ``h`` and ``c``; it gets ``next_h`` and ``next_c``.
        values: rows (1, n) that make up the cell's input.
        rec_dim: R.

    Returns:
        The new h as a column (R, 1).

    """
    seen = build.add('Concat', [*values, row(build, 'h', rec_dim)], 'lstm/input', axis=1)
    weights = np.concatenate([build.array(f'rec.weight_{part}') for part in ('ih', 'hh')], axis=1)
    biases = build.array('rec.bias_ih') + build.array('rec.bias_hh')
    axis = build.constant('axis_1', [1])
    for name, weight, bias in zip(
        LSTM_GATES, np.split(weights, 4), np.split(biases[:, None], 4), strict=True
    ):
        gate = name.split('/')[1]
        products = [seen, build.constant(f'rec.weight_{gate}', weight)]
        value = build.add('Mul', products, f'{name}/products')
        value = build.add('ReduceSum', [value, axis], f'{name}/sums', keepdims=1)
        build.add('Add', [value, build.constant(f'rec.bias_{gate}', bias)], f'{name}_in')
    return next_state(build, rec_dim)


def linear_of_sums(build: GraphBuilder, value: str, layers: Sequence[str], name: str) -> str:
    """
    Apply several torch.nn.Linear to the same vector, as one sum of products.

    Args:
        build: the graph.
        value: a column (n, 1).
        layers: their weights in the weights file, (m, n) and (m,) each.
        name: of the result.

    Returns:
        Their results one after the other, (1, sum of all m).

    """
    weight = np.concatenate([build.array(f'{layer}.weight') for layer in layers])
    bias = np.concatenate([build.array(f'{layer}.bias') for layer in layers])
    columns = build.constant(f'{name}.weight_columns', np.ascontiguousarray(weight.T))
    value = build.add('Mul', [value, columns], f'{name}/products')
    axis = build.constant('axis_0', [0])
    value = build.add('ReduceSum', [value, axis], f'{name}/sums', keepdims=1)
    return build.add('Add', [value, build.constant(f'{name}.bias', bias)], name)


def soft_argmax_by_rows(
    build: GraphBuilder, maps: str, x: NDArray[np.float32], y: NDArray[np.float32], side: int = 1
) -> str:
    """
    Take the expectation of a place, with the softmax of a map as the probability of its cells.

    Each row of a map first, by its own maximum; then all rows of the map, each by how far its
    maximum is below the map's. No exponent is above 0, so nothing overflows at any temperature,
    and the map's highest cell weighs 1.

    Args:
        build: the graph.
        maps: (1, K, h, w), divided by the temperature; or in blocks of cells (`blocks`), (1, 4 *
            K, h / 2, w / 2), where the cells of a row that are first in their blocks count as one
            row, and the second ones as another.
        x: of each column of a map, (w,).
        y: of each row of a map, (h,).
        side: of a block; 1 for maps that are not in blocks.

    Returns:
        The output ``encoder_points``, (K, 2).

    """

    def add(operator: str, result: str, *inputs: str) -> str:
        return build.add(operator, list(inputs), f'attention/{result}')

    def total(result: str, value: str, axis: int) -> str:
        axes = build.constant(f'axis_{axis}', [axis])
        return build.add('ReduceSum', [value, axes], f'attention/{result}', keepdims=1)

    def weigh(value: str, kind: str, axis: int) -> tuple[str, str]:
        """Give the maximum along an axis, and the exponential of what is below it."""
        name = f'attention/{kind}_highest'
        highest = build.add('ReduceMax', [value], name, axes=[axis], keepdims=1)
        return highest, add('Exp', f'{kind}_weights', add('Sub', f'{kind}_below', value, highest))

    height, width = len(y) // side, len(x) // side
    # (map and row of a block, column of a block, row of blocks, column of blocks)
    rows = build.constant('map_rows', [-1, side, height, width])
    highest, weights = weigh(add('Reshape', 'rows', maps, rows), 'row', 3)
    places = np.ascontiguousarray(x.reshape(width, side).T)[None, :, None]
    moments = add('Mul', 'row_moments', weights, build.constant('places_x', places))
    parts = highest, total('row_weight', weights, 3), total('row_x', moments, 3)
    shape = build.constant('rows_of_maps', [-1, side * side * height])
    highest, sums, sums_x = (
        add('Reshape', f'map{i}', part, shape) for i, part in enumerate(parts)
    )
    _, weights = weigh(highest, 'map', 1)
    sums, sums_x = add('Mul', 'map_sums', weights, sums), add('Mul', 'map_sums_x', weights, sums_x)
    places = np.repeat(y.reshape(height, side).T, side, axis=0).reshape(1, -1)
    sums_y = add('Mul', 'map_sums_y', sums, build.constant('places_y', places))
    whole = total('map_weight', sums, 1)
    points = [
        add('Div', f'map_{name}', total(f'map_total_{name}', value, 1), whole)
        for name, value in (('x', sums_x), ('y', sums_y))
    ]
    return build.add('Concat', points, 'encoder_points', axis=1)


def normalised_map(build: GraphBuilder, value: str, layer: str, name: str, epsilon: float) -> str:
    """
    Apply layer normalisation to a map, in the order in which a GPU's convolutions give it.

    Large maps in chunks: the variance of the whole is the mean over the chunks of their own
    variance and of their mean's squared distance from the whole mean. So no variance is the
    difference of two large numbers.

    Args:
        build: the graph.
        value: (1, C, H, W).
        layer: its weights, each (C, H, W), in the weights file; TensorRT brings them into this
            order once, when it builds an engine.
        name: of the layer.
        epsilon: added to the variance.

    Returns:
        (1, C, H, W).

    """
    channels, height, width = build.array(f'{layer}.weight').shape
    size = channels * height * width
    chunks = size // _CHUNK if size % _CHUNK == 0 else 1
    shape = build.constant(f'chunks_{size}', [chunks, size // chunks])

    def add(operator: str, result: str, *inputs: str) -> str:
        return build.add(operator, list(inputs), f'{name}/{result}')

    def mean(result: str, value: str) -> str:
        return build.add('ReduceMean', [value], f'{name}/{result}', axes=[1], keepdims=1)

    def chunked(result: str, value: str, perm: list[int]) -> str:
        value = build.add('Transpose', [value], f'{name}/{result}_last', perm=perm)
        return add('Reshape', f'{result}_chunks', value, shape)

    value = chunked('value', value, _CHANNELS_LAST)
    centre = mean('mean', value)
    apart = add('Sub', 'apart', value, centre)
    variance = mean('variance', add('Mul', 'squares', apart, apart))
    if chunks > 1:
        line = build.constant(f'line_{chunks}', [1, chunks])
        centres = add('Reshape', 'chunk_means', centre, line)
        variances = add('Reshape', 'chunk_variances', variance, line)
        centre = mean('whole_mean', centres)
        apart = add('Sub', 'chunks_apart', centres, centre)
        spread = add('Mul', 'chunks_squares', apart, apart)
        variance = mean('whole_variance', add('Add', 'spread', variances, spread))
        apart = add('Sub', 'whole_apart', value, centre)
    safe = add('Add', 'safe', variance, build.constant('epsilon', epsilon))
    value = add('Div', 'normal', apart, add('Sqrt', 'deviation', safe))
    for part, operator in (('weight', 'Mul'), ('bias', 'Add')):
        weights = chunked(part, build.weight(f'{layer}.{part}'), [1, 2, 0])
        value = add(operator, f'with_{part}', value, weights)
    shape = build.constant(f'last_{size}', [1, height, width, channels])
    value = add('Reshape', 'last', value, shape)
    return build.add('Transpose', [value], name, perm=_CHANNELS_FIRST)
