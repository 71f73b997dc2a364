# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""SARNN: attention points and joint angles through an LSTM (EIPL model/SARNN.py)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from eipl_trt_ros.models.layers import InverseSpatialSoftmax, SpatialSoftmax
from eipl_trt_ros.spec import ModelSpec

State = tuple[Tensor, Tensor]

SLOPE = 0.3  # of the leaky ReLU after every layer, the last ones included


class SARNN(nn.Module):
    """
    Spatial attention with a recurrent network; state_dict names are EIPL's.

    ``encode``, ``decode_joints``, ``decode_points`` and ``decode_image`` look at each frame alone:
    a trainer that knows all the frames may put T of them on the batch axis, and only ``step`` has
    to go through time one by one.

    Args:
        spec: sizes; ``spec.type`` must be ``'sarnn'``.

    """

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        if spec.type != 'sarnn' or not (spec.k_dim and spec.temperature and spec.heatmap_size):
            msg = f'SARNN needs the spec of a sarnn model, found {spec.type!r}'
            raise ValueError(msg)
        self.spec = spec
        k_dim = spec.k_dim
        height, width = spec.map_height, spec.map_width

        self.pos_encoder = _convolutions(k_dim)
        self.pos_encoder.append(SpatialSoftmax(height, width, spec.temperature))
        self.im_encoder = _convolutions(k_dim)
        self.rec = nn.LSTMCell(spec.rec_input_dim, spec.rec_dim)
        self.decoder_joint = nn.Sequential(
            nn.Linear(spec.rec_dim, spec.joint_dim), nn.LeakyReLU(SLOPE)
        )
        self.decoder_point = nn.Sequential(nn.Linear(spec.rec_dim, 2 * k_dim), nn.LeakyReLU(SLOPE))
        self.issm = InverseSpatialSoftmax(height, width, spec.heatmap_size)
        self.decoder_image = _transposed_convolutions(k_dim)
        self.apply(_initialise)

    def encode(self, image: Tensor, joints: Tensor) -> Tensor:
        """
        Make what the LSTM takes: encoder points (x0, y0, x1, y1, ...), then joints.

        Args:
            image: float32 (N, 3, H, W), normalised.
            joints: float32 (N, D), normalised.

        Returns:
            float32 (N, 2K + D).

        """
        return torch.cat([self.pos_encoder(image).flatten(1), joints], dim=-1)

    def encoder_points(self, features: Tensor) -> Tensor:
        """Take the encoder points (N, 2K) out of what ``encode`` gave."""
        return features[:, : 2 * self.spec.points_dim]

    def step(self, features: Tensor, state: State | None = None) -> State:
        """Advance the LSTM by one frame: (N, 2K + D) and (h, c) to the new (h, c), each (N, R)."""
        return self.rec(features, state)

    def decode_joints(self, h: Tensor) -> Tensor:
        """Predict the next joints (N, D), normalised, from the new h (N, R)."""
        return self.decoder_joint(h)

    def decode_points(self, h: Tensor) -> Tensor:
        """Predict the next attention points (N, 2K) from the new h (N, R)."""
        return self.decoder_point(h)

    def decode_image(self, h: Tensor, image: Tensor) -> Tensor:
        """
        Predict the next image (N, 3, H, W), normalised, not clipped.

        Args:
            h: float32 (N, R), the new h.
            image: float32 (N, 3, H, W), the image of this frame, normalised.

        """
        return self.render(image, self.decode_points(h))

    def render(self, image: Tensor, points: Tensor) -> Tensor:
        """Do ``decode_image`` with the decoder's points (N, 2K) already at hand."""
        heatmaps = self.issm(points.unflatten(1, (-1, 2)))
        return self.decoder_image(heatmaps * self.im_encoder(image))

    def forward(
        self,
        image: Tensor,
        joints: Tensor,
        state: State | None = None,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, State]:
        """
        Run one frame whole.

        Args:
            image: float32 (N, 3, H, W), normalised.
            joints: float32 (N, D), normalised.
            state: (h, c), each (N, R); None is zeros.

        Returns:
            image (N, 3, H, W), joints (N, D), encoder points (N, 2K), decoder points (N, 2K),
            (h, c).

        """
        features = self.encode(image, joints)
        state = self.step(features, state)
        points = self.decode_points(state[0])
        return (
            self.render(image, points),
            self.decode_joints(state[0]),
            self.encoder_points(features),
            points,
            state,
        )


def _convolutions(k_dim: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in ((3, 16), (16, 32), (32, k_dim)):
        layers += [nn.Conv2d(*channels, kernel_size=3), nn.LeakyReLU(SLOPE)]
    return nn.Sequential(*layers)


def _transposed_convolutions(k_dim: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in ((k_dim, 32), (32, 16), (16, 3)):
        layers += [nn.ConvTranspose2d(*channels, kernel_size=3), nn.LeakyReLU(SLOPE)]
    return nn.Sequential(*layers)


def _initialise(module: nn.Module) -> None:
    """Draw first weights as EIPL does, which follows Keras' defaults rather than PyTorch's."""
    if isinstance(module, nn.LSTMCell):
        nn.init.xavier_uniform_(module.weight_ih)
        nn.init.orthogonal_(module.weight_hh)
        nn.init.zeros_(module.bias_ih)
        nn.init.zeros_(module.bias_hh)
    elif isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
