# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import torch

from eipl_trt_ros.models import build_model
from eipl_trt_ros.spec import ModelSpec
from eipl_trt_ros.training.attention import correlations, encoder_points
from eipl_trt_ros.training.data import load_demonstrations


def test_a_point_on_the_object_correlates_and_one_that_rests_does_not():
    place = np.random.default_rng(0).random((3, 5, 2))
    points = np.stack([0.5 * place + 0.1, np.full_like(place, 0.3), -place], axis=2)
    np.testing.assert_allclose(correlations(points, place), [[1, 1], [0, 0], [-1, -1]])


def test_encoder_points_are_those_of_the_model_run_frame_by_frame(small_data):
    model = build_model(
        ModelSpec('sarnn', 20, 20, 3, 6, k_dim=2, temperature=0.01, heatmap_size=0.1)
    )
    data = load_demonstrations(small_data, 'train', torch.device('cpu'))
    found = encoder_points(model, data)
    assert found.shape == (6, 8, 2, 2)
    with torch.no_grad():
        _, _, points, _, _ = model(data.images[0, :1].float() / 255, data.joints[0, :1])
    np.testing.assert_allclose(found[0, 0], points.reshape(2, 2).numpy(), atol=1e-6)
