# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from eipl_trt_ros.models import SARNN, build_model, count_parameters
from eipl_trt_ros.models.layers import InverseSpatialSoftmax, SpatialSoftmax, position_grid
from eipl_trt_ros.spec import ModelSpec

SPECS = {
    'sarnn': ModelSpec('sarnn', 128, 128, 8, 50, k_dim=5, temperature=1e-4, heatmap_size=0.1),
    'cnnrnn': ModelSpec('cnnrnn', 128, 128, 8, 50, feat_dim=10),
    'cnnrnnln': ModelSpec('cnnrnnln', 128, 128, 8, 50, feat_dim=10),
}
OTHER_SPECS = (
    ModelSpec('sarnn', 48, 80, 7, 33, k_dim=3, temperature=1e-3, heatmap_size=0.05),
    ModelSpec('sarnn', 40, 31, 1, 8, k_dim=1, temperature=1e-2, heatmap_size=0.2),
    ModelSpec('cnnrnn', 128, 128, 3, 20, feat_dim=7),
    ModelSpec('cnnrnnln', 128, 128, 3, 20, feat_dim=7),
)
# The tensors of EIPL's SARNN, in its state_dict's order.
SARNN_NAMES = (
    *(f'pos_encoder.{i}.{kind}' for i in (0, 2, 4) for kind in ('weight', 'bias')),
    'pos_encoder.6.pos_x',
    'pos_encoder.6.pos_y',
    *(f'im_encoder.{i}.{kind}' for i in (0, 2, 4) for kind in ('weight', 'bias')),
    'rec.weight_ih',
    'rec.weight_hh',
    'rec.bias_ih',
    'rec.bias_hh',
    'decoder_joint.0.weight',
    'decoder_joint.0.bias',
    'decoder_point.0.weight',
    'decoder_point.0.bias',
    'issm.pos_xy',
    *(f'decoder_image.{i}.{kind}' for i in (0, 2, 4) for kind in ('weight', 'bias')),
)


def short(spec: ModelSpec) -> str:
    return f'{spec.type}-{spec.image_height}x{spec.image_width}-{spec.rec_dim}'


