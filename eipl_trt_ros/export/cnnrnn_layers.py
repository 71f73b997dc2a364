# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The layers of CNNRNN's and CNNRNNLN's encoders and decoders, in each form of a graph."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from eipl_trt_ros.export.blocks import (
    WIDE,
    Filters,
    convolution,
    doubling_kernel_into_blocks,
    halving_kernel_over_blocks,
    image_in_blocks,
    pixels_of_blocks,
    whole_lanes,
    with_channels,
)
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
from eipl_trt_ros.export.gpu import normalised_map
from eipl_trt_ros.export.layers import Seen, linear
from eipl_trt_ros.spec import CNNRNN_CHANNELS, Form, ModelSpec

Shape = tuple[int, int, int]

_EPSILON = 1e-5  # torch.nn.LayerNorm's
_BY_ROWS_SIDE = 16  # of the map that the last but two transposed convolution doubles


class Layers:
    """
    Counts through a torch.nn.Sequential, whose weights are named by the layer's number.

    As it is, it writes the general form, for a GPU in fp32.

    Args:
        build: the graph.
        spec: the model.
        sequence: name of the sequence.
        shape: channels, rows and columns of the image that its first convolution takes.

    """

    def __init__(self, build: GraphBuilder, spec: ModelSpec, sequence: str, shape: Shape) -> None:
        self._build = build
        self._sequence = sequence
        self._shape = shape  # of the image as it is now
        self._index = 0
        self._norms = spec.type == 'cnnrnnln'
        self.function = 'Relu' if self._norms else 'Tanh'

    def skip(self) -> None:
        """Pass over a layer without weights."""
        self._index += 1

    def first_convolution(self, image: Seen, name: str) -> str:
        """Apply the convolution that takes what the camera sees: an image in blocks."""
        value = image_in_blocks(self._build, image.value, 'image', self._shape)
        self._shape = 4 * self._shape[0], *self._halved()
        layer = self._next()
        kernel = halving_kernel_over_blocks(self._build.array(f'{layer}.weight'))
        filters = Filters(kernel, self._build.array(f'{layer}.bias'), f'{layer}.blocks')
        return self._of_blocks(value, name, filters)

    def convolution(self, value: str, name: str) -> str:
        """Apply a 3x3 convolution that halves the image."""
        weights = self._weights()
        self._shape = len(self._build.array(weights[1])), *self._halved()
        return self._build.add(
            'Conv',
            [value, *weights],
            f'{self._sequence}/{name}',
            kernel_shape=[3, 3],
            strides=[2, 2],
            pads=[1, 1, 1, 1],
        )

    def transposed(self, value: str, name: str) -> str:
        """Apply a 3x3 transposed convolution that doubles the image."""
        return self._doubled(value, name, self._doubling_filters())

    def only_channels(self, value: str, name: str, channels: int) -> str:
        """Take channels away from the end of the image, or put channels of zeros there."""
        value = with_channels(self._build, value, name, self._shape, channels)
        self._shape = channels, *self._shape[1:]
        return value

    def linear(self, value: str, name: str) -> str:
        """Apply a linear layer."""
        return linear(self._build, value, self._next(), f'{self._sequence}/{name}')

    def activation(self, value: str, name: str, *, is_map: bool = True) -> str:
        """Apply the layer normalisation, where the model has it, and the activation."""
        full = f'{self._sequence}/{name}'
        if self._norms:
            normalised = self._normalised_map if is_map else self._normalised_vector
            value = normalised(value, f'{full}_norm')
        self.skip()
        return self._build.add(self.function, [value], f'{full}_activation')

    def _of_blocks(self, value: str, name: str, filters: Filters) -> str:
        self._shape = len(filters.bias), *self._shape[1:]
        full = f'{self._sequence}/{name}'
        return convolution(self._build, value, filters, full, pads=[1, 1, 0, 0])

    def _normalised_map(self, value: str, name: str) -> str:
        layer = self._next()
        channels = len(self._build.array(f'{layer}.weight'))
        value = self.only_channels(value, f'{name}/given', channels)
        return normalised_map(self._build, value, layer, name, _EPSILON)

    def _normalised_vector(self, value: str, name: str) -> str:
        inputs = [value, *self._weights()]
        return self._build.add('LayerNormalization', inputs, name, axis=1, epsilon=_EPSILON)

    def _doubling_filters(self) -> Filters:
        layer = self._next()
        kernel = doubling_kernel_into_blocks(self._build.array(f'{layer}.weight'))
        bias = np.repeat(self._build.array(f'{layer}.bias'), 4)
        return Filters(kernel, bias, f'{layer}.blocks')

    def _doubled(self, value: str, name: str, filters: Filters) -> str:
        full = f'{self._sequence}/{name}'
        _, height, width = self._shape
        value = convolution(self._build, value, filters, full, pads=[0, 0, 1, 1])
        self._shape = len(filters.bias) // 4, 2 * height, 2 * width
        return pixels_of_blocks(self._build, value, f'{full}/together')

    def _halved(self) -> tuple[int, int]:
        return self._shape[1] // 2, self._shape[2] // 2

    def _next(self) -> str:
        self._index += 1
        return f'{self._sequence}.{self._index - 1}'

    def _weights(self) -> list[str]:
        layer = self._next()
        return [self._build.weight(f'{layer}.weight'), self._build.weight(f'{layer}.bias')]


