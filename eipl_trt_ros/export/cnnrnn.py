# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The graphs of CNNRNN and CNNRNNLN, between normalised inputs and the network's raw outputs."""

from __future__ import annotations

import math

from eipl_trt_ros.export.builder import GraphBuilder
from eipl_trt_ros.export.cnnrnn_layers import LayersForProcessors, layers_for
from eipl_trt_ros.export.gpu import linear_of_sums, lstm_of_sums
from eipl_trt_ros.export.layers import Seen, linear, lstm
from eipl_trt_ros.spec import CNNRNN_CHANNELS, CNNRNN_IMAGE_SIZE, CNNRNN_SMALLEST, ModelSpec

_LAYERS = len(CNNRNN_CHANNELS) - 1


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
    side = CNNRNN_IMAGE_SIZE
    layer = layers_for(build, spec, 'encoder_image', (CNNRNN_CHANNELS[0], side, side))
    value = layer.first_convolution(image, 'conv1')
    value = layer.activation(value, 'conv1')
    for index in range(1, _LAYERS):
        value = layer.convolution(value, f'conv{index + 1}')
        value = layer.activation(value, f'conv{index + 1}')
    value = layer.only_channels(value, 'encoder_image/last', CNNRNN_CHANNELS[-1])
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
    layer = layers_for(build, spec, 'decoder_image', CNNRNN_SMALLEST)
    value = layer.linear(hidden, 'linear')
    value = layer.activation(value, 'linear', is_map=False)
    shape = build.constant('map_shape', [1, *CNNRNN_SMALLEST])
    value = build.add('Reshape', [value, shape], 'decoder_image/map')
    layer.skip()
    as_they_are = _LAYERS - 3 if isinstance(layer, LayersForProcessors) else _LAYERS - 1
    for index in range(as_they_are):
        value = layer.transposed(value, f'conv{index + 1}')
        value = layer.activation(value, f'conv{index + 1}')
    if isinstance(layer, LayersForProcessors):
        value = layer.transposed_by_rows(value, f'conv{_LAYERS - 2}', CNNRNN_CHANNELS[2])
        value = layer.last_two_transposed(value, f'conv{_LAYERS - 1}', f'conv{_LAYERS}')
    else:
        value = layer.transposed(value, f'conv{_LAYERS}')
    return build.add(layer.function, [value], f'decoder_image/conv{_LAYERS}_activation')