def inputs(spec: ModelSpec, count: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(count, 3, 5, 5, generator=generator)
    image = functional.interpolate(
        coarse, size=(spec.image_height, spec.image_width), mode='bicubic'
    ).clamp(0, 1)
    return image, torch.rand(count, spec.joint_dim, generator=generator)


@pytest.mark.parametrize(
    ('name', 'count'), [('sarnn', 34_515), ('cnnrnn', 82_875), ('cnnrnnln', 1_282_611)]
)
def test_parameter_counts_are_those_of_the_paper(name: str, count: int) -> None:
    assert count_parameters(build_model(SPECS[name])) == count


def test_names_are_those_of_an_eipl_checkpoint_buffers_included() -> None:
    assert tuple(build_model(SPECS['sarnn']).state_dict()) == SARNN_NAMES
    names = build_model(SPECS['cnnrnnln']).state_dict().keys()
    layers = {name.rsplit('.', 1)[0] for name in names}
    encoder = [f'encoder_image.{i}' for i in (0, 1, 3, 4, 6, 7, 9, 10, 12, 13, 16, 17, 19, 20)]
    decoder = [f'decoder_image.{i}' for i in (0, 1, 4, 5, 7, 8, 10, 11, 13, 14, 16)]
    assert layers == {*encoder, *decoder, 'rec', 'decoder_joint.0'}
    names = build_model(SPECS['cnnrnn']).state_dict().keys()
    layers = {name.rsplit('.', 1)[0] for name in names}
    encoder = [f'encoder_image.{i}' for i in (0, 2, 4, 6, 8, 11, 13)]
    decoder = [f'decoder_image.{i}' for i in (0, 3, 5, 7, 9, 11)]
    assert layers == {*encoder, *decoder, 'rec', 'decoder_joint.0'}


@pytest.mark.parametrize('spec', [*SPECS.values(), *OTHER_SPECS], ids=short)
def test_the_spec_knows_the_shapes_without_torch(spec: ModelSpec) -> None:
    found = {name: tuple(value.shape) for name, value in build_model(spec).state_dict().items()}
    assert spec.expected_shapes() == found


@pytest.mark.parametrize('spec', [*SPECS.values(), *OTHER_SPECS], ids=short)
def test_frames_on_the_batch_axis_give_what_frames_one_by_one_give(spec: ModelSpec) -> None:
    """What a trainer does: convolutions over all frames at once, then the LSTM alone."""
    torch.manual_seed(0)
    model = build_model(spec).eval()
    images, joints = inputs(spec, 4)
    with torch.no_grad():
        features = model.encode(images, joints)
        state, states = None, []
        for frame in range(4):
            state = model.step(features[frame : frame + 1], state)
            states.append(state[0])
        hidden = torch.cat(states)
        at_once = model.decode_image(hidden, images), model.decode_joints(hidden)
        state = None
        for frame in range(4):
            result = model(images[frame : frame + 1], joints[frame : frame + 1], state)
            state = result[-1]
            for found, expected in zip(result[:2], at_once, strict=True):
                torch.testing.assert_close(found[0], expected[frame], atol=1e-5, rtol=0)


@pytest.mark.parametrize('spec', [*SPECS.values(), *OTHER_SPECS], ids=short)
def test_no_state_is_a_state_of_zeros(spec: ModelSpec) -> None:
    model = build_model(spec).eval()
    zeros = torch.zeros(2, spec.rec_dim)
    with torch.no_grad():
        first, second = model(*inputs(spec, 2)), model(*inputs(spec, 2), (zeros, zeros))
    assert torch.equal(first[0], second[0])
    assert first[0].shape == (2, 3, spec.image_height, spec.image_width)
    assert first[1].shape == (2, spec.joint_dim)


def test_sarnn_gives_its_points_from_features_and_state() -> None:
    model = build_model(OTHER_SPECS[0])
    assert isinstance(model, SARNN)
    image, joints = inputs(OTHER_SPECS[0], 2)
    with torch.no_grad():
        _, _, encoder_points, decoder_points, (h, _) = model(image, joints)
        features = model.encode(image, joints)
        assert torch.equal(model.encoder_points(features), encoder_points)
        assert torch.equal(features[:, 6:], joints)
        assert torch.equal(model.decode_points(h), decoder_points)


@pytest.mark.parametrize(('height', 'width'), [(5, 9), (9, 5), (1, 4)])
def test_x_runs_along_columns_and_y_along_rows(height: int, width: int) -> None:
    x, y = position_grid(height, width)
    assert x.shape == y.shape == (height, width)
    assert torch.equal(x[0], x[-1])
    assert torch.equal(y[:, 0], y[:, -1])
    torch.testing.assert_close(x[0], torch.linspace(0, 1, width))
    torch.testing.assert_close(y[:, 0], torch.linspace(0, 1, height))


def test_a_single_peak_is_found_where_it_is() -> None:
    maps = torch.zeros(1, 2, 6, 11)
    maps[0, 0, 2, 7] = maps[0, 1, 5, 0] = 1.0
    points = SpatialSoftmax(6, 11, 1e-3)(maps)
    torch.testing.assert_close(points, torch.tensor([[[0.7, 0.4], [0.0, 1.0]]]))


def test_soft_argmax_is_the_expectation_of_the_place() -> None:
    maps = torch.randn(2, 3, 6, 11, generator=torch.Generator().manual_seed(0))
    weights = torch.softmax(maps.flatten(2) / 0.5, dim=-1)
    x, y = (axis.flatten() for axis in position_grid(6, 11))
    expected = torch.stack([(weights * x).sum(-1), (weights * y).sum(-1)], dim=-1)
    torch.testing.assert_close(SpatialSoftmax(6, 11, 0.5)(maps), expected)


def test_heatmaps_fall_with_the_squared_distance_from_the_point() -> None:
    points = torch.rand(2, 3, 2, generator=torch.Generator().manual_seed(0))
    x, y = position_grid(6, 11)
    distance = (x - points[..., 0, None, None]) ** 2 + (y - points[..., 1, None, None]) ** 2
    heatmaps = InverseSpatialSoftmax(6, 11, 0.2)(points)
    torch.testing.assert_close(heatmaps, torch.exp(-distance / 0.2))


@pytest.mark.parametrize('name', SPECS)
def test_a_model_refuses_the_spec_of_another(name: str) -> None:
    others = [spec for spec in SPECS.values() if spec.type != name]
    for spec in others:
        with pytest.raises(ValueError, match=f'found {spec.type!r}'):
            type(build_model(SPECS[name]))(spec)  # type: ignore[arg-type]
