# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""How the time to the command grows: with models in one process, and with the image's size."""

from __future__ import annotations

import dataclasses
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from eipl_trt_ros.benchmark.measure import make_inputs_of
from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.errors import require
from eipl_trt_ros.predictor import Predictor, open_predictor

MODELS = (1, 2, 4, 8)
SIDES = (64, 96, 128, 192, 256)
_WARM_UP = 5


@dataclass(frozen=True)
class Cost:
    """
    What one more of something costs.

    Attributes:
        count: how many models, or how many pixels an image's side has.
        motion: milliseconds to the command, of one model; median.
        image: milliseconds of the image behind it; median. None where it was not computed.
        megabytes: of resident memory that the models added to the process.

    """

    count: int
    motion: float
    image: float | None
    megabytes: float


def cost_by_models(
    bundle: Bundle, *, threads: int, frames: int, counts: Sequence[int] = MODELS
) -> list[Cost]:
    """
    Step several predictors of one model in turn, each with a frame of its own.

    Args:
        bundle: the model.
        threads: CPU threads for one inference.
        frames: how many each steps.
        counts: how many predictors.

    """
    return [_cost(bundle, count, count, threads, frames, image=False) for count in counts]


def cost_by_size(
    bundle: Bundle, *, threads: int, frames: int, sides: Sequence[int] = SIDES
) -> list[Cost]:
    """
    Step a model of the same kind, with random weights, for images of other sizes.

    Args:
        bundle: gives all but the size; only a SARNN takes images of any size.
        threads: CPU threads for one inference.
        frames: how many.
        sides: pixels of the height and of the width.

    Returns:
        The costs; empty for a model whose layers fit one size only.

    Raises:
        MissingPackageError: what makes a model, PyTorch or onnx, is not installed.

    """
    if bundle.model.type != 'sarnn':
        return []
    for package in ('torch', 'onnx'):
        require(package, install=f'pip install {package}', needed_for='models of other sizes')
    costs = []
    for side in sides:
        with tempfile.TemporaryDirectory() as folder:
            resized = _resized(bundle, side, Path(folder) / 'bundle')
            costs.append(_cost(resized, side, 1, threads, frames, image=True))
    return costs


def _resized(bundle: Bundle, side: int, path: Path) -> Bundle:
    from eipl_trt_ros.export.create import create_bundle  # noqa: PLC0415
    from eipl_trt_ros.models import build_model  # noqa: PLC0415

    spec = dataclasses.replace(bundle.model, image_height=side, image_width=side)
    weights: dict[str, Any] = build_model(spec).state_dict()
    draft = dataclasses.replace(bundle, path=path, model=spec, files={})
    return create_bundle(draft, {name: value.numpy() for name, value in weights.items()})


def _cost(
    bundle: Bundle, label: int, count: int, threads: int, frames: int, *, image: bool
) -> Cost:
    pictures, joints = make_inputs_of(bundle, 8)
    before = _resident()
    with ExitStack() as stack:
        predictors: list[Predictor] = [
            stack.enter_context(open_predictor(bundle, 'onnxruntime', threads=threads))
            for _ in range(count)
        ]
        motions: list[int] = []
        images: list[int] = []
        for frame in range(-_WARM_UP, frames):
            for predictor in predictors:
                begin = time.perf_counter_ns()
                predictor.step(pictures[frame % 8], joints[frame % 8])
                between = time.perf_counter_ns()
                if image:
                    predictor.predicted_image()
                end = time.perf_counter_ns()
                if frame >= 0:
                    motions.append(between - begin)
                    images.append(end - between)
        grown = (_resident() - before) / 1e6
    shown = statistics.median(images) / 1e6 if image else None
    return Cost(label, statistics.median(motions) / 1e6, shown, float(np.round(grown, 1)))


def _resident() -> int:
    """Bytes of memory that this process has in use."""
    pages = int(Path('/proc/self/statm').read_text(encoding='ascii').split()[1])
    return pages * 4096
