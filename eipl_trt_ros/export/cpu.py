# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Layers in the form that a processor runs fastest: the same functions, to float rounding.

A processor's convolution computes 16 output channels at once (8 without AVX-512), and those that a
layer has not are computed for nothing; its transposed convolution sums up in a slow loop. A GPU
fills its threads otherwise and pays for every kernel that is launched. So these forms, which save
arithmetic and add nodes, are for processors only.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from eipl_trt_ros.export.builder import GraphBuilder

_LANES = 16
_SIDE = 3  # of all kernels here


def fills_few_lanes(channels: int) -> bool:
    """
    Tell whether `convolution_by_rows` takes less arithmetic than one convolution.

    Args:
        channels: outputs of the convolution.

    """
    return _SIDE * _padded(_SIDE * channels) < _SIDE**2 * _padded(channels)


def _padded(channels: int) -> int:
    return -(-channels // _LANES) * _LANES


def convolution_by_rows(
    build: GraphBuilder,
    value: str,
    kernel: NDArray[np.float32],
    bias: NDArray[np.float32],
    name: str,
    *,
    weights: str,
    height: int,
    padding: int = 0,
) -> str:
    """
    Apply a 3x3 convolution with few outputs: one per row of the kernel, then their sum.

    The three rows of the kernel are one convolution of three times as many outputs and a kernel of
    1x3; its results, each shifted by a row against the next, add up to the 3x3 convolution's. With
    the 5 outputs of SARNN's third layer, 15 of 16 lanes are in use in the place of 5, and a third
    of the time is left.

    Args:
        build: the graph.
        value: (1, C, H, W).
        kernel: (K, C, 3, 3).
        bias: (K,).
        name: of the layer.
        weights: name for the constants.
        height: rows of the result, H - 2 + 2 * padding.
        padding: zeros around the value, on each side.

    Returns:
        (1, K, height, W - 2 + 2 * padding).

    """
    channels = len(kernel)
    rows = kernel.transpose(2, 0, 1, 3).reshape(_SIDE * channels, -1, 1, _SIDE)
    # The bias goes to the first row alone, whose result every sum has in it.
    biases = np.pad(bias, (0, (_SIDE - 1) * channels))
    stacked = build.add(
        'Conv',
        [
            value,
            build.constant(f'{weights}.weight_rows', np.ascontiguousarray(rows)),
            build.constant(f'{weights}.bias_rows', biases),
        ],
        name,
        kernel_shape=[1, _SIDE],
        pads=[padding] * 4,
    )
    axes = build.constant('axes_channels_rows', [1, 2])
    parts = []
    for row in range(_SIDE):
        begin = build.constant(f'{name}/begin{row}', [row * channels, row])
        end = build.constant(f'{name}/end{row}', [(row + 1) * channels, row + height])
        parts.append(build.add('Slice', [stacked, begin, end, axes], f'{name}/row{row}'))
    first = build.add('Add', parts[:2], f'{name}/rows01')
    return build.add('Add', [first, parts[2]], f'{name}/rows')


# Where a transposed convolution of stride 2, kernel 3, padding 1 and output padding 1 takes a row
# of its result from: an even row 2i from row i through the kernel's middle row; an odd row 2i + 1
# from rows i and i + 1 through its last and its first.
_TAPS = ((1,), (2, 0))
PHASES = ((0, 0), (0, 1), (1, 0), (1, 1))


def doubled_phases(build: GraphBuilder, value: str, layer: str, name: str) -> list[str]:
    """
    Apply a transposed convolution that doubles the image, as four convolutions of a quarter each.

    Result (r, c) of the layer is result (r // 2, c // 2) of phase (r % 2, c % 2). A processor does
    a transposed convolution as a matrix product that gives nine values per input, and a sum of
    them that takes longer than the product; four convolutions write each result once. They stay
    apart: to put them together again would take as long as is won.

    Args:
        build: the graph.
        value: (1, C, H, W).
        layer: its weights, (C, K, 3, 3) and (K,), in the weights file.
        name: of the layer.

    Returns:
        The four phases in the order of `PHASES`, each (1, K, H, W).

    """
    kernel = build.array(f'{layer}.weight').transpose(1, 0, 2, 3)
    bias = build.weight(f'{layer}.bias')
    phases = []
    for row, column in PHASES:
        down, right = _TAPS[row], _TAPS[column]
        part = np.ascontiguousarray(kernel[:, :, down][:, :, :, right])
        phases.append(
            build.add(
                'Conv',
                [value, build.constant(f'{layer}.weight_{row}{column}', part), bias],
                f'{name}_{row}{column}',
                kernel_shape=[len(down), len(right)],
                pads=[0, 0, len(down) - 1, len(right) - 1],
            )
        )
    return phases


def normalised_phases(
    build: GraphBuilder, phases: Sequence[str], layer: str, name: str, epsilon: float
) -> list[str]:
    """
    Apply layer normalisation to an image which is there in four phases.

    Args:
        build: the graph.
        phases: each (1, C, H, W), in the order of `PHASES`.
        layer: its weights, each (C, 2 * H, 2 * W), in the weights file; a runtime brings them into
            the order of the phases once, when it loads the graph.
        name: of the layer.
        epsilon: added to the variance.

    Returns:
        The four phases.

    """
    channels, height, width = build.array(f'{layer}.weight').shape
    apart = build.constant(f'{name}/apart', [channels, height // 2, 2, width // 2, 2])
    stacked = build.constant(f'{name}/stacked', [4 * channels, height // 2, width // 2])
    weights = []
    for part in ('weight', 'bias'):
        value = build.add('Reshape', [build.weight(f'{layer}.{part}'), apart], f'{name}/{part}')
        value = build.add('Transpose', [value], f'{name}/{part}_phases', perm=[2, 4, 0, 1, 3])
        weights.append(build.add('Reshape', [value, stacked], f'{name}/{part}_stacked'))
    value = build.add('Concat', phases, f'{name}/phases', axis=1)
    value = build.add('LayerNormalization', [value, *weights], name, axis=1, epsilon=epsilon)
    parts = [f'{name}_{row}{column}' for row, column in PHASES]
    build.add('Split', [value], f'{name}/split', parts, axis=1)
    return parts


def doubled_from_phases(build: GraphBuilder, phases: Sequence[str], layer: str, name: str) -> str:
    """
    Apply a transposed convolution that doubles an image which is there in four phases.

    Each phase goes through a transposed convolution of stride 4 with the layer's own kernel, and
    the four results add up. Those of odd rows (columns) begin one row (column) into the result.

    Args:
        build: the graph.
        phases: each (1, C, H, W), in the order of `PHASES`.
        layer: its weights, (C, K, 3, 3) and (K,), in the weights file.
        name: of the layer.

    Returns:
        (1, K, 4 * H, 4 * W).

    """
    parts: list[str] = []
    for phase, (row, column) in zip(phases, PHASES, strict=True):
        weights = [build.weight(f'{layer}.weight')]
        if not parts:
            weights.append(build.weight(f'{layer}.bias'))
        part = build.add(
            'ConvTranspose',
            [phase, *weights],
            f'{name}_{row}{column}',
            kernel_shape=[_SIDE, _SIDE],
            strides=[4, 4],
            pads=[1 - row, 1 - column, 0, 0],
            output_padding=[2 * (1 - row), 2 * (1 - column)],
        )
        if row or column:
            pads = build.constant(f'{name}/pads{row}{column}', [0, 0, row, column, 0, 0, 0, 0])
            part = build.add('Pad', [part, pads], f'{name}_{row}{column}_in_place')
        parts.append(part)
    return build.add('Sum', parts, name)
