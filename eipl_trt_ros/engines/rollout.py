# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Runs a bundle's graphs, or rewritten ones in their place, over demonstrations.

Graphs run as they are written: ONNX Runtime's graph optimisation is off, because with it a
processor without VNNI gives other int8 results than those that the graph describes; and fp16 is
rounded to at each value, see `emulate_half`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.engines.demonstrations import Demonstration
from eipl_trt_ros.engines.half import emulate_half
from eipl_trt_ros.errors import EngineError, require

MIXING = 0.8  # EIPL's own setting, for the graphs that mix

Arrays = dict[str, NDArray[Any]]


class ExactSession:
    """
    A graph on the CPU, executed node by node as it is written.

    Args:
        graph: an ONNX file, or a model with its weights in it.

    Raises:
        EngineError: ONNX Runtime cannot load it.

    """

    def __init__(self, graph: Path | onnx.ModelProto) -> None:
        ort: Any = require(
            'onnxruntime', install='pip install onnxruntime', needed_for='calibration'
        )
        options = ort.SessionOptions()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        source: str | bytes = str(graph)
        if not isinstance(graph, Path):
            source = emulate_half(graph).SerializeToString()
        try:
            self._session = ort.InferenceSession(
                source, options, providers=['CPUExecutionProvider']
            )
        except Exception as error:  # ONNX Runtime's exceptions share no base but Exception
            msg = f'ONNX Runtime cannot load a graph for calibration: {error}'
            raise EngineError(msg) from None
        self._inputs = [end.name for end in self._session.get_inputs()]
        self._outputs = [end.name for end in self._session.get_outputs()]

    def run(self, values: Mapping[str, NDArray[Any]]) -> Arrays:
        """Run once; of the values given by name, those that the graph takes are used."""
        results = self._session.run(None, {name: values[name] for name in self._inputs})
        return dict(zip(self._outputs, results, strict=True))


@dataclass(frozen=True)
class Step:
    """
    One frame of a rollout.

    Attributes:
        demonstration, frame: which one.
        motion: what the motion graph took, by name.
        image: what the image graph takes of this frame, by name.
        outputs: what the motion graph gave, by name.

    """

    demonstration: int
    frame: int
    motion: Arrays
    image: Arrays
    outputs: Arrays


def rollout(
    bundle: Bundle,
    demonstrations: Sequence[Demonstration],
    *,
    motion: onnx.ModelProto | None = None,
    mixing: float | None = None,
) -> Iterator[Step]:
    """
    Roll a model out over demonstrations as the predictor does, from zero state for each.

    Args:
        bundle: the model.
        demonstrations: what it sees.
        motion: runs in the place of the bundle's own motion graph.
        mixing: EIPL's ``input_param``: runs the mixed graphs; None runs the plain ones.

    Yields:
        The frames, in order.

    Raises:
        EngineError: a graph cannot be loaded.

    """
    suffix = '' if mixing is None else '_mixed'
    session = ExactSession(motion or bundle.graph_path(f'motion{suffix}'))
    images = ExactSession(bundle.graph_path(f'image{suffix}')) if mixing is not None else None
    fed_back = np.array([joint.source == 'prediction' for joint in bundle.joints])
    initial = np.array([joint.initial or 0.0 for joint in bundle.joints], np.float32)
    for index, demonstration in enumerate(demonstrations):
        carried = _first(bundle)
        last = initial
        for frame in range(len(demonstration)):
            joints = np.where(fed_back, last, demonstration.joints[frame]).astype(np.float32)
            taken = {**carried, 'image': demonstration.images[frame], 'joints': joints}
            outputs = session.run(taken)
            shown = {**outputs, 'image': taken['image'], 'h': outputs['next_h']}
            yield Step(index, frame, taken, shown, outputs)
            last = outputs['predicted_joints']
            carried |= {'h': outputs['next_h'], 'c': outputs['next_c']}
            if images is not None:
                carried['previous_joints'] = outputs['raw_joints']
                carried['previous_image'] = images.run(shown)['raw_image']
                carried['mix'] = np.array([mixing], np.float32)


def roll_out_alone(
    bundle: Bundle,
    demonstrations: Sequence[Demonstration],
    steps: int,
    *,
    motion: onnx.ModelProto | None = None,
    image: onnx.ModelProto | None = None,
) -> NDArray[np.float64]:
    """
    Let a model run on its own predictions: each image and joint vector that it sees is its last.

    Args:
        bundle: the model.
        demonstrations: the first frame of each is where a rollout begins.
        steps: how many.
        motion: runs in the place of the bundle's own motion graph.
        image: runs in the place of its image graph.

    Returns:
        The predicted joints, joint units, float64 (demonstrations, steps, D).

    Raises:
        EngineError: a graph cannot be loaded.

    """
    motions = ExactSession(motion or bundle.graph_path('motion'))
    images = ExactSession(image or bundle.graph_path('image'))
    initial = np.array([joint.initial or 0.0 for joint in bundle.joints], np.float32)
    fed_back = np.array([joint.source == 'prediction' for joint in bundle.joints])
    found = np.zeros((len(demonstrations), steps, len(initial)))
    for index, demonstration in enumerate(demonstrations):
        joints = np.where(fed_back, initial, demonstration.joints[0]).astype(np.float32)
        seen = {**_first(bundle), 'image': demonstration.images[0], 'joints': joints}
        for step in range(steps):
            outputs = motions.run(seen)
            found[index, step] = outputs['predicted_joints']
            shown = {**outputs, 'image': seen['image'], 'h': outputs['next_h']}
            seen |= {
                'h': outputs['next_h'],
                'c': outputs['next_c'],
                'joints': outputs['predicted_joints'],
                'image': images.run(shown)['predicted_image'],
            }
    return found


def _first(bundle: Bundle) -> Arrays:
    """Give what a model carries from frame to frame as it is before the first."""
    model = bundle.model
    return {
        'h': np.zeros(model.rec_dim, np.float32),
        'c': np.zeros(model.rec_dim, np.float32),
        'previous_joints': np.zeros(model.joint_dim, np.float32),
        'previous_image': np.zeros((3, model.image_height, model.image_width), np.float32),
        'mix': np.ones(1, np.float32),
    }


def calibration_frames(
    bundle: Bundle, graph: str, demonstrations: Sequence[Demonstration]
) -> Iterable[Mapping[str, NDArray[Any]]]:
    """
    Roll the fp32 model out over demonstrations.

    Yields:
        What a graph takes in each frame, by name.

    """
    mixing = MIXING if graph.endswith('_mixed') else None
    for step in rollout(bundle, demonstrations, mixing=mixing):
        yield step.motion if graph.startswith('motion') else step.image
