# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Pieces of graphs, run by themselves."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray

from eipl_trt_ros.export.builder import GraphBuilder
from eipl_trt_ros.export.weights import WeightFile, write_weights
from eipl_trt_ros.spec import Form, TensorSpec

Array = NDArray[np.float32]


def draw(seed: int, *shapes: tuple[int, ...]) -> list[Array]:
    """Draw numbers from a normal distribution, for each of some shapes."""
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape).astype(np.float32) for shape in shapes]


def near(found: Array, expected: torch.Tensor) -> None:
    """Both agree to float rounding of sums of a few hundred products."""
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-4, atol=1e-4)


def run_part(
    inputs: Mapping[str, Array],
    weights: Mapping[str, Array],
    write: Callable[[GraphBuilder], list[str]],
    shapes: Sequence[tuple[int, ...]],
    *,
    form: Form = Form.GENERAL,
) -> list[Array]:
    """
    Write a graph from some inputs to some values, check it, and run it as it is written.

    Args:
        inputs: what the graph takes, by name.
        weights: the weights file.
        write: adds the nodes, and names the values to give.
        shapes: theirs.
        form: the graph's.

    """
    with tempfile.TemporaryDirectory() as folder:
        write_weights(weights, Path(folder) / 'weights.safetensors')
        build = GraphBuilder('part', WeightFile(Path(folder) / 'weights.safetensors'), form=form)
        made = write(build)
        model = build.build(
            [TensorSpec(name, 'float32', value.shape) for name, value in inputs.items()],
            [
                TensorSpec(*ends)
                for ends in zip(made, ['float32'] * len(made), shapes, strict=True)
            ],
            {},
        )
        path = Path(folder) / 'part.onnx'
        path.write_bytes(model.SerializeToString())
        onnx.checker.check_model(path, full_check=True)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        if form is not Form.PROCESSOR:
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        session = onnxruntime.InferenceSession(
            str(path), options, providers=['CPUExecutionProvider']
        )
        return list(session.run(made, dict(inputs)))
