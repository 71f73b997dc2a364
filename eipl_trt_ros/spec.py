# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a model is made of, in numbers, and what its graphs take and give; free of torch."""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from eipl_trt_ros.errors import BundleError

MODEL_TYPES = ('sarnn', 'cnnrnn', 'cnnrnnln')
GRAPHS = ('motion', 'image', 'motion_mixed', 'image_mixed')

# EIPL's SARNN has three 3x3 convolutions without padding: each takes two pixels off a side.
SARNN_MARGIN = 6
# The linear layers of CNNRNN and CNNRNNLN are sized for a 4x4 map, five halvings of 128.
CNNRNN_IMAGE_SIZE = 128
CNNRNN_CHANNELS = (3, 64, 32, 16, 12, 8)  # of the image, then of each halving of it
CNNRNN_SMALLEST = (8, 4, 4)  # map after the last halving
CNNRNN_HIDDEN = 50  # between that map and the features


class Form(enum.Enum):
    """What a graph is written for; its value is in the file's name."""

    GENERAL = ''
    """A GPU in fp32."""
    PROCESSOR = 'cpu'
    """A processor in fp32."""
    TENSOR_CORES = 'half'
    """A GPU's tensor cores, in fp16 and int8; the graph itself is in fp32."""


@dataclass(frozen=True)
class TensorSpec:
    """
    One input or output of a graph.

    Attributes:
        name: its name in the graph.
        dtype: ``'uint8'`` or ``'float32'`` (numpy's names).
        shape: its static shape; there is no batch axis.

    """

    name: str
    dtype: Literal['uint8', 'float32']
    shape: tuple[int, ...]


