# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Convolutions over blocks of pixels, and with more channels, as GPUs run them fastest.

Tensor cores multiply matrices whose sides are channels, and with few of them they wait: TensorRT
then takes kernels that do one thing after the other. So an image is taken in *blocks* of 2x2
pixels, four times the channels on a quarter of the places, and where channels are still few, zeros
are put beside them. Either costs products with zeros, which a tensor core has done before the next
numbers are there. CUDA cores, which compute in fp32, take longer for most of them; for them only
an image that comes in as pixels, or doubles, goes by blocks.

Channel 4 * c + 2 * row + column of a block image is the pixel (row, column) of the block in
channel c of the image: the order of ONNX's DepthToSpace in its mode CRD.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eipl_trt_ros.export.builder import GraphBuilder

LANES = 16  # channels that a tensor core's product takes at a time
WIDE = 64  # from so many channels on, taken or given, TensorRT-RTX takes its kernels of Hopper
_SIDE = 3  # of all kernels that become ones over blocks

Floats = NDArray[np.float32]


def whole_lanes(channels: int) -> int:
    """Round a number of channels up to whole lanes."""
    return -(-channels // LANES) * LANES


def kernel_over_blocks(kernel: Floats) -> Floats:
    """
    Turn a kernel over pixels, stride 1, into one that goes from blocks to blocks.

    Args:
        kernel: (K, C, 3, 3).

    Returns:
        (4 * K, 4 * C, 2, 2): with a padding of n blocks, what the kernel gives with a padding of
        2 * n pixels.

    """
    count, before = kernel.shape[:2]
    found = np.zeros((count, 2, 2, before, 2, 2, 2, 2), np.float32)
    for row, column in np.ndindex(2, 2):
        for y, x in np.ndindex(_SIDE, _SIDE):
            (down, below), (right, beside) = divmod(row + y, 2), divmod(column + x, 2)
            found[:, row, column, :, below, beside, down, right] = kernel[:, :, y, x]
    return found.reshape(4 * count, 4 * before, 2, 2)


def halving_kernel_over_blocks(kernel: Floats) -> Floats:
    """
    Turn a kernel over pixels that halves the image into one that takes blocks and gives pixels.

    Args:
        kernel: (K, C, 3, 3), for stride 2 and a padding of 1.

    Returns:
        (K, 4 * C, 2, 2), for stride 1 and a padding of one block above and on the left.

    """
    count, before = kernel.shape[:2]
    found = np.zeros((count, before, 2, 2, 2, 2), np.float32)
    for y, x in np.ndindex(_SIDE, _SIDE):
        (down, below), (right, beside) = divmod(y + 1, 2), divmod(x + 1, 2)
        found[:, :, below, beside, down, right] = kernel[:, :, y, x]
    return found.reshape(count, 4 * before, 2, 2)


def doubling_kernel_into_blocks(kernel: Floats) -> Floats:
    """
    Turn the kernel of a transposed convolution that doubles the image into an ordinary one.

    Each of the four pixels of a block depends on the input around the block through taps of its
    own, so it is a channel of its own.

    Args:
        kernel: (C, K, 3, 3), for stride 2, padding 1 and output padding 1.

    Returns:
        (4 * K, C, 2, 2), which takes pixels and gives blocks, for a padding of one pixel below and
        on the right.

    """
    before, count = kernel.shape[:2]
    # (pixel of the block, pixel of the input after the block's own): tap
    taps = {(0, 0): 1, (1, 0): 2, (1, 1): 0}
    found = np.zeros((count, 2, 2, before, 2, 2), np.float32)
    for (row, down), y in taps.items():
        for (column, right), x in taps.items():
            found[:, row, column, :, down, right] = kernel[:, :, y, x].T
    return found.reshape(4 * count, before, 2, 2)


@dataclass(frozen=True)
class Filters:
    """
    What a convolution multiplies with.

    Attributes:
        kernel: (K, C, h, w).
        bias: (K,).
        name: of the layer in the weights file, with what makes these others than the stored ones.

    """

    kernel: Floats
    bias: Floats
    name: str

    def widened(self, takes: int, gives: int) -> Filters:
        """Put zeros beside them, for so many channels; channels that they add are zero."""
        kernel = np.zeros((gives, takes, *self.kernel.shape[2:]), np.float32)
        kernel[: self.kernel.shape[0], : self.kernel.shape[1]] = self.kernel
        bias = np.zeros(gives, np.float32)
        bias[: len(self.bias)] = self.bias
        return Filters(kernel, bias, self.name)


def convolution(
    build: GraphBuilder, value: str, filters: Filters, name: str, **attributes: Any
) -> str:
    """Append a convolution with filters that are not the stored ones; they are in the graph."""
    inputs = [
        value,
        build.constant(f'{filters.name}.weight', filters.kernel),
        build.constant(f'{filters.name}.bias', filters.bias),
    ]
    return build.add('Conv', inputs, name, kernel_shape=[*filters.kernel.shape[2:]], **attributes)


def image_in_blocks(
    build: GraphBuilder, value: str, name: str, shape: tuple[int, int, int]
) -> str:
    """
    Take an image in blocks.

    Args:
        build: the graph.
        value: (1, C, H, W).
        name: of the image.
        shape: C, H and W; H and W are even.

    Returns:
        (1, 4 * C, H / 2, W / 2).

    """
    count, height, width = shape[0], shape[1] // 2, shape[2] // 2
    apart = build.constant(f'{name}/apart', [count, height, 2, width, 2])
    value = build.add('Reshape', [value, apart], f'{name}/pixels_apart')
    value = build.add('Transpose', [value], f'{name}/pixels_of_blocks', perm=[0, 2, 4, 1, 3])
    blocks = build.constant(f'{name}/blocks_shape', [1, 4 * count, height, width])
    return build.add('Reshape', [value, blocks], f'{name}/blocks')


def pixels_of_blocks(build: GraphBuilder, value: str, name: str) -> str:
    """Put the pixels of blocks together: (1, 4 * C, H, W) to (1, C, 2 * H, 2 * W)."""
    return build.add('DepthToSpace', [value], name, blocksize=2, mode='CRD')


def with_channels(
    build: GraphBuilder, value: str, name: str, shape: Sequence[int], channels: int
) -> str:
    """
    Put channels of zeros beside those of an image, or take channels away from its end.

    Args:
        build: the graph.
        value: (1, C, H, W).
        name: of the place in the graph.
        shape: C, H and W.
        channels: how many it shall have.

    Returns:
        (1, channels, H, W).

    """
    count, *size = shape
    if count > channels:
        ends = [build.constant(f'number_{number}', [number]) for number in (0, channels, 1)]
        return build.add('Slice', [value, *ends], f'{name}/channels')
    if count == channels:
        return value
    empty = build.constant(f'{name}/empty_shape', [1, channels - count, *size])
    zeros = build.add('Expand', [build.constant('zero', 0.0), empty], f'{name}/empty')
    return build.add('Concat', [value, zeros], f'{name}/channels', axis=1)
