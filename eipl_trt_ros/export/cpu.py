# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Layers in the form that a processor runs fastest: the same functions, to float rounding.

A processor's convolution computes 16 output channels at once (8 without AVX-512), and those that a
layer has not are computed for nothing. A GPU
fills its threads otherwise and pays for every kernel that is launched. So these forms, which save
arithmetic and add nodes, are for processors only; `doubling` has those of transposed convolutions.
"""

from __future__ import annotations

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


def convolution_of_pixels(
    build: GraphBuilder,
    value: str,
    kernel: NDArray[np.float32],
    bias: str,
    name: str,
    *,
    weights: str,
    level: float,
    stride: int = 1,
    padding: int = 0,
) -> str:
    """
    Apply a 3x3 convolution to a camera's image as it comes: channels last, in grey levels.

    Lines of pixels of three numbers are an image of one channel and three times the width, and the
    convolution is one with a kernel of 3x9 there. So nothing has to be brought into planes; and
    what a grey level is worth goes into the weights.

    Args:
        build: the graph.
        value: (1, 1, H, 3 * W).
        kernel: (K, 3, 3, 3).
        bias: value (K,).
        name: of the layer.
        weights: name for the constant.
        level: what a grey level is worth.
        stride: of the convolution, in pixels.
        padding: zeros around the value, in pixels on each side.

    Returns:
        What the convolution of the planes (1, 3, H, W) would give.

    """
    lines = kernel.transpose(0, 2, 3, 1).reshape(len(kernel), 1, _SIDE, 3 * _SIDE)
    scaled = (lines.astype(np.float64) * level).astype(np.float32)
    return build.add(
        'Conv',
        [value, build.constant(f'{weights}.weight_pixels', scaled), bias],
        name,
        kernel_shape=[_SIDE, 3 * _SIDE],
        strides=[stride, 3 * stride],
        pads=[padding, 3 * padding] * 2,
    )
