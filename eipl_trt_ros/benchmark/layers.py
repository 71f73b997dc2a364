# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Where a graph's microseconds go on a processor: ONNX Runtime's profile, node by node."""

from __future__ import annotations

import json
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from eipl_trt_ros.benchmark.measure import make_inputs_of
from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.errors import require

GRAPHS = ('motion', 'image')
_WARM_UP = 10
_SUFFIX = '_kernel_time'


@dataclass(frozen=True)
class Layer:
    """
    What one node took.

    Attributes:
        name: of the node; nodes that were merged bear the name of one of them.
        operator: as ONNX Runtime runs it.
        shape: of its first result.
        microseconds: median over the frames.

    """

    name: str
    operator: str
    shape: tuple[int, ...]
    microseconds: float


def layer_times(bundle: Bundle, graph: str, *, threads: int, frames: int) -> list[Layer]:
    """
    Profile one graph of a bundle, alone: its data stays in the caches.

    Args:
        bundle: the model.
        graph: one of `GRAPHS`.
        threads: CPU threads for one inference.
        frames: how many.

    Returns:
        The nodes in the order in which they run. The profile itself adds about a microsecond to
        each.

    Raises:
        MissingPackageError: onnxruntime is not installed.

    """
    ort: Any = require('onnxruntime', install='pip install onnxruntime', needed_for='--layers')
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.enable_profiling = True
    with tempfile.TemporaryDirectory() as folder:
        options.profile_file_prefix = str(Path(folder) / 'profile')
        session = ort.InferenceSession(
            str(bundle.cpu_graph_path(graph)), options, providers=['CPUExecutionProvider']
        )
        feed = _inputs(bundle, graph)
        for _ in range(_WARM_UP + frames):
            session.run(None, feed)
        events = json.loads(Path(session.end_profiling()).read_text(encoding='utf-8'))
    return _layers(events)


def _inputs(bundle: Bundle, graph: str) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    pictures, joints = make_inputs_of(bundle, 1)
    sensed = {'image': pictures[0], 'joints': joints[0].astype(np.float32)}
    return {
        tensor.name: sensed[tensor.name]
        if tensor.name in sensed
        else rng.uniform(0.1, 0.3, tensor.shape).astype(np.float32)
        for tensor in bundle.model.graph_inputs(graph)
    }


def _layers(events: Sequence[Mapping[str, Any]]) -> list[Layer]:
    taken: dict[str, list[float]] = {}
    facts: dict[str, tuple[str, tuple[int, ...]]] = {}
    for event in events:
        if event.get('cat') != 'Node' or not event['name'].endswith(_SUFFIX):
            continue
        name = event['name'].removesuffix(_SUFFIX)
        taken.setdefault(name, []).append(float(event['dur']))
        (shape,) = event['args']['output_type_shape'][0].values()
        facts[name] = event['args']['op_name'], tuple(shape)
    return [
        Layer(name, *facts[name], statistics.median(times[_WARM_UP:]))
        for name, times in taken.items()
    ]
