# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Soft-argmax and its inverse: from attention maps to points in the image, and back."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def position_grid(height: int, width: int) -> Tensor:
    """
    Give each cell of a map its place in the image.

    EIPL's ``create_position_encoding`` calls rows ``width`` and columns ``height``, and hands
    the sizes over in that order too, so that the two swaps cancel: x runs along the columns and y
    along the rows, also for images that are not square.

    Args:
        height: rows of the map.
        width: columns of the map.

    Returns:
        float32 (2, height, width): x, then y, each from 0 (first cell) to 1 (last cell).

    """
    # In float64 first, as EIPL does through numpy: the float32 values are then the same bits.
    x = torch.linspace(0.0, 1.0, width, dtype=torch.float64)
    y = torch.linspace(0.0, 1.0, height, dtype=torch.float64)
    return torch.stack([x.expand(height, width), y[:, None].expand(height, width)]).float()


class SpatialSoftmax(nn.Module):
    """
    Expected place of each map's maximum (soft-argmax; Finn et al., ICRA 2016).

    Args:
        height: rows of the maps.
        width: columns of the maps.
        temperature: the maps are divided by it before the softmax.

    """

    pos_x: Tensor
    pos_y: Tensor

    def __init__(self, height: int, width: int, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature
        x, y = position_grid(height, width)
        self.register_buffer('pos_x', x.reshape(-1))
        self.register_buffer('pos_y', y.reshape(-1))

    def forward(self, maps: Tensor) -> Tensor:
        """Turn maps (N, K, height, width) into points (N, K, 2), (x, y) in 0..1."""
        attention = torch.softmax(maps.flatten(2) / self.temperature, dim=-1)
        return attention @ torch.stack([self.pos_x, self.pos_y], dim=-1)


class InverseSpatialSoftmax(nn.Module):
    """
    A round bump around each point (Ichiwara et al., arXiv 2103.01598).

    Args:
        height: rows of the maps.
        width: columns of the maps.
        heatmap_size: the squared distance from the point is divided by it.

    """

    pos_xy: Tensor

    def __init__(self, height: int, width: int, heatmap_size: float) -> None:
        super().__init__()
        self.heatmap_size = heatmap_size
        self.register_buffer('pos_xy', position_grid(height, width))

    def forward(self, points: Tensor) -> Tensor:
        """
        Turn points (N, K, 2) into maps (N, K, height, width), 1 at the point.

        exp(-(dx^2 + dy^2) / s) is exp(-dx^2 / s) times exp(-dy^2 / s): a row times a column, which
        takes height + width exponentials in the place of height * width.
        """
        x, y = points[..., 0:1], points[..., 1:2]
        row = torch.exp(-(self.pos_xy[0, 0, :] - x).square() / self.heatmap_size)
        column = torch.exp(-(self.pos_xy[1, :, 0] - y).square() / self.heatmap_size)
        return column[..., :, None] * row[..., None, :]
