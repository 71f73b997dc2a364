# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import torch
from builders import make_pictures

from eipl_trt_ros.models import build_model
from eipl_trt_ros.training.checkpoint import Checkpoint
from eipl_trt_ros.training.policy import CheckpointPolicy
from eipl_trt_ros.training.settings import TrainingSettings

BOUNDS = np.array([[-1.0, -2.0, -0.1], [1.0, 2.0, 1.1]])


def make_policy() -> CheckpointPolicy:
    torch.manual_seed(0)
    settings = TrainingSettings(model='sarnn', k_dim=2, rec_dim=6, prediction_joints=(2,))
    return CheckpointPolicy(Checkpoint(build_model(settings.spec(3, 20, 20)), settings, BOUNDS))


def test_a_policy_ignores_what_is_said_of_joints_that_are_never_measured():
    pictures = make_pictures(3, 20, 20)
    one, other = make_policy(), make_policy()
    for picture in pictures:
        expected = one.step(picture, np.array([0.1, 0.2, 0.0]))
        np.testing.assert_array_equal(other.step(picture, np.array([0.1, 0.2, 9.9])), expected)


def test_a_reset_policy_starts_over():
    pictures = make_pictures(3, 20, 20)
    policy = make_policy()
    runs = []
    for _ in range(2):
        policy.reset()
        runs.append([policy.step(picture, np.array([0.1, 0.2, 0.0])) for picture in pictures])
    np.testing.assert_array_equal(*runs)
