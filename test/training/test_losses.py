# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from eipl_trt_ros.models import build_model
from eipl_trt_ros.spec import ModelSpec
from eipl_trt_ros.training.data import Batch
from eipl_trt_ros.training.losses import total_loss, unroll
from eipl_trt_ros.training.settings import TrainingSettings

SPECS = {
    'sarnn': ModelSpec('sarnn', 20, 24, 3, 6, k_dim=2, temperature=0.01, heatmap_size=0.1),
    'cnnrnn': ModelSpec('cnnrnn', 128, 128, 3, 6, feat_dim=4),
    'cnnrnnln': ModelSpec('cnnrnnln', 128, 128, 3, 6, feat_dim=4),
}


def inputs(spec: ModelSpec, count: int = 2, frames: int = 4):
    torch.manual_seed(0)
    images = torch.rand(count, frames, 3, spec.image_height, spec.image_width)
    return images, torch.rand(count, frames, spec.joint_dim)


@torch.no_grad()
@pytest.mark.parametrize('name', SPECS)
def test_unrolling_is_the_same_as_one_frame_after_another(name):
    model = build_model(SPECS[name])
    images, joints = inputs(SPECS[name])
    run = unroll(model, images, joints)
    state = None
    for frame in range(images.shape[1]):
        _, predicted, *_, state = model(images[:, frame], joints[:, frame], state)
        torch.testing.assert_close(run.joints[:, frame], predicted)
        torch.testing.assert_close(run.hidden[:, frame], state[0])


@torch.no_grad()
def test_fed_back_joints_are_the_last_prediction():
    model = build_model(SPECS['sarnn'])
    images, joints = inputs(SPECS['sarnn'])
    fed_back = torch.zeros_like(joints, dtype=torch.bool)
    fed_back[:, 1:, 2] = True
    run = unroll(model, images, joints, fed_back)
    seen = joints.clone()
    seen[:, 1:, 2] = run.joints[:, :-1, 2]
    torch.testing.assert_close(unroll(model, images, seen).joints, run.joints)


@torch.no_grad()
def test_half_precision_moves_points_only_a_little():
    model = build_model(SPECS['sarnn'])
    images, joints = inputs(SPECS['sarnn'])
    exact, rough = (unroll(model, images, joints, half=half).features for half in (False, True))
    assert not torch.equal(exact, rough)
    torch.testing.assert_close(exact, rough, atol=0.1, rtol=0)


@pytest.mark.parametrize('name', SPECS)
def test_every_weight_learns(name):
    model = build_model(SPECS[name])
    images, joints = inputs(SPECS[name])
    fed_back = torch.zeros_like(joints, dtype=torch.bool)
    batch = Batch(images, 0.0, joints, joints, fed_back)
    settings = TrainingSettings(model=name, decoded_frames=2)
    loss, parts = total_loss(
        model, batch, settings, point_weight=1.0, generator=torch.Generator().manual_seed(0)
    )
    loss.backward()
    assert set(parts) == {'joint', 'image'} | ({'point'} if name == 'sarnn' else set())
    assert [key for key, weight in model.named_parameters() if weight.grad is None] == []


def test_points_are_not_taught_to_stand_still():
    model = build_model(SPECS['sarnn'])
    images, joints = inputs(SPECS['sarnn'])
    batch = Batch(images, 0.0, joints, joints, torch.zeros_like(joints, dtype=torch.bool))
    settings = TrainingSettings(model='sarnn', joint_loss=0.0, image_loss=0.0, decoded_frames=2)
    loss, parts = total_loss(
        model, batch, settings, point_weight=2.0, generator=torch.Generator().manual_seed(0)
    )
    torch.testing.assert_close(loss.detach(), 2.0 * parts['point'])
    run = unroll(model, images, joints)
    points = model.decode_points(run.hidden[:, :-1].flatten(0, 1))
    target = model.encoder_points(run.features[:, 1:].flatten(0, 1)).detach()
    torch.testing.assert_close(parts['point'], (points - target).square().mean().detach())
