# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""How the time of an evaluation grows with recordings, and with processes that share them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.errors import EvaluationError
from eipl_trt_ros.evaluation.configurations import Configuration
from eipl_trt_ros.evaluation.fleet import run_tasks
from eipl_trt_ros.evaluation.task import Task
from eipl_trt_ros.progress import untold

BAGS = (1, 2, 4, 8)


@dataclass(frozen=True)
class BagCost:
    """
    What an evaluation's accuracy part took: reading, predicting and comparing every frame.

    Attributes:
        bags: how many recordings.
        jobs: how many processes shared them.
        images: in all the recordings together.
        seconds: for all of them, with the start of the processes.

    """

    bags: int
    jobs: int
    images: int
    seconds: float


def cost_by_bags(
    bundle: Bundle, bag: Path, *, threads: int, jobs: Sequence[int], counts: Sequence[int]
) -> list[BagCost]:
    """
    Evaluate one recording several times over, as if it were so many.

    Args:
        bundle: the model; in fp32, on the processor.
        bag: the recording.
        threads: CPU threads for one inference.
        jobs: numbers of processes that share the recordings.
        counts: how many recordings.

    Raises:
        EvaluationError: the recording cannot be evaluated with this model.

    """
    task = Task(
        bag,
        (bundle.path,),
        (Configuration('onnxruntime', 'fp32'),),
        threads=threads,
        pictures=False,
    )
    costs = []
    for number in jobs:
        for count in counts:
            begin = time.perf_counter()
            outcomes = run_tasks([task] * count, jobs=number, dask='', progress=untold)
            seconds = time.perf_counter() - begin
            parts = [part for outcome in outcomes for part in outcome.bundles]
            for part in parts:
                if part.error:
                    raise EvaluationError(part.error)
            images = sum(part.passes[0].images for part in parts)
            costs.append(BagCost(count, number, images, seconds))
    return costs
