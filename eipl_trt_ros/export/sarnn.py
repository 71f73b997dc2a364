# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""SARNN's graphs, between the normalised image and joints and the network's raw outputs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from eipl_trt_ros.export.blocks import (
    Filters,
    convolution,
    image_in_blocks,
    kernel_over_blocks,
    pixels_of_blocks,
    whole_lanes,
    with_channels,
)
from eipl_trt_ros.export.builder import GraphBuilder
from eipl_trt_ros.export.cpu import convolution_of_pixels, fills_few_lanes
from eipl_trt_ros.export.gpu import linear_of_sums, lstm_of_sums, soft_argmax_by_rows
from eipl_trt_ros.export.layers import Seen, linear, lstm, turned
from eipl_trt_ros.export.rows import convolution_by_rows
from eipl_trt_ros.spec import ModelSpec

_SLOPE = 0.3  # of the leaky ReLU after every layer
_SOFTMAX_DEPTH = 70.0


def motion(build: GraphBuilder, spec: ModelSpec, image: Seen, joints: str) -> str:
    """
    Go from image and joints to the next joints; give the state and the points as outputs.

    Args:
        build: the graph.
        spec: the model.
        image: what the camera sees.
        joints: value (1, D), normalised.

    Returns:
        The next joints (1, D), normalised.

    """
    # A leaky ReLU lets a factor through: on a processor the division by the temperature is in the
    # weights before it.
    factor = 1 / (spec.temperature or 1.0) if build.cpu else 1.0
    maps = _encode(build, spec, 'pos_encoder', image, factor)
    points = _attention(build, spec, maps) if build.cpu else _attention_by_rows(build, spec, maps)
    flat = build.constant('points_row', [1, 2 * spec.points_dim])
    points = build.add('Reshape', [points, flat], 'attention/points_row')
    if build.cpu:
        features = build.add('Concat', [points, joints], 'lstm/input', axis=1)
        hidden = lstm(build, features, spec.rec_dim)
        value = linear(build, hidden, 'decoder_point.0', 'decoder_point/linear')
        value = _leaky(build, value, 'decoder_point/activation')
        _points(build, spec, value)
        value = linear(build, hidden, 'decoder_joint.0', 'decoder_joint/linear')
        return _leaky(build, value, 'decoder_joint/activation')
    hidden = lstm_of_sums(build, [points, joints], spec.rec_dim)
    layers = 'decoder_joint.0', 'decoder_point.0'
    value = linear_of_sums(build, hidden, layers, 'decoders/linear')
    value = _leaky(build, value, 'decoders/activation')
    sizes = build.constant('decoders_sizes', [spec.joint_dim, 2 * spec.points_dim])
    names = ['decoders/joints', 'decoders/points']
    build.add('Split', [value, sizes], 'decoders/split', names, axis=1)
    _points(build, spec, names[1])
    return names[0]


def _points(build: GraphBuilder, spec: ModelSpec, value: str) -> None:
    shape = build.constant('points_shape', [spec.points_dim, 2])
    build.add('Reshape', [value, shape], 'decoder_points')


def image(build: GraphBuilder, spec: ModelSpec, seen: Seen) -> str:
    """
    Go from the image that the model saw and the input ``decoder_points`` to the next image.

    Args:
        build: the graph.
        spec: the model.
        seen: the image that the model saw.

    Returns:
        The next image (1, 3, H, W), normalised, not clipped.

    """
    features = _encode(build, spec, 'im_encoder', seen)
    value = build.add('Mul', [features, _heatmaps(build, spec)], 'heatmap/apply')
    blocks = _in_blocks(build, spec)
    if blocks:
        size = 4 * spec.points_dim, spec.map_height // 2, spec.map_width // 2
        value = with_channels(build, value, 'decoder_image', size, whole_lanes(size[0]))
    height = spec.map_height
    for index in (0, 2, 4):
        height += 2
        layer, name = f'decoder_image.{index}', f'decoder_image/conv{index // 2 + 1}'
        if blocks:
            value = _convolution_of_blocks(build, value, layer, name, transposed=True)
        else:
            value = _convolution(build, value, layer, name, height, transposed=True)
        value = _leaky(build, value, f'{name}_activation')
    return pixels_of_blocks(build, value, 'decoder_image/together') if blocks else value


def _leaky(build: GraphBuilder, value: str, name: str) -> str:
    return build.add('LeakyRelu', [value], name, alpha=_SLOPE)


