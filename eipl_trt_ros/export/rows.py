# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Convolutions by the rows of their kernels, for processors and for GPUs in fp32."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from eipl_trt_ros.export.builder import GraphBuilder

_SIDE = 3  # of the kernels


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
    the 5 outputs of SARNN's third layer, 15 of a processor's 16 lanes are in use in the place of
    5, and a third of the time is left. A GPU's block of threads computes a tile that is wider than
    5 outputs as well, and goes through a sum that is a third as long.

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
