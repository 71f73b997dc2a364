# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""SARNN's graphs, between the normalised image and joints and the network's raw outputs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from eipl_trt_ros.export.builder import GraphBuilder
from eipl_trt_ros.export.cpu import convolution_by_rows, fills_few_lanes
from eipl_trt_ros.export.layers import linear, lstm, turned
from eipl_trt_ros.spec import ModelSpec

_SLOPE = 0.3  # of the leaky ReLU after every layer
_SOFTMAX_DEPTH = 70.0


def motion(build: GraphBuilder, spec: ModelSpec, image: str, joints: str) -> str:
    """
    Go from image and joints to the next joints; give the state and the points as outputs.

    Args:
        build: the graph.
        spec: the model.
        image: value (1, 3, H, W), normalised.
        joints: value (1, D), normalised.

    Returns:
        The next joints (1, D), normalised.

    """
    points = _attention(build, spec, _encode(build, spec, 'pos_encoder', image))
    flat = build.constant('points_row', [1, 2 * spec.points_dim])
    points = build.add('Reshape', [points, flat], 'attention/points_row')
    features = build.add('Concat', [points, joints], 'lstm/input', axis=1)
    hidden = lstm(build, features, spec.rec_dim)
    value = linear(build, hidden, 'decoder_point.0', 'decoder_point/linear')
    value = _leaky(build, value, 'decoder_point/activation')
    square = build.constant('points_shape', [spec.points_dim, 2])
    build.add('Reshape', [value, square], 'decoder_points')
    value = linear(build, hidden, 'decoder_joint.0', 'decoder_joint/linear')
    return _leaky(build, value, 'decoder_joint/activation')


def image(build: GraphBuilder, spec: ModelSpec, seen: str) -> str:
    """
    Go from the image that the model saw and the input ``decoder_points`` to the next image.

    Args:
        build: the graph.
        spec: the model.
        seen: value (1, 3, H, W), normalised.

    Returns:
        The next image (1, 3, H, W), normalised, not clipped.

    """
    features = _encode(build, spec, 'im_encoder', seen)
    value = build.add('Mul', [features, _heatmaps(build, spec)], 'heatmap/apply')
    height = spec.map_height
    for index in (0, 2, 4):
        height += 2
        name = f'decoder_image/conv{index // 2 + 1}'
        value = _convolution(build, value, f'decoder_image.{index}', name, height, transposed=True)
        value = _leaky(build, value, f'{name}_activation')
    return value


def _leaky(build: GraphBuilder, value: str, name: str) -> str:
    return build.add('LeakyRelu', [value], name, alpha=_SLOPE)


def _encode(build: GraphBuilder, spec: ModelSpec, encoder: str, value: str) -> str:
    """Apply one of the two encoders: (1, 3, H, W) to (1, K, H - 6, W - 6)."""
    height = spec.image_height
    for index in (0, 2, 4):
        height -= 2
        name = f'{encoder}/conv{index // 2 + 1}'
        value = _convolution(build, value, f'{encoder}.{index}', name, height)
        value = _leaky(build, value, f'{name}_activation')
    return value


def _convolution(
    build: GraphBuilder,
    value: str,
    layer: str,
    name: str,
    height: int,
    *,
    transposed: bool = False,
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

    """
    padding = 2 if transposed else 0
    kernel: NDArray[np.float32] = build.array(f'{layer}.weight')
    if transposed:
        kernel = turned(kernel)
    if build.cpu and fills_few_lanes(len(kernel)):
        bias = build.array(f'{layer}.bias')
        return convolution_by_rows(
            build, value, kernel, bias, name, weights=layer, height=height, padding=padding
        )
    weights = (
        build.constant(f'{layer}.weight_turned', kernel)
        if transposed
        else build.weight(f'{layer}.weight')
    )
    inputs = [value, weights, build.weight(f'{layer}.bias')]
    pads: dict[str, Any] = {'pads': [padding] * 4} if padding else {}
    return build.add('Conv', inputs, name, kernel_shape=[3, 3], **pads)


def _attention(build: GraphBuilder, spec: ModelSpec, maps: str) -> str:
    """
    Soft-argmax: maps (1, K, h, w) to the output ``encoder_points`` (K, 2).

    The expectation of x and of y is one matrix product with the position grid. It takes the
    decoder's, (2, h, w), which holds the same numbers as the encoder's two vectors.

    At EIPL's temperature of 1e-4 most cells lie so far below the maximum that their weight is a
    denormal number, and a CPU computes those a hundred times slower. So cells are first raised to
    70 below the maximum: all of them together then weigh less than 1e-25, which changes no bit of
    the expectation, and ONNX Runtime takes a quarter of the time.
    """
    cells = spec.map_height * spec.map_width
    shape = build.constant('maps_flat', [spec.points_dim, cells])
    value = build.add('Reshape', [maps, shape], 'attention/flat')
    temperature = build.constant('temperature', float(spec.temperature or 0))
    value = build.add('Div', [value, temperature], 'attention/logits')
    highest = build.add('ReduceMax', [value], 'attention/highest', axes=[1], keepdims=1)
    depth = build.constant('softmax_depth', _SOFTMAX_DEPTH)
    floor = build.add('Sub', [highest, depth], 'attention/floor')
    value = build.add('Max', [value, floor], 'attention/raised')
    value = build.add('Softmax', [value], 'attention/weights', axis=1)
    grid = build.weight('issm.pos_xy', [2, cells])
    return build.add('Gemm', [value, grid], 'encoder_points', transB=1)


def _heatmaps(build: GraphBuilder, spec: ModelSpec) -> str:
    """
    Inverse soft-argmax: the input ``decoder_points`` (K, 2) to maps (K, h, w).

    exp(-(dx^2 + dy^2) / s) is exp(-dx^2 / s) times exp(-dy^2 / s): h + w exponentials per map in
    the place of h * w.
    """
    build.add('Split', ['decoder_points'], 'heatmap/split', ['heatmap/x', 'heatmap/y'], axis=1)
    grid = build.array('issm.pos_xy')
    size = build.constant('minus_heatmap_size', -float(spec.heatmap_size or 0))
    points = spec.points_dim
    shapes = {'x': [points, 1, spec.map_width], 'y': [points, spec.map_height, 1]}
    for axis, places in (('x', grid[0, 0, :]), ('y', grid[1, :, 0])):
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
    return build.add('Mul', ['heatmap/y_broadcast', 'heatmap/x_broadcast'], 'heatmap/maps')
