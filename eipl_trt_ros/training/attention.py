# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Does the model look at the object? Correlation of attention points with the cube in view."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from eipl_trt_ros.models import SARNN
from eipl_trt_ros.training.data import Demonstrations
from eipl_trt_ros.training.losses import unroll


@torch.no_grad()
def encoder_points(model: SARNN, data: Demonstrations, *, rows: int = 4) -> NDArray[np.float32]:
    """
    Find the encoder's attention points in all demonstrations.

    Args:
        model: the network.
        data: demonstrations.
        rows: how many demonstrations to run at once.

    Returns:
        float32 (N, T, K, 2), (x, y) in 0..1.

    """
    found = []
    for begin in range(0, len(data), rows):
        images = data.images[begin : begin + rows].float().div_(255.0)
        run = unroll(model, images, data.joints[begin : begin + rows])
        found.append(run.features.unflatten(2, (-1, 2)).cpu().numpy())
    return np.concatenate(found)


def correlations(
    points: NDArray[np.floating],
    place: NDArray[np.floating],
) -> NDArray[np.float64]:
    """
    Correlate each point with the cube's place in the picture, over all frames given.

    Args:
        points: (N, T, K, 2), (x, y).
        place: (N, T, 2), the cube's (x, y) in the picture.

    Returns:
        float64 (K, 2): Pearson's correlation of each point's x with the cube's x, y with y; 0 for
        a point that does not move.

    """
    result = np.zeros(points.shape[2:])
    for point in range(points.shape[2]):
        for axis in range(2):
            seen, true = points[:, :, point, axis].ravel(), place[:, :, axis].ravel()
            if seen.std() > 1e-6 and true.std() > 1e-6:
                result[point, axis] = np.corrcoef(seen, true)[0, 1]
    return result
