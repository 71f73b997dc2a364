# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Runs cases in turn and describes what each took."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eipl_trt_ros.benchmark.cases import CASES, Case, Maker
from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.errors import BackendError, EngineError, MissingPackageError
from eipl_trt_ros.progress import Progress, untold

_WARM_UP = 20
_PICTURES = 50
_BLOB_BREADTHS = (0.01, 0.03, 0.09)


@dataclass(frozen=True)
class Timing:
    """
    What one case took, in milliseconds a frame.

    Attributes:
        frames: how many were timed.
        median: of the frames.
        q1, q3: quartiles; their distance is the spread.
        p99: 99th percentile.
        ratio: how many times as fast as the first case of the run.
        overhead: share of pre- and post-processing in the frame, 0 to 1; ``None`` where the case
            does not tell its steps apart.

    """

    frames: int
    median: float
    q1: float
    q3: float
    p99: float
    ratio: float
    overhead: float | None


def make_inputs(
    frames: int, size: tuple[int, int], bounds: tuple[NDArray[np.float64], NDArray[np.float64]]
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """
    Make smooth pictures in which blobs wander, and joints that move within their bounds.

    Args:
        frames: how many of each.
        size: height and width of a picture.
        bounds: minimum and maximum of the joints, each (D,).

    Returns:
        Pictures uint8 (frames, height, width, 3), joints float64 (frames, D).

    """
    height, width = size
    minimum, maximum = bounds
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    phase = np.linspace(0, 2 * np.pi, frames, endpoint=False)
    pictures = np.empty((frames, height, width, 3), np.uint8)
    for index, angle in enumerate(phase):
        away = (x - 0.5 - 0.3 * np.cos(angle)) ** 2 + (y - 0.5 - 0.3 * np.sin(angle)) ** 2
        for channel, breadth in enumerate(_BLOB_BREADTHS):
            pictures[index, :, :, channel] = 40 + 200 * np.exp(-away / breadth)
    swing = 0.5 + 0.4 * np.sin(phase[:, None] + np.arange(minimum.size))
    return pictures, minimum + (maximum - minimum) * swing


def make_inputs_of(bundle: Bundle, frames: int) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Make pictures of a model's own size, and joints within its bounds; see `make_inputs`."""
    model = bundle.model
    size = model.image_height, model.image_width
    return make_inputs(frames, size, (bundle.joint_minimum, bundle.joint_maximum))


def measure(
    cases: Sequence[Case],
    pictures: NDArray[np.uint8],
    joints: NDArray[np.float64],
    *,
    frames: int,
    warm_up: int,
    progress: Progress = untold,
) -> Mapping[str, Timing]:
    """
    Time the cases, one frame of each in turn, so that all meet the same state of the machine.

    Args:
        cases: what to time; ratios are against the first.
        pictures: (P, h, w, 3); used in a circle.
        joints: (P, D).
        frames: how many frames of each case are timed.
        warm_up: how many are run before.
        progress: told the share of the frames that are done, between two frames.

    Returns:
        The timing of each case by its name, in the same order.

    """
    taken = np.empty((len(cases), frames))
    overheads = np.full((len(cases), frames), np.nan)
    for index in range(-warm_up, frames):
        place = index % len(pictures)
        progress((index + warm_up) / (frames + warm_up))
        for turn in range(len(cases)):
            number = (turn + index) % len(cases)  # each case comes first, second, ... in turn
            case = cases[number]
            begin = time.perf_counter_ns()
            case.frame(pictures[place], joints[place])
            end = time.perf_counter_ns()
            if index >= 0:
                taken[number, index] = (end - begin) / 1e6
                overheads[number, index] = case.overhead()
    first = float(np.median(taken[0]))
    return {
        case.name: _describe(taken[number], overheads[number], first)
        for number, case in enumerate(cases)
    }


def _describe(taken: NDArray[np.float64], overhead: NDArray[np.float64], first: float) -> Timing:
    q1, median, q3, p99 = (float(value) for value in np.percentile(taken, [25, 50, 75, 99]))
    share = float(np.median(overhead))
    return Timing(
        taken.size, median, q1, q3, p99, first / median, None if np.isnan(share) else share
    )


def time_bundle(
    bundle: Bundle,
    *,
    frames: int,
    threads: int,
    makers: Mapping[str, Maker] = CASES,
    without: Collection[str] = (),
    progress: Progress = untold,
) -> tuple[Mapping[str, Timing], tuple[str, ...]]:
    """
    Time every case that can run here.

    Args:
        bundle: the model.
        makers: the cases, by name.
        without: names of cases to leave out.
        frames: how many frames of each case are timed.
        threads: CPU threads for one inference.
        progress: told the share of the frames that are done, between two frames.

    Returns:
        The timings by case, and for each case that cannot run here a line that says why.

    """
    pictures, joints = make_inputs_of(bundle, _PICTURES)
    missing: list[str] = []
    cases: list[Case] = []
    with ExitStack() as stack:
        for name, make in makers.items():
            if name in without:
                continue
            try:
                cases.append(stack.enter_context(closing(make(name, bundle, threads))))
            except (MissingPackageError, BackendError, EngineError) as error:
                missing.append(f'{name}: {error}')
        if not cases:
            msg = f'nothing can be timed here: {"; ".join(missing)}'
            raise BackendError(msg)
        timings = measure(
            cases, pictures, joints, frames=frames, warm_up=_WARM_UP, progress=progress
        )
    return timings, tuple(missing)
