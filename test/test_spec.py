# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest

from eipl_trt_ros.errors import BundleError
from eipl_trt_ros.spec import GRAPHS, ModelSpec

SARNN: dict[str, Any] = {
    'type': 'sarnn',
    'image_height': 48,
    'image_width': 64,
    'joint_dim': 5,
    'rec_dim': 20,
    'k_dim': 4,
    'temperature': 1e-4,
    'heatmap_size': 0.1,
}
CNNRNN: dict[str, Any] = {
    'type': 'cnnrnn',
    'image_height': 128,
    'image_width': 128,
    'joint_dim': 8,
    'rec_dim': 50,
    'feat_dim': 10,
}


@pytest.mark.parametrize(
    ('base', 'change', 'message'),
    [
        (SARNN, {'type': 'rnn'}, "must be one of sarnn, cnnrnn, cnnrnnln, found 'rnn'"),
        (SARNN, {'image_height': 6}, 'larger than 6 pixels in height and width, found 6x64'),
        (SARNN, {'image_width': 4}, 'larger than 6 pixels in height and width, found 48x4'),
        (SARNN, {'joint_dim': 0}, 'joint_dim of a sarnn model must be a whole number above 0'),
        (SARNN, {'rec_dim': 2.5}, 'rec_dim of a sarnn model must be a whole number above 0'),
        (SARNN, {'rec_dim': True}, 'must be a whole number above 0, found True'),
        (
            SARNN,
            {'k_dim': None},
            'k_dim of a sarnn model must be a whole number above 0, found None',
        ),
        (SARNN, {'temperature': 0.0}, 'temperature of a sarnn model must be a number above 0'),
        (SARNN, {'temperature': float('nan')}, 'must be a number above 0, found nan'),
        (SARNN, {'heatmap_size': -1}, 'heatmap_size of a sarnn model must be a number above 0'),
        (SARNN, {'feat_dim': 10}, 'a sarnn model has no feat_dim, found 10: leave it out'),
        (CNNRNN, {'image_width': 64}, 'only fit an image of 128x128, found 128x64'),
        (CNNRNN, {'feat_dim': None}, 'feat_dim of a cnnrnn model must be a whole number above 0'),
        (CNNRNN, {'k_dim': 5}, 'a cnnrnn model has no k_dim, found 5'),
    ],
)
def test_numbers_that_no_such_network_has_are_refused(
    base: dict[str, Any], change: dict[str, Any], message: str
) -> None:
    ModelSpec(**base)
    with pytest.raises(BundleError) as caught:
        ModelSpec(**{**base, **change})
    assert message in str(caught.value)


def test_the_ends_of_the_graphs_fit_together() -> None:
    for base in (SARNN, CNNRNN):
        spec = ModelSpec(**base)
        for graph in ('motion', 'motion_mixed'):
            ends = {end.name: end.shape for end in spec.graph_inputs(graph)}
            results = {end.name: end.shape for end in spec.graph_outputs(graph)}
            assert results['next_h'] == ends['h'] == (spec.rec_dim,)
            assert results['predicted_joints'] == ends['joints'] == (spec.joint_dim,)
        assert results['model_image'] == ends['previous_image']
        assert results['raw_joints'] == ends['previous_joints']
        for graph in ('image', 'image_mixed'):
            known = {**results, 'image': ends['image'], 'h': results['next_h']}
            for end in spec.graph_inputs(graph):
                assert known[end.name] == end.shape
            assert spec.graph_outputs(graph)[0].shape == ends['image']


@pytest.mark.parametrize('base', [SARNN, CNNRNN], ids=['sarnn', 'cnnrnn'])
def test_an_unknown_graph_is_refused(base: dict[str, Any]) -> None:
    spec = ModelSpec(**base)
    for ask in (spec.graph_inputs, spec.graph_outputs):
        assert all(ask(graph) for graph in GRAPHS)
        with pytest.raises(ValueError, match=r'graph must be one of motion, image, .*whole'):
            ask('whole')