@dataclass(frozen=True)
class ModelSpec:
    """
    The numbers that fix a network's layers, under EIPL's names.

    Attributes:
        type: ``'sarnn'``, ``'cnnrnn'`` or ``'cnnrnnln'``.
        image_height: rows of the image that the network sees.
        image_width: columns of that image.
        joint_dim: length D of the joint vector.
        rec_dim: length R of each of the LSTM's two state vectors.
        k_dim: number K of attention points (SARNN only, else None).
        temperature: divisor before the softmax of the attention maps (SARNN only, else None).
        heatmap_size: divisor of the squared distance in the decoder's heatmaps (SARNN only).
        feat_dim: length of the image's feature vector (CNNRNN and CNNRNNLN only, else None).

    Raises:
        BundleError: a field has a value that the network's layers cannot have.

    """

    type: str
    image_height: int
    image_width: int
    joint_dim: int
    rec_dim: int
    k_dim: int | None = None
    temperature: float | None = None
    heatmap_size: float | None = None
    feat_dim: int | None = None

    def __post_init__(self) -> None:
        if self.type not in MODEL_TYPES:
            msg = f'model type must be one of {", ".join(MODEL_TYPES)}, found {self.type!r}'
            raise BundleError(msg)
        for name in ('image_height', 'image_width', 'joint_dim', 'rec_dim'):
            self._check_size(name)
        if self.type == 'sarnn':
            self._check_sarnn()
        else:
            self._check_cnnrnn()

    @property
    def points_dim(self) -> int:
        """Number of attention points; 0 for a model that has none."""
        return self.k_dim or 0

    @property
    def rec_input_dim(self) -> int:
        """Length of the vector that the LSTM takes: image features or points, then joints."""
        return self.joint_dim + 2 * self.points_dim + (self.feat_dim or 0)

    @property
    def map_height(self) -> int:
        """Rows of SARNN's feature maps."""
        return self.image_height - SARNN_MARGIN

    @property
    def map_width(self) -> int:
        """Columns of SARNN's feature maps."""
        return self.image_width - SARNN_MARGIN

    def graph_inputs(self, graph: str) -> tuple[TensorSpec, ...]:
        """
        Tell what a graph takes, in the order of the ONNX file.

        Args:
            graph: one of ``GRAPHS``.

        Raises:
            ValueError: there is no such graph.

        """
        image, points = self._image(), self._points('decoder_points')
        state = (self._vector('h', self.rec_dim), self._vector('c', self.rec_dim))
        motion = (image, self._vector('joints', self.joint_dim), *state)
        if graph == 'motion':
            return motion
        if graph == 'motion_mixed':
            previous = (
                self._planes('previous_image'),
                self._vector('previous_joints', self.joint_dim),
            )
            return (*motion, *previous, self._vector('mix', 1))
        if self.type != 'sarnn':
            _check_graph_name(graph)
            return (state[0],)
        if graph == 'image':
            return (image, *points)
        _check_graph_name(graph)
        return (self._planes('model_image'), *points)

    def graph_outputs(self, graph: str) -> tuple[TensorSpec, ...]:
        """
        Tell what a graph gives, in the order of the ONNX file.

        Args:
            graph: one of ``GRAPHS``.

        Raises:
            ValueError: there is no such graph.

        """
        motion = (
            self._vector('predicted_joints', self.joint_dim),
            self._vector('next_h', self.rec_dim),
            self._vector('next_c', self.rec_dim),
            *self._points('encoder_points', 'decoder_points'),
        )
        if graph == 'motion':
            return motion
        if graph == 'motion_mixed':
            return (
                *motion,
                self._vector('raw_joints', self.joint_dim),
                self._planes('model_image'),
            )
        _check_graph_name(graph)
        predicted = TensorSpec('predicted_image', 'uint8', self._image().shape)
        return (predicted,) if graph == 'image' else (predicted, self._planes('raw_image'))

    def expected_shapes(self) -> dict[str, tuple[int, ...]]:
        """Give the shape of each tensor of the weights, by its name in EIPL's state_dict."""
        shapes = self._sarnn_shapes() if self.type == 'sarnn' else self._cnnrnn_shapes()
        gates = 4 * self.rec_dim
        shapes['rec.weight_ih'] = (gates, self.rec_input_dim)
        shapes['rec.weight_hh'] = (gates, self.rec_dim)
        shapes['rec.bias_ih'] = shapes['rec.bias_hh'] = (gates,)
        shapes.update(_layer('decoder_joint.0', self.joint_dim, self.rec_dim))
        return shapes

    def _sarnn_shapes(self) -> dict[str, tuple[int, ...]]:
        shapes: dict[str, tuple[int, ...]] = {}
        for index, (before, after) in enumerate(pairwise((3, 16, 32, self.points_dim))):
            for encoder in ('pos_encoder', 'im_encoder'):
                shapes.update(_layer(f'{encoder}.{2 * index}', after, before, 3, 3))
            # A transposed convolution's weight has its input channels first.
            name = f'decoder_image.{4 - 2 * index}'
            shapes[f'{name}.weight'], shapes[f'{name}.bias'] = (after, before, 3, 3), (before,)
        cells = self.map_height * self.map_width
        shapes['pos_encoder.6.pos_x'] = shapes['pos_encoder.6.pos_y'] = (cells,)
        shapes['issm.pos_xy'] = (2, self.map_height, self.map_width)
        shapes.update(_layer('decoder_point.0', 2 * self.points_dim, self.rec_dim))
        return shapes

    def _cnnrnn_shapes(self) -> dict[str, tuple[int, ...]]:
        """Count the layers as torch.nn.Sequential does; layer normalisations are layers too."""
        norms = self.type == 'cnnrnnln'
        period = 3 if norms else 2  # layer, [normalisation,] activation
        shapes: dict[str, tuple[int, ...]] = {}

        def add(
            name: str, index: int, weight: tuple[int, ...], bias: int, norm: tuple[int, ...] | None
        ) -> None:
            shapes[f'{name}.{index}.weight'], shapes[f'{name}.{index}.bias'] = weight, (bias,)
            if norms and norm:
                shapes[f'{name}.{index + 1}.weight'] = shapes[f'{name}.{index + 1}.bias'] = norm

        feat_dim, flat, hidden = self.feat_dim or 0, math.prod(CNNRNN_SMALLEST), CNNRNN_HIDDEN
        side = CNNRNN_IMAGE_SIZE
        for index, (before, after) in enumerate(pairwise(CNNRNN_CHANNELS)):
            first = before == CNNRNN_CHANNELS[0]
            # decoder_image: linear, [normalisation,] activation, reshape, then the mirror image.
            add(
                'decoder_image',
                period * (len(CNNRNN_CHANNELS) - 1 - index) + 1,
                (after, before, 3, 3),
                before,
                None if first else (before, side, side),
            )
            side //= 2
            add('encoder_image', period * index, (after, before, 3, 3), after, (after, side, side))
        last = period * (len(CNNRNN_CHANNELS) - 1) + 1  # one more: the flattening
        add('encoder_image', last, (hidden, flat), hidden, (hidden,))
        add('encoder_image', last + period, (feat_dim, hidden), feat_dim, (feat_dim,))
        add('decoder_image', 0, (flat, self.rec_dim), flat, (flat,))
        return shapes

    def _image(self) -> TensorSpec:
        return TensorSpec('image', 'uint8', (self.image_height, self.image_width, 3))

    def _planes(self, name: str) -> TensorSpec:
        return TensorSpec(name, 'float32', (3, self.image_height, self.image_width))

    def _points(self, *names: str) -> tuple[TensorSpec, ...]:
        if self.type != 'sarnn':
            return ()
        return tuple(TensorSpec(name, 'float32', (self.points_dim, 2)) for name in names)

    @staticmethod
    def _vector(name: str, length: int) -> TensorSpec:
        return TensorSpec(name, 'float32', (length,))

    def _check_size(self, name: str) -> None:
        value = getattr(self, name)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            msg = f'{name} of a {self.type} model must be a whole number above 0, found {value!r}'
            raise BundleError(msg)

    def _check_absent(self, names: Sequence[str]) -> None:
        for name in names:
            value = getattr(self, name)
            if value is not None:
                msg = f'a {self.type} model has no {name}, found {value!r}: leave it out'
                raise BundleError(msg)

    def _check_sarnn(self) -> None:
        self._check_absent(('feat_dim',))
        self._check_size('k_dim')
        for name in ('temperature', 'heatmap_size'):
            value = getattr(self, name)
            if (
                isinstance(value, bool)
                or not isinstance(value, (int, float))
                or not (math.isfinite(value) and value > 0)
            ):
                msg = f'{name} of a sarnn model must be a number above 0, found {value!r}'
                raise BundleError(msg)
        if min(self.image_height, self.image_width) <= SARNN_MARGIN:
            msg = (
                f'the image of a sarnn model must be larger than {SARNN_MARGIN} pixels in '
                f'height and width, found {self.image_height}x{self.image_width}'
            )
            raise BundleError(msg)

    def _check_cnnrnn(self) -> None:
        self._check_absent(('k_dim', 'temperature', 'heatmap_size'))
        self._check_size('feat_dim')
        size = CNNRNN_IMAGE_SIZE
        if (self.image_height, self.image_width) != (size, size):
            msg = (
                f'the layers of a {self.type} model only fit an image of {size}x{size}, '
                f'found {self.image_height}x{self.image_width}'
            )
            raise BundleError(msg)


def _layer(name: str, *weight: int) -> dict[str, tuple[int, ...]]:
    return {f'{name}.weight': weight, f'{name}.bias': weight[:1]}


def _check_graph_name(graph: str) -> None:
    if graph not in GRAPHS:
        msg = f'graph must be one of {", ".join(GRAPHS)}, found {graph!r}'
        raise ValueError(msg)
