# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The graphs of CNNRNN and CNNRNNLN, between normalised inputs and the network's raw outputs."""

from __future__ import annotations

import math
from collections.abc import Sequence

from eipl_trt_ros.export.builder import GraphBuilder
from eipl_trt_ros.export.cpu import convolution_of_pixels
from eipl_trt_ros.export.doubling import (
    doubled_again,
    doubled_columns,
    doubled_rows,
    normalised_columns,
    normalised_together,
    rows_together,
)
from eipl_trt_ros.export.gpu import linear_of_sums, lstm_of_sums, normalised_map
from eipl_trt_ros.export.layers import Seen, linear, lstm
from eipl_trt_ros.spec import CNNRNN_CHANNELS, CNNRNN_SMALLEST, ModelSpec

_EPSILON = 1e-5  # torch.nn.LayerNorm's
_LAYERS = len(CNNRNN_CHANNELS) - 1
_BY_ROWS_SIDE = 16  # of the map that the last but two transposed convolution doubles


def motion(build: GraphBuilder, spec: ModelSpec, image: Seen, joints: str) -> str:
    """
    Go from image and joints to the next joints; give the state as outputs.

    Args:
        build: the graph.
        spec: the model.
        image: what the camera sees.
        joints: value (1, D), normalised.

    Returns:
        The next joints (1, D), normalised.

    """
    layer = _Layers(build, spec, 'encoder_image')
    value = layer.first_convolution(image, 'conv1')
    value = layer.activation(value, 'conv1')
    for index in range(1, _LAYERS):
        value = layer.convolution(value, f'conv{index + 1}')
        value = layer.activation(value, f'conv{index + 1}')
    flat = build.constant('map_row', [1, math.prod(CNNRNN_SMALLEST)])
    value = build.add('Reshape', [value, flat], 'encoder_image/flat')
    layer.skip()
    for name in ('linear1', 'linear2'):
        value = layer.linear(value, name)
        value = layer.activation(value, name, is_map=False)
    if build.cpu:
        features = build.add('Concat', [value, joints], 'lstm/input', axis=1)
        hidden = lstm(build, features, spec.rec_dim)
        value = linear(build, hidden, 'decoder_joint.0', 'decoder_joint/linear')
    else:
        hidden = lstm_of_sums(build, [value, joints], spec.rec_dim)
        value = linear_of_sums(build, hidden, ['decoder_joint.0'], 'decoder_joint/linear')
    return build.add(layer.function, [value], 'decoder_joint/activation')


def image(build: GraphBuilder, spec: ModelSpec, hidden: str) -> str:
    """
    Go from the new state to the next image.

    Args:
        build: the graph.
        spec: the model.
        hidden: value (1, R), the new h.

    Returns:
        The next image (1, 3, 128, 128), normalised, not clipped; for a processor in blocks, (4, 4,
        3, 32, 32), as `doubling.doubled_again` gives them.

    """
    layer = _Layers(build, spec, 'decoder_image')
    value = layer.linear(hidden, 'linear')
    value = layer.activation(value, 'linear', is_map=False)
    shape = build.constant('map_shape', [1, *CNNRNN_SMALLEST])
    value = build.add('Reshape', [value, shape], 'decoder_image/map')
    layer.skip()
    as_they_are = _LAYERS - 3 if build.cpu else _LAYERS - 1
    for index in range(as_they_are):
        value = layer.transposed(value, f'conv{index + 1}')
        value = layer.activation(value, f'conv{index + 1}')
    if build.cpu:
        value = layer.transposed_by_rows(value, f'conv{_LAYERS - 2}', CNNRNN_CHANNELS[2])
        value = layer.last_two_transposed(value, f'conv{_LAYERS - 1}', f'conv{_LAYERS}')
    else:
        value = layer.transposed(value, f'conv{_LAYERS}')
    return build.add(layer.function, [value], f'decoder_image/conv{_LAYERS}_activation')


