# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What each precision costs in accuracy, measured on a processor, over unseen demonstrations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray

from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.engines.accuracy import joint_accuracy
from eipl_trt_ros.engines.demonstrations import Demonstration
from eipl_trt_ros.engines.int8_recipe import LayerShare, read_recipe
from eipl_trt_ros.engines.rewrite import half_graph
from eipl_trt_ros.engines.rollout import ExactSession, roll_out_alone, rollout

STEPS_ALONE = 100


@dataclass(frozen=True)
class PrecisionRow:
    """
    One precision of one model.

    Attributes:
        precision: ``fp32``, ``fp16`` or ``int8``.
        layers, image_layers: how many of the motion and of the image graph run in int8.
        mse: joint error, normalised units (the paper's section 5.3).
        rate: the same as a multiple of fp32's (the paper's table 6).
        worst_joint: the same for the joint that suffers most.
        drift: largest difference of a predicted joint from fp32's, normalised units.
        grey_levels: mean absolute difference of the predicted image from fp32's.
        alone: how far joints are from fp32's after `STEPS_ALONE` steps on its own predictions,
            normalised units, the joint that is farthest: mean over the demonstrations it began
            as; of fp32 itself, where the first image has other lowest bits, which says what a
            model makes of the least of differences.
        worst_alone: the same, of the worst of them.

    """

    precision: str
    layers: int
    image_layers: int
    mse: float
    rate: float
    worst_joint: float
    drift: float
    grey_levels: float
    alone: float
    worst_alone: float


@dataclass(frozen=True)
class Comparison:
    """
    The precisions of a model.

    Attributes:
        rows: fp32 first.
        shares: what int8 costs in each layer alone, on the demonstrations of the calibration.
        layers: those of the motion graph that are in int8.

    """

    rows: tuple[PrecisionRow, ...]
    shares: tuple[LayerShare, ...]
    layers: tuple[str, ...]


def compare_precisions(
    bundle: Bundle,
    demonstrations: Sequence[Demonstration],
    progress: Callable[[str], None] | None = None,
) -> Comparison:
    """
    Measure the precisions of a model.

    Args:
        bundle: the model, with its int8 recipe.
        demonstrations: to measure with; others than those of the recipe.
        progress: called with what is done next.

    Raises:
        EngineError: a graph cannot be read or run.

    """
    tell = progress or (lambda _: None)
    recipe = read_recipe(bundle)
    int8 = {graph: recipe.of(bundle, graph) for graph in ('motion', 'image')}
    tell('fp32 over the demonstrations')
    exact = joint_accuracy(bundle, demonstrations)
    tell('fp32 on its own predictions')
    alone = roll_out_alone(bundle, demonstrations, STEPS_ALONE)
    nudged = roll_out_alone(bundle, [_nudged(one) for one in demonstrations], STEPS_ALONE)
    rows = [
        PrecisionRow('fp32', 0, 0, exact.mse, 1.0, 1.0, 0.0, 0.0, *_strayed(bundle, nudged, alone))
    ]
    for precision, recipes in (('fp16', {}), ('int8', int8)):
        tell(f'{precision} over the demonstrations')
        motion, image = (half_graph(bundle, graph, recipes.get(graph)) for graph in int8)
        joints = joint_accuracy(bundle, demonstrations, motion)
        grey_levels = image_difference(bundle, demonstrations, image)
        tell(f'{precision} on its own predictions')
        found = roll_out_alone(bundle, demonstrations, STEPS_ALONE, motion=motion, image=image)
        rows.append(
            PrecisionRow(
                precision,
                len(recipes['motion'].layers) if recipes else 0,
                len(recipes['image'].layers) if recipes else 0,
                joints.mse,
                joints.rate(exact),
                float(np.nanmax(joints.per_joint / exact.per_joint)),
                joints.drift(exact),
                grey_levels,
                *_strayed(bundle, found, alone),
            )
        )
    return Comparison(tuple(rows), int8['motion'].shares, int8['motion'].layers)


def _nudged(demonstration: Demonstration) -> Demonstration:
    """Give a demonstration's first frame with random lowest bits in its image."""
    image = demonstration.images[:1] & 0xFE
    noise = np.random.default_rng(0).integers(0, 2, image.shape, np.uint8)
    return Demonstration(image | noise, demonstration.joints[:1])


def _strayed(
    bundle: Bundle, found: NDArray[np.float64], exact: NDArray[np.float64]
) -> tuple[float, float]:
    """Compare the last joints of rollouts, normalised units: mean and worst of the farthest."""
    span = (bundle.joint_maximum - bundle.joint_minimum) / (bundle.vmax - bundle.vmin)
    farthest = (np.abs(found - exact)[:, -1] / span).max(axis=-1)
    return float(farthest.mean()), float(farthest.max())


def image_difference(
    bundle: Bundle, demonstrations: Sequence[Demonstration], image: onnx.ModelProto
) -> float:
    """
    Compare a rewritten image graph with the bundle's own, on the state of the fp32 model.

    Returns:
        The mean absolute difference in grey levels (0 to 255).

    """
    own, other = ExactSession(bundle.graph_path('image')), ExactSession(image)
    differences = []
    for step in rollout(bundle, demonstrations):
        pictures = (session.run(step.image)['predicted_image'] for session in (own, other))
        exact, found = (picture.astype(np.int16) for picture in pictures)
        differences.append(np.abs(exact - found).mean())
    return float(np.mean(differences))
