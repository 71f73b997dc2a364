# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""CNNRNN and CNNRNNLN: image features and joint angles through an LSTM (EIPL model/CNNRNN*.py)."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from eipl_trt_ros.spec import CNNRNN_CHANNELS as CHANNELS
from eipl_trt_ros.spec import CNNRNN_HIDDEN as HIDDEN
from eipl_trt_ros.spec import CNNRNN_SMALLEST as SMALLEST
from eipl_trt_ros.spec import ModelSpec

State = tuple[Tensor, Tensor]


class _ImageRNN(nn.Module):
    """
    What CNNRNN and CNNRNNLN share: the way of a frame; they differ in their layers.

    ``encode``, ``decode_joints`` and ``decode_image`` look at each frame alone: a trainer that
    knows all the frames may put T of them on the batch axis, and only ``step`` has to go through
    time one by one.
    """

    encoder_image: nn.Sequential
    decoder_joint: nn.Sequential
    decoder_image: nn.Sequential

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        name = type(self).__name__
        if spec.type != name.lower() or spec.feat_dim is None:
            msg = f'{name} needs the spec of a {name.lower()} model, found {spec.type!r}'
            raise ValueError(msg)
        self.spec = spec
        self.rec = nn.LSTMCell(spec.rec_input_dim, spec.rec_dim)

    def encode(self, image: Tensor, joints: Tensor) -> Tensor:
        """
        Make what the LSTM takes: image features, then joints.

        Args:
            image: float32 (N, 3, 128, 128), normalised.
            joints: float32 (N, D), normalised.

        Returns:
            float32 (N, feat_dim + D).

        """
        return torch.cat([self.encoder_image(image), joints], dim=-1)

    def step(self, features: Tensor, state: State | None = None) -> State:
        """Advance the LSTM by one frame: what ``encode`` gave and (h, c) to the new (h, c)."""
        return self.rec(features, state)

    def decode_joints(self, h: Tensor) -> Tensor:
        """Predict the next joints (N, D), normalised, from the new h (N, R)."""
        return self.decoder_joint(h)

    def decode_image(self, h: Tensor, image: Tensor | None = None) -> Tensor:
        """
        Predict the next image (N, 3, 128, 128), normalised, not clipped.

        Args:
            h: float32 (N, R), the new h.
            image: not looked at; taken so that one trainer serves all models.

        """
        del image
        return self.decoder_image(h)

    def forward(
        self,
        image: Tensor,
        joints: Tensor,
        state: State | None = None,
    ) -> tuple[Tensor, Tensor, State]:
        """
        Run one frame whole.

        Args:
            image: float32 (N, 3, 128, 128), normalised.
            joints: float32 (N, D), normalised.
            state: (h, c), each (N, R); None is zeros.

        Returns:
            image (N, 3, 128, 128), joints (N, D), (h, c).

        """
        state = self.step(self.encode(image, joints), state)
        return self.decode_image(state[0]), self.decode_joints(state[0]), state


class CNNRNN(_ImageRNN):
    """
    Tanh after every layer; state_dict names are EIPL's.

    Args:
        spec: sizes; ``spec.type`` must be ``'cnnrnn'``.

    """

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        feat_dim = spec.feat_dim or 0
        encoder: list[nn.Module] = []
        for before, after in pairwise(CHANNELS):
            encoder += [_halve(before, after), nn.Tanh()]
        encoder += [
            nn.Flatten(),
            nn.Linear(math.prod(SMALLEST), HIDDEN),
            nn.Tanh(),
            nn.Linear(HIDDEN, feat_dim),
            nn.Tanh(),
        ]
        self.encoder_image = nn.Sequential(*encoder)

        self.decoder_joint = nn.Sequential(nn.Linear(spec.rec_dim, spec.joint_dim), nn.Tanh())

        decoder: list[nn.Module] = [
            nn.Linear(spec.rec_dim, math.prod(SMALLEST)),
            nn.Tanh(),
            nn.Unflatten(1, SMALLEST),
        ]
        for before, after in pairwise(CHANNELS[::-1]):
            decoder += [_double(before, after), nn.Tanh()]
        self.decoder_image = nn.Sequential(*decoder)


class CNNRNNLN(_ImageRNN):
    """
    Layer normalisation and ReLU after every layer but the last; state_dict names are EIPL's.

    Args:
        spec: sizes; ``spec.type`` must be ``'cnnrnnln'``.

    """

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        feat_dim = spec.feat_dim or 0
        encoder: list[nn.Module] = []
        side = spec.image_height
        for before, after in pairwise(CHANNELS):
            side //= 2
            encoder += [_halve(before, after), nn.LayerNorm([after, side, side]), nn.ReLU()]
        encoder += [
            nn.Flatten(),
            nn.Linear(math.prod(SMALLEST), HIDDEN),
            nn.LayerNorm([HIDDEN]),
            nn.ReLU(),
            nn.Linear(HIDDEN, feat_dim),
            nn.LayerNorm([feat_dim]),
            nn.ReLU(),
        ]
        self.encoder_image = nn.Sequential(*encoder)

        self.decoder_joint = nn.Sequential(nn.Linear(spec.rec_dim, spec.joint_dim), nn.ReLU())

        flat = math.prod(SMALLEST)
        decoder: list[nn.Module] = [
            nn.Linear(spec.rec_dim, flat),
            nn.LayerNorm([flat]),
            nn.ReLU(),
            nn.Unflatten(1, SMALLEST),
        ]
        for before, after in pairwise(CHANNELS[:0:-1]):
            side *= 2
            decoder += [_double(before, after), nn.LayerNorm([after, side, side]), nn.ReLU()]
        decoder += [_double(CHANNELS[1], CHANNELS[0]), nn.ReLU()]
        self.decoder_image = nn.Sequential(*decoder)


def _halve(before: int, after: int) -> nn.Conv2d:
    return nn.Conv2d(before, after, kernel_size=3, stride=2, padding=1)


def _double(before: int, after: int) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(before, after, kernel_size=3, stride=2, padding=1, output_padding=1)