class _Layers:
    """Counts through a torch.nn.Sequential, whose weights are named by the layer's number."""

    def __init__(self, build: GraphBuilder, spec: ModelSpec, sequence: str) -> None:
        self._build = build
        self._sequence = sequence
        self._index = 0
        self._norms = spec.type == 'cnnrnnln'
        self.function = 'Relu' if self._norms else 'Tanh'

    def skip(self) -> None:
        """Pass over a layer without weights."""
        self._index += 1

    def first_convolution(self, image: Seen, name: str) -> str:
        """Apply the convolution that takes what the camera sees."""
        if image.level is None:
            return self.convolution(image.value, name)
        layer = self._next()
        return convolution_of_pixels(
            self._build,
            image.value,
            self._build.array(f'{layer}.weight'),
            self._build.weight(f'{layer}.bias'),
            f'{self._sequence}/{name}',
            weights=layer,
            level=image.level,
            stride=2,
            padding=1,
        )

    def convolution(self, value: str, name: str) -> str:
        """Apply a 3x3 convolution that halves the image."""
        return self._build.add(
            'Conv',
            [value, *self._weights()],
            f'{self._sequence}/{name}',
            kernel_shape=[3, 3],
            strides=[2, 2],
            pads=[1, 1, 1, 1],
        )

    def transposed(self, value: str, name: str) -> str:
        """Apply a 3x3 transposed convolution that doubles the image."""
        return self._build.add(
            'ConvTranspose',
            [value, *self._weights()],
            f'{self._sequence}/{name}',
            kernel_shape=[3, 3],
            strides=[2, 2],
            pads=[1, 1, 1, 1],
            output_padding=[1, 1],
        )

    def transposed_by_rows(self, value: str, name: str, channels: int) -> str:
        """Apply a transposed convolution and what is behind it, for a processor."""
        full = f'{self._sequence}/{name}'
        rows = doubled_rows(self._build, value, self._next(), full)
        shape = channels, _BY_ROWS_SIDE, _BY_ROWS_SIDE
        if self._norms:
            value = rows_together(self._build, rows, full, shape)
            value = normalised_together(self._build, value, self._next(), f'{full}_norm', _EPSILON)
            value = self._build.add(self.function, [value], f'{full}_activation')
        else:  # before they are put together: there the convolution does it
            value = rows_together(self._build, self._activated(rows, full), full, shape)
        self.skip()
        return self._build.add('Transpose', [value], f'{full}_planes', perm=[0, 3, 1, 2])

    def last_two_transposed(self, value: str, first: str, second: str) -> str:
        """Apply two transposed convolutions and what is between them, for a processor."""
        full = f'{self._sequence}/{first}'
        parts = doubled_columns(self._build, value, self._next(), full)
        if self._norms:
            norm = f'{full}_norm'
            parts = [normalised_columns(self._build, parts, self._next(), norm, _EPSILON)]
        parts = self._activated(parts, full)
        self.skip()
        name, side = f'{self._sequence}/{second}', 2 * _BY_ROWS_SIDE
        return doubled_again(self._build, parts, self._next(), name, (side, side))

    def _activated(self, values: Sequence[str], name: str) -> list[str]:
        return [
            self._build.add(self.function, [value], f'{name}_activation{index}')
            for index, value in enumerate(values)
        ]

    def linear(self, value: str, name: str) -> str:
        """Apply a linear layer."""
        full = f'{self._sequence}/{name}'
        value = linear(self._build, value, f'{self._sequence}.{self._index}', full)
        self._index += 1
        return value

    def activation(self, value: str, name: str, *, is_map: bool = True) -> str:
        """Apply the layer normalisation, where the model has it, and the activation."""
        full = f'{self._sequence}/{name}'
        if self._norms and is_map and not self._build.cpu:
            value = normalised_map(self._build, value, self._next(), f'{full}_norm', _EPSILON)
        elif self._norms:
            value = self._build.add(
                'LayerNormalization',
                [value, *self._weights()],
                f'{full}_norm',
                axis=1,
                epsilon=_EPSILON,
            )
        self._index += 1
        return self._build.add(self.function, [value], f'{full}_activation')

    def _next(self) -> str:
        self._index += 1
        return f'{self._sequence}.{self._index - 1}'

    def _weights(self) -> list[str]:
        layer = self._next()
        return [self._build.weight(f'{layer}.weight'), self._build.weight(f'{layer}.bias')]