class LayersForTensorCores(Layers):
    """
    Writes the form for tensor cores: channels in whole lanes, and enough of them.

    Channels that are put beside the others are zero, before and after CNNRNN's tanh; CNNRNNLN's
    are taken away before the normalisation.
    """

    def convolution(self, value: str, name: str) -> str:
        """See `Layers`."""
        layer = self._next()
        kernel, bias = (self._build.array(f'{layer}.{part}') for part in ('weight', 'bias'))
        filters = Filters(kernel, bias, f'{layer}.wide')
        value = self._wide(value, name, filters, strides=[2, 2], pads=[1, 1, 1, 1])
        self._shape = self._shape[0], *self._halved()
        return value

    def transposed(self, value: str, name: str) -> str:
        """See `Layers`."""
        filters = self._doubling_filters()
        count = len(filters.bias) // 4
        if count != CNNRNN_CHANNELS[0]:
            count = whole_lanes(count)
        value = self._in_lanes(value, name)
        return self._doubled(value, name, filters.widened(self._shape[0], 4 * count))

    def _of_blocks(self, value: str, name: str, filters: Filters) -> str:
        return self._wide(value, name, filters, pads=[1, 1, 0, 0])

    def _in_lanes(self, value: str, name: str) -> str:
        lanes = whole_lanes(self._shape[0])
        return self.only_channels(value, f'{self._sequence}/{name}', lanes)

    def _wide(self, value: str, name: str, filters: Filters, **attributes: list[int]) -> str:
        """Apply a convolution with many channels on one side at least."""
        value = self._in_lanes(value, name)
        takes, gives = self._shape[0], whole_lanes(len(filters.bias))
        if takes < WIDE:
            gives = max(gives, WIDE)
        self._shape = gives, *self._shape[1:]
        filters = filters.widened(takes, gives)
        return convolution(self._build, value, filters, f'{self._sequence}/{name}', **attributes)


class LayersForProcessors(Layers):
    """Writes the form for processors."""

    def first_convolution(self, image: Seen, name: str) -> str:
        """See `Layers`."""
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

    def transposed(self, value: str, name: str) -> str:
        """See `Layers`."""
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
        """Apply a transposed convolution and what is behind it."""
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
        """Apply two transposed convolutions and what is between them."""
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

    def _normalised_map(self, value: str, name: str) -> str:
        return self._normalised_vector(value, name)


_FORMS = {
    Form.GENERAL: Layers,
    Form.PROCESSOR: LayersForProcessors,
    Form.TENSOR_CORES: LayersForTensorCores,
}


def layers_for(build: GraphBuilder, spec: ModelSpec, sequence: str, shape: Shape) -> Layers:
    """Return what writes a sequence's layers in the form of the graph; see `Layers`."""
    return _FORMS[build.form](build, spec, sequence, shape)
