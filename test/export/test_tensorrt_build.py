# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Every graph through TensorRT's real parser and builder, which need no GPU (TensorRT-RTX 1.6)."""

from __future__ import annotations

from pathlib import Path

import pytest
from references import make_bundle, random_weights

from eipl_trt_ros.spec import GRAPHS, ModelSpec

trt = pytest.importorskip('tensorrt_rtx_bindings', reason='TensorRT-RTX is not installed')

SPECS = (
    ModelSpec('sarnn', 128, 128, 8, 50, k_dim=5, temperature=1e-4, heatmap_size=0.1),
    ModelSpec('sarnn', 48, 80, 1, 7, k_dim=1, temperature=1e-4, heatmap_size=0.1),
    ModelSpec('sarnn', 57, 80, 1, 7, k_dim=8, temperature=1e-4, heatmap_size=0.1),
    ModelSpec('cnnrnn', 128, 128, 8, 50, feat_dim=10),
    ModelSpec('cnnrnnln', 128, 128, 8, 50, feat_dim=10),
)


@pytest.mark.parametrize('spec', SPECS, ids=lambda spec: f'{spec.type}-{spec.image_height}')
@pytest.mark.parametrize(('vmin', 'vmax'), [(0.0, 1.0), (0.1, 0.9)])
@pytest.mark.parametrize('precision', ['fp32', 'fp16'])
def test_tensorrt_builds_every_graph(
    precision: str, spec: ModelSpec, vmin: float, vmax: float, tmp_path: Path
) -> None:
    bundle = make_bundle(tmp_path, spec, random_weights(spec), vmin=vmin, vmax=vmax)
    logger = trt.Logger(trt.Logger.WARNING)
    for graph in GRAPHS:
        builder = trt.Builder(logger)
        network = builder.create_network(0)
        parser = trt.OnnxParser(network, logger)
        # From the file, not from memory: the weights lie in the file beside it.
        parsed = parser.parse_from_file(str(bundle.graph_path(graph, precision)))
        assert parsed, [parser.get_error(i).desc() for i in range(parser.num_errors)]
        inputs = [network.get_input(i) for i in range(network.num_inputs)]
        wanted = [(end.name, end.shape) for end in spec.graph_inputs(graph)]
        assert [(entry.name, tuple(entry.shape)) for entry in inputs] == wanted
        plan = builder.build_serialized_network(network, builder.create_builder_config())
        assert plan is not None, graph
        assert plan.nbytes > 0