def _encode(
    build: GraphBuilder, spec: ModelSpec, encoder: str, seen: Seen, factor: float = 1.0
) -> str:
    """
    Apply one of the two encoders: what the camera sees to maps (1, K, H - 6, W - 6).

    For tensor cores the maps are in blocks: (1, 4 * K, H / 2 - 3, W / 2 - 3).
    """
    height, value = spec.image_height, seen.value
    blocks = _in_blocks(build, spec)
    if blocks:
        size = 3, spec.image_height, spec.image_width
        value = image_in_blocks(build, value, 'image', size)
        size = 4 * size[0], size[1] // 2, size[2] // 2
        value = with_channels(build, value, 'image', size, whole_lanes(size[0]))
    for index in (0, 2, 4):
        height -= 2
        layer, name = f'{encoder}.{index}', f'{encoder}/conv{index // 2 + 1}'
        if blocks:
            value = _convolution_of_blocks(build, value, layer, name)
        elif index == 0 and seen.level is not None:
            kernel, bias = build.array(f'{layer}.weight'), build.weight(f'{layer}.bias')
            value = convolution_of_pixels(
                build, value, kernel, bias, name, weights=layer, level=seen.level
            )
        else:
            value = _convolution(
                build, value, layer, name, height, factor=factor if index == 4 else 1.0
            )
        value = _leaky(build, value, f'{name}_activation')
    return value


def _in_blocks(build: GraphBuilder, spec: ModelSpec) -> bool:
    """Tell whether the graph takes images in blocks; an odd side cannot be taken so."""
    return build.half and spec.image_height % 2 == 0 and spec.image_width % 2 == 0


def _convolution_of_blocks(
    build: GraphBuilder, value: str, layer: str, name: str, *, transposed: bool = False
) -> str:
    """Do what `_convolution` does, from blocks to blocks, with whole lanes of channels."""
    kernel = build.array(f'{layer}.weight')
    kernel = kernel_over_blocks(turned(kernel) if transposed else kernel)
    bias = np.repeat(build.array(f'{layer}.bias'), 4)
    filters = Filters(kernel, bias, f'{layer}.blocks')
    filters = filters.widened(whole_lanes(kernel.shape[1]), len(kernel))
    return convolution(build, value, filters, name, **({'pads': [1] * 4} if transposed else {}))


def _convolution(
    build: GraphBuilder,
    value: str,
    layer: str,
    name: str,
    height: int,
    *,
    transposed: bool = False,
    factor: float = 1.0,
) -> str:
    """
    Apply a 3x3 convolution without padding, or a transposed one of stride 1.

    A transposed convolution of stride 1 without padding is a convolution with a padding of two,
    channels swapped and the kernel turned by 180 degrees. As a Conv it takes ONNX Runtime less
    than half of the time on a CPU, and TensorRT quantises it like any other. The kernel is not
    the stored one then, so it is kept in the graph.

    Args:
        build: the graph.
        value: (1, C, H, W).
        layer: its weights in the weights file.
        name: of the layer.
        height: rows of the result.
        transposed: which of the two.
        factor: of the result.

    """
    padding = 2 if transposed else 0
    kernel: NDArray[np.float32] = build.array(f'{layer}.weight')
    bias: NDArray[np.float32] = build.array(f'{layer}.bias')
    changed = ''
    if transposed:
        kernel, changed = turned(kernel), '_turned'
    if factor != 1.0:
        kernel, bias = (np.float32(factor * part.astype(np.float64)) for part in (kernel, bias))
        changed += '_scaled'
    count, before = kernel.shape[:2]
    # on a GPU it pays where a layer gives less than it takes (measured, docs/performance.md)
    if fills_few_lanes(count) if build.cpu else count < before:
        return convolution_by_rows(
            build, value, kernel, bias, name, weights=layer, height=height, padding=padding
        )
    weight, offset = f'{layer}.weight', f'{layer}.bias'
    inputs = [
        value,
        build.constant(weight + changed, kernel) if changed else build.weight(weight),
        build.constant(f'{offset}_scaled', bias) if factor != 1.0 else build.weight(offset),
    ]
    pads: dict[str, Any] = {'pads': [padding] * 4} if padding else {}
    return build.add('Conv', inputs, name, kernel_shape=[3, 3], **pads)


