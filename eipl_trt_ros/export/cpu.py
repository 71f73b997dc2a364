# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Layers in the form that a processor runs fastest: the same functions, to float rounding.

A processor's convolution computes 16 output channels at once (8 without AVX-512), and those that a
layer has not are computed for nothing. A GPU
fills its threads otherwise and pays for every kernel that is launched. So these forms, which save
arithmetic and add nodes, are for processors only; `doubling` has those of transposed convolutions,
and `rows` one that pays on a GPU as well.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from eipl_trt_ros.export.builder import GraphBuilder

_LANES = 16
_SIDE = 3  # of all kernels here


def fills_few_lanes(channels: int) -> bool:
    """
    Tell whether `rows.convolution_by_rows` takes less arithmetic than one convolution.

    Args:
        channels: outputs of the convolution.

    """
    return _SIDE * _padded(_SIDE * channels) < _SIDE**2 * _padded(channels)


def _padded(channels: int) -> int:
    return -(-channels // _LANES) * _LANES


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
