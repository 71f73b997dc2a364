# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Pieces of graphs that several graphs share.

Inside a graph, vectors are rows (1, n) and images are (1, 3, H, W), because Gemm and Conv want
that; at its ends they have no batch axis.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.export.builder import GraphBuilder
from eipl_trt_ros.export.doubling import blocks_as_pixels

LSTM_GATES = tuple(f'lstm/{gate}_gate' for gate in ('input', 'forget', 'cell', 'output'))

_CHW, _HWC = [0, 3, 1, 2], [0, 2, 3, 1]


@dataclass(frozen=True)
class Seen:
    """
    An image as a network's first layer takes it.

    Attributes:
        value: (1, 3, H, W), normalised; or, with a level, lines of pixels as the camera gives
            them, (1, 1, H, 3 * W), in grey levels.
        level: what a grey level is worth; None if the image is normalised.

    """

    value: str
    level: float | None = None


def row(build: GraphBuilder, value: str, length: int) -> str:
    """Give a vector (n,) a batch axis: (1, n)."""
    return build.add(
        'Reshape', [value, build.constant(f'row_{length}', [1, length])], f'{value}_row'
    )


def column(build: GraphBuilder, value: str, length: int) -> str:
    """Stand a vector (n,) upright: (n, 1)."""
    return build.add(
        'Reshape', [value, build.constant(f'column_{length}', [length, 1])], f'{value}_column'
    )


def vector(build: GraphBuilder, value: str, name: str, length: int) -> str:
    """Take the other axis off a row (1, n) or column (n, 1), under the name of a graph output."""
    return build.add('Reshape', [value, build.constant(f'vector_{length}', [length])], name)


def normalise_image(build: GraphBuilder, bundle: Bundle) -> str:
    """
    Turn the camera's image into what the network sees, (1, 3, H, W).

    x = u8 / 255 * (vmax - vmin) + vmin, as EIPL's test loops do. It divides, as they do: a product
    with 1/255 would differ in the last bit, which SARNN's small temperature can blow up. The Cast
    comes first because TensorRT does nothing else with uint8.
    """
    model = bundle.model
    value = build.add('Cast', ['image'], 'image/to_float', to=1)
    value = build.add('Div', [value, build.constant('grey_levels', 255.0)], 'image/to_unit')
    if bundle.vmax - bundle.vmin != 1.0:
        value = build.add(
            'Mul', [value, build.constant('range', bundle.vmax - bundle.vmin)], 'image/to_range'
        )
    if bundle.vmin != 0.0:
        value = build.add('Add', [value, build.constant('vmin', bundle.vmin)], 'image/shift')
    shape = build.constant('image_shape', [1, model.image_height, model.image_width, 3])
    value = build.add('Reshape', [value, shape], 'image/batch')
    return build.add('Transpose', [value], 'image/planes', perm=_CHW)


def see_image(build: GraphBuilder, bundle: Bundle) -> Seen:
    """
    Hand the camera's image to the first layer, in the form that suits the graph.

    On a processor a convolution can take the image as it comes (`cpu.convolution_of_pixels`), if
    black is zero in the normalised image too, which is what convolutions put around it.
    """
    model = bundle.model
    if not build.cpu or bundle.vmin != 0.0:
        return Seen(normalise_image(build, bundle))
    value = build.add('Cast', ['image'], 'image/to_float', to=1)
    shape = build.constant('lines_shape', [1, 1, model.image_height, 3 * model.image_width])
    return Seen(build.add('Reshape', [value, shape], 'image/lines'), bundle.vmax / 255)


def grey_levels(build: GraphBuilder, bundle: Bundle, value: str, *, blocks: bool = False) -> None:
    """
    Turn the network's image into the output ``predicted_image``, u8 (H, W, 3).

    Clipped to [vmin, vmax], to 0..255, cut off (EIPL utils/data.py ``deprocess_img``). The Cast
    comes last because TensorRT does nothing else with uint8; a processor, however, moves bytes
    faster than floats.

    Args:
        build: the graph.
        bundle: normalisation and sizes.
        value: (1, 3, H, W); or the image in blocks, (4, 4, 3, H / 4, W / 4).
        blocks: which of the two; blocks are for processors only.

    """
    model = bundle.model
    limits = [build.constant('vmin', bundle.vmin), build.constant('vmax', bundle.vmax)]
    value = build.add('Clip', [value, *limits], 'grey/clip')
    if bundle.vmin != 0.0:
        value = build.add('Sub', [value, 'vmin'], 'grey/shift')
    if bundle.vmax - bundle.vmin != 1.0:
        value = build.add(
            'Div', [value, build.constant('range', bundle.vmax - bundle.vmin)], 'grey/to_unit'
        )
    value = build.add('Mul', [value, build.constant('grey_levels', 255.0)], 'grey/to_levels')
    shape = model.image_height, model.image_width, 3
    if build.cpu:
        value = build.add('Cast', [value], 'grey/bytes', to=2)
    if blocks:
        blocks_as_pixels(build, value, 'predicted_image', shape)
        return
    value = build.add('Transpose', [value], 'grey/pixels', perm=_HWC)
    last = 'predicted_image' if build.cpu else 'grey/no_batch'
    value = build.add('Reshape', [value, build.constant('pixels_shape', [*shape])], last)
    if not build.cpu:
        build.add('Cast', [value], 'predicted_image', to=2)