def _attention(build: GraphBuilder, spec: ModelSpec, maps: str) -> str:
    """
    Soft-argmax for processors: scaled maps (1, K, h, w) to the output ``encoder_points`` (K, 2).

    The expectation of x and of y goes by rows and columns, with the decoder's position grid, (2,
    h, w), which holds the same numbers as the encoder's two vectors. That takes half of the time
    that one matrix product with the grid takes.

    At EIPL's temperature of 1e-4 most cells lie so far below the maximum that their weight is a
    denormal number, and a CPU computes those a hundred times slower. So cells are first raised to
    70 below the maximum: all of them together then weigh less than 1e-25, which changes no bit of
    the expectation, and ONNX Runtime takes a quarter of the time.
    """
    height, width = spec.map_height, spec.map_width
    cells = height * width
    shape = build.constant('maps_flat', [spec.points_dim, cells])
    value = build.add('Reshape', [maps, shape], 'attention/flat')
    highest = build.add('ReduceMax', [value], 'attention/highest', axes=[1], keepdims=1)
    depth = build.constant('softmax_depth', _SOFTMAX_DEPTH)
    floor = build.add('Sub', [highest, depth], 'attention/floor')
    value = build.add('Max', [value, floor], 'attention/raised')
    value = build.add('Softmax', [value], 'attention/weights', axis=1)
    # Over the rows first, once as they are and once times y, then over the columns.
    x, y = _places(build)
    shape = build.constant('maps_shape', [spec.points_dim, height, width])
    value = build.add('Reshape', [value, shape], 'attention/maps')
    over_rows = build.constant('over_rows', np.stack([np.ones_like(y), y]))
    value = build.add('MatMul', [over_rows, value], 'attention/columns')
    shape = build.constant('columns_flat', [spec.points_dim, 2 * width])
    value = build.add('Reshape', [value, shape], 'attention/columns_flat')
    over_columns = np.zeros((2, width, 2), np.float32)
    over_columns[0, :, 0], over_columns[1, :, 1] = x, 1
    product = build.constant('over_columns', over_columns.reshape(2 * width, 2))
    return build.add('MatMul', [value, product], 'encoder_points')


def _attention_by_rows(build: GraphBuilder, spec: ModelSpec, maps: str) -> str:
    """Soft-argmax for GPUs: maps (1, K, h, w) to the output ``encoder_points`` (K, 2)."""
    temperature = build.constant('temperature', float(spec.temperature or 0))
    value = build.add('Div', [maps, temperature], 'attention/logits')
    side = 2 if _in_blocks(build, spec) else 1
    return soft_argmax_by_rows(build, value, *_places(build), side)


def _places(build: GraphBuilder) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return x of each column and y of each row of a map."""
    grid = build.array('issm.pos_xy')
    return grid[0, 0, :], grid[1, :, 0]


def _heatmaps(build: GraphBuilder, spec: ModelSpec) -> str:
    """
    Inverse soft-argmax: the input ``decoder_points`` (K, 2) to maps (K, h, w).

    exp(-(dx^2 + dy^2) / s) is exp(-dx^2 / s) times exp(-dy^2 / s): h + w exponentials per map in
    the place of h * w. For tensor cores the maps are in blocks, (1, 4 * K, h / 2, w / 2).
    """
    build.add('Split', ['decoder_points'], 'heatmap/split', ['heatmap/x', 'heatmap/y'], axis=1)
    size = build.constant('minus_heatmap_size', -float(spec.heatmap_size or 0))
    points = spec.points_dim
    height, width, blocks = spec.map_height, spec.map_width, _in_blocks(build, spec)
    shapes = {'x': [points, 1, width], 'y': [points, height, 1]}
    if blocks:
        height, width = height // 2, width // 2
        shapes = {'x': [points, 1, 1, width, 2], 'y': [points, height, 2, 1, 1]}
    for axis, places in zip('xy', _places(build), strict=True):
        value = build.add(
            'Sub',
            [build.constant(f'places_{axis}', places), f'heatmap/{axis}'],
            f'heatmap/d{axis}',
        )
        value = build.add('Mul', [value, value], f'heatmap/d{axis}_squared')
        value = build.add('Div', [value, size], f'heatmap/{axis}_exponent')
        value = build.add('Exp', [value], f'heatmap/{axis}_profile')
        shape = build.constant(f'profile_{axis}_shape', shapes[axis])
        build.add('Reshape', [value, shape], f'heatmap/{axis}_broadcast')
    profiles = ['heatmap/y_broadcast', 'heatmap/x_broadcast']
    if not blocks:
        return build.add('Mul', profiles, 'heatmap/maps')
    value = build.add('Mul', profiles, 'heatmap/pixels_apart')
    value = build.add('Transpose', [value], 'heatmap/pixels_of_blocks', perm=[0, 2, 4, 1, 3])
    shape = build.constant('heatmap_shape', [1, 4 * points, height, width])
    return build.add('Reshape', [value, shape], 'heatmap/maps')
