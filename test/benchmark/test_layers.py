# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest
from builders import SPECS, write_random_bundle

from eipl_trt_ros.benchmark.layers import GRAPHS, Layer, layer_times
from eipl_trt_ros.benchmark.tables import layer_table


@pytest.mark.parametrize('model', SPECS)
@pytest.mark.parametrize('graph', GRAPHS)
def test_every_node_that_runs_has_its_time(tmp_path: Path, model: str, graph: str) -> None:
    bundle = write_random_bundle(tmp_path, SPECS[model])
    layers = layer_times(bundle, graph, threads=1, frames=3)
    assert all(layer.microseconds >= 0 for layer in layers)
    (last,) = [layer for layer in layers if layer.name == LAST[graph]]
    assert last.shape == SHAPES[graph](bundle)
    heavy = max(layers, key=lambda layer: layer.microseconds)
    assert heavy.operator in ('Conv', 'LayerNormalization', 'FusedConv')


LAST = {'motion': 'predicted_joints', 'image': 'predicted_image'}
SHAPES = {
    'motion': lambda bundle: (bundle.model.joint_dim,),
    'image': lambda bundle: (bundle.model.image_height, bundle.model.image_width, 3),
}


def test_nodes_that_hardly_take_time_share_a_row() -> None:
    layers = [Layer('large', 'Conv', (1, 5), 98.0)]
    layers += [Layer(f'small{index}', 'Add', (1,), 0.2) for index in range(10)]
    table = layer_table('model', 'motion', layers)
    names, operators, shapes, times, shares = ([*column.cells] for column in table.columns)
    assert names == ['large', '10 others']
    assert (operators[0], shapes[0]) == ('Conv', '1x5')
    assert times == ['98', '2']
    assert shares == ['98 %', '2 %']