def normalise_joints(build: GraphBuilder, bundle: Bundle) -> str:
    """
    Turn joints in joint units (D,) into what the network sees, (1, D).

    The bound is subtracted first: j * a + b would lose digits where the bounds lie close together
    and far from 0.
    """
    scale = (bundle.vmax - bundle.vmin) / (bundle.joint_maximum - bundle.joint_minimum)
    value = row(build, 'joints', bundle.model.joint_dim)
    minimum = build.constant('joint_minimum', bundle.joint_minimum)
    value = build.add('Sub', [value, minimum], 'joints/from_minimum')
    value = build.add('Mul', [value, build.constant('joint_to_range', scale)], 'joints/to_range')
    if bundle.vmin != 0.0:
        value = build.add('Add', [value, build.constant('vmin', bundle.vmin)], 'joints/shift')
    return value


def joint_units(build: GraphBuilder, bundle: Bundle, value: str) -> None:
    """Turn the network's joints (1, D) into the output ``predicted_joints`` (D,), not clipped."""
    scale = (bundle.joint_maximum - bundle.joint_minimum) / (bundle.vmax - bundle.vmin)
    if bundle.vmin != 0.0:
        value = build.add('Sub', [value, build.constant('vmin', bundle.vmin)], 'command/shift')
    value = build.add(
        'Mul', [value, build.constant('joint_from_range', scale)], 'command/from_range'
    )
    minimum = build.constant('joint_minimum', bundle.joint_minimum)
    value = build.add('Add', [value, minimum], 'command/from_minimum')
    vector(build, value, 'predicted_joints', bundle.model.joint_dim)


def mix(build: GraphBuilder, sensed: str, predicted: str, rest: str, name: str) -> str:
    """
    Mix what was sensed with the prediction of the frame before: p * sensed + (1 - p) * predicted.

    EIPL's closed loop (zoo/cnnrnn/bin/test.py), on normalised values. In this form, and not as
    predicted + p * (sensed - predicted), p = 1 gives the sensed value bit by bit.

    Args:
        build: the graph, with the input ``mix``, which is p.
        sensed: value of this frame.
        predicted: value that the frame before predicted for this one.
        rest: value 1 - p.
        name: what is mixed.

    Returns:
        The mixed value.

    """
    first = build.add('Mul', [sensed, 'mix'], f'mix/sensed_{name}')
    second = build.add('Mul', [predicted, rest], f'mix/predicted_{name}')
    return build.add('Add', [first, second], f'mix/{name}')


def linear(build: GraphBuilder, value: str, layer: str, name: str) -> str:
    """Apply a torch.nn.Linear, whose weight is (out, in), to a row."""
    weights = [build.weight(f'{layer}.weight'), build.weight(f'{layer}.bias')]
    return build.add('Gemm', [value, *weights], name, transB=1)


def lstm(build: GraphBuilder, value: str, rec_dim: int) -> str:
    """
    Step a torch.nn.LSTMCell: (1, F) with the inputs ``h``, ``c`` to ``next_h``, ``next_c``.

    As two matrix products and the gates rather than ONNX's LSTM, which wants the gates in another
    order. For processors; `gpu.lstm_of_sums` is for GPUs.

    Returns:
        The new h as a row (1, R).

    """
    state = row(build, 'h', rec_dim)
    weights = [build.weight('rec.weight_hh'), build.weight('rec.bias_hh')]
    from_state = build.add('Gemm', [state, *weights], 'lstm/from_state', transB=1)
    weights = [build.weight('rec.weight_ih'), build.weight('rec.bias_ih')]
    from_input = build.add('Gemm', [value, *weights], 'lstm/from_input', transB=1)
    gates = build.add('Add', [from_input, from_state], 'lstm/gates')
    build.add('Split', [gates], 'lstm/split', [f'{name}_in' for name in LSTM_GATES], axis=1)
    return next_state(build, rec_dim)


def next_state(build: GraphBuilder, rec_dim: int) -> str:
    """
    Finish the step of an LSTM whose gates are there but for their functions, named ``..._in``.

    Returns:
        The new h: on a processor as a row (1, R), on a GPU as a column (R, 1), as the gates are.

    """
    for name in LSTM_GATES:
        build.add('Tanh' if name == 'lstm/cell_gate' else 'Sigmoid', [f'{name}_in'], name)
    cell = row(build, 'c', rec_dim) if build.cpu else column(build, 'c', rec_dim)
    kept = build.add('Mul', ['lstm/forget_gate', cell], 'lstm/kept')
    new = build.add('Mul', ['lstm/input_gate', 'lstm/cell_gate'], 'lstm/new')
    cell = build.add('Add', [kept, new], 'lstm/cell')
    shown = build.add('Tanh', [cell], 'lstm/cell_tanh')
    hidden = build.add('Mul', ['lstm/output_gate', shown], 'lstm/hidden')
    vector(build, hidden, 'next_h', rec_dim)
    vector(build, cell, 'next_c', rec_dim)
    return hidden


def turned(kernel: NDArray[np.float32]) -> NDArray[np.float32]:
    """Turn the kernel of a transposed convolution of stride 1 into that of a convolution."""
    return np.ascontiguousarray(kernel.transpose(1, 0, 2, 3)[:, :, ::-1, ::-1])
