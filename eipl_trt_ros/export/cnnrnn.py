# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The graphs of CNNRNN and CNNRNNLN, between normalised inputs and the network's raw outputs."""

from __future__ import annotations

import math

from eipl_trt_ros.export.builder import GraphBuilder
from eipl_trt_ros.export.cpu import (
    PHASES,
    doubled_from_phases,
    doubled_phases,
    normalised_phases,
)
from eipl_trt_ros.export.layers import linear, lstm
from eipl_trt_ros.spec import CNNRNN_CHANNELS, CNNRNN_SMALLEST, ModelSpec

_EPSILON = 1e-5  # torch.nn.LayerNorm's
_LAYERS = len(CNNRNN_CHANNELS) - 1


def motion(build: GraphBuilder, spec: ModelSpec, image: str, joints: str) -> str:
    """
    Go from image and joints to the next joints; give the state as outputs.

    Args:
        build: the graph.
        spec: the model.
        image: value (1, 3, 128, 128), normalised.
        joints: value (1, D), normalised.

    Returns:
        The next joints (1, D), normalised.

    """
    layer = _Layers(build, spec, 'encoder_image')
    value = image
    for index in range(_LAYERS):
        value = layer.convolution(value, f'conv{index + 1}')
        value = layer.activation(value, f'conv{index + 1}', axis=1)
    flat = build.constant('map_row', [1, math.prod(CNNRNN_SMALLEST)])
    value = build.add('Reshape', [value, flat], 'encoder_image/flat')
    layer.skip()
    for name in ('linear1', 'linear2'):
        value = layer.linear(value, name)
        value = layer.activation(value, name, axis=1)
    features = build.add('Concat', [value, joints], 'lstm/input', axis=1)
    hidden = lstm(build, features, spec.rec_dim)
    value = linear(build, hidden, 'decoder_joint.0', 'decoder_joint/linear')
    return build.add(layer.function, [value], 'decoder_joint/activation')


def image(build: GraphBuilder, spec: ModelSpec, hidden: str) -> str:
    """
    Go from the new state to the next image.

    Args:
        build: the graph.
        spec: the model.
        hidden: value (1, R), the new h.

    Returns:
        The next image (1, 3, 128, 128), normalised, not clipped.

    """
    layer = _Layers(build, spec, 'decoder_image')
    value = layer.linear(hidden, 'linear')
    value = layer.activation(value, 'linear', axis=1)
    shape = build.constant('map_shape', [1, *CNNRNN_SMALLEST])
    value = build.add('Reshape', [value, shape], 'decoder_image/map')
    layer.skip()
    by_phases = 1 if build.cpu else 0
    for index in range(_LAYERS - 1 - by_phases):
        value = layer.transposed(value, f'conv{index + 1}')
        value = layer.activation(value, f'conv{index + 1}', axis=1)
    if by_phases:
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

    def last_two_transposed(self, value: str, first: str, second: str) -> str:
        """Apply two transposed convolutions and what is between them, for a processor."""
        full = f'{self._sequence}/{first}'
        phases = doubled_phases(self._build, value, self._next(), full)
        if self._norms:
            layer = self._next()
            phases = normalised_phases(self._build, phases, layer, f'{full}_norm', _EPSILON)
        self.skip()
        phases = [
            self._build.add(self.function, [phase], f'{full}_{row}{column}_activation')
            for phase, (row, column) in zip(phases, PHASES, strict=True)
        ]
        return doubled_from_phases(self._build, phases, self._next(), f'{self._sequence}/{second}')

    def linear(self, value: str, name: str) -> str:
        """Apply a linear layer."""
        full = f'{self._sequence}/{name}'
        value = linear(self._build, value, f'{self._sequence}.{self._index}', full)
        self._index += 1
        return value

    def activation(self, value: str, name: str, axis: int) -> str:
        """Apply the layer normalisation, where the model has it, and the activation."""
        full = f'{self._sequence}/{name}'
        if self._norms:
            value = self._build.add(
                'LayerNormalization',
                [value, *self._weights()],
                f'{full}_norm',
                axis=axis,
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
