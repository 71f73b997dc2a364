# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What models side by side cost on a GPU, with inputs that they share and with their own."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eipl_trt_ros.backends import Backend, SharedInputs
from eipl_trt_ros.benchmark.measure import make_inputs_of
from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.predictor import Predictor

COUNTS = (1, 2, 4)
_WARM_UP = 20
_PICTURES = 8

Opener = Callable[[SharedInputs | None], Backend]
"""Makes a backend of the model, with inputs that are shared or its own."""


@dataclass(frozen=True)
class Together:
    """
    What one frame of so many models took, in microseconds; medians.

    Attributes:
        count: of the models.
        shared: whether they shared their inputs.
        command: to the first one's joints, the picture shaped for all.
        frame: until all had predicted their joints.

    """

    count: int
    shared: bool
    command: float
    frame: float


def time_together(
    bundle: Bundle, open_backend: Opener, *, frames: int, counts: Sequence[int] = COUNTS
) -> list[Together]:
    """
    Time frames of one model so many times over, with a single one's as it runs by itself.

    All counts are timed in turn, frame by frame, so that all meet the same state of the machine.

    Args:
        bundle: the model.
        open_backend: makes a backend of it; called as often as twice the largest count.
        frames: how many are timed of each.
        counts: of models.

    Returns:
        For each count the times with inputs of their own, and from 2 on with shared ones.

    """
    pictures, joints = make_inputs_of(bundle, _PICTURES)
    with ExitStack() as stack:
        inputs = stack.enter_context(SharedInputs())
        opened = {
            shared: [
                stack.enter_context(Predictor(bundle, open_backend(inputs if shared else None)))
                for _ in range(max(counts))
            ]
            for shared in (False, True)
        }
        ways = [
            (count, shared) for count in counts for shared in opened if count > 1 or not shared
        ]
        taken = np.empty((len(ways), frames, 2))
        for index in range(-_WARM_UP, frames):
            place = index % _PICTURES
            for turn in range(len(ways)):
                number = (turn + index) % len(ways)  # each comes first, second, ... in turn
                count, shared = ways[number]
                found = _frame(opened[shared][:count], pictures[place], joints[place])
                if index >= 0:
                    taken[number, index] = found
    medians = np.median(taken, axis=1) / 1e3
    return [
        Together(count, shared, float(command), float(frame))
        for (count, shared), (command, frame) in zip(ways, medians, strict=True)
    ]


def _frame(
    predictors: Sequence[Predictor], picture: NDArray[np.uint8], joints: NDArray[np.float64]
) -> tuple[int, int]:
    """Run a frame as an `Ensemble` does; nanoseconds to the command, and in all."""
    first, others = predictors[0], predictors[1:]
    begin = time.perf_counter_ns()
    first.look(picture)
    for other in others:
        other.look(first.backend.image, shaped=True)
    first.move(joints)
    commanded = time.perf_counter_ns()
    for other in others:
        other.move(joints)
    return commanded - begin, time.perf_counter_ns() - begin
