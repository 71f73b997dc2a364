# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Times configurations against each other: all of them in one run, in turn, on the same frames.

They take turns in short blocks of frames, each time in another order, so that whatever else the
machine does meets all of them; within a block a configuration runs as it would alone, its caches
warm. What is timed are the steps that the predictor itself times in every frame. Asking for them
takes time of its own where a GPU keeps some of them: there they are read of every n-th frame only.
"""

from __future__ import annotations

import math
import operator
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eipl_trt_ros.backends import StepTimes
from eipl_trt_ros.evaluation.configurations import Lineup
from eipl_trt_ros.evaluation.frames import Frame
from eipl_trt_ros.evaluation.spread import Figure
from eipl_trt_ros.predictor import Predictor
from eipl_trt_ros.progress import Progress, untold

WARM_UP = 20
"""Frames of each configuration before the first that is timed, at least."""
WARM_UP_SECONDS = 0.5
"""How long these frames go on at least: clocks rise with the work."""
BLOCK = 20
"""Timed frames of one configuration before the next one's turn."""
ASKING = 0.02
"""Asking for times and keeping them takes no more than this share of a loop over frames."""
_STEPS = operator.attrgetter(*StepTimes.STEPS)
_MOTION = StepTimes.STEPS[:5]
_DEVICE = ('copy_in', 'infer', 'copy_out')
_DEVICE_IMAGE = ('image_copy_in', 'image_infer', 'image_copy_out')


@dataclass(frozen=True)
class StepLog:
    """
    The steps of the timed frames of one configuration.

    Attributes:
        nanoseconds: int64 (N, 9), columns as in `StepTimes.STEPS`.
        every: of how many frames each is one, see `frames_apart`.

    """

    nanoseconds: NDArray[np.int64]
    every: int = 1

    def milliseconds(self, *steps: str) -> NDArray[np.float64]:
        """Return (N,), the sum of some steps in each frame, in milliseconds."""
        places = [StepTimes.STEPS.index(step) for step in steps]
        return self.nanoseconds[:, places].sum(axis=1) / 1e6

    @property
    def device(self) -> NDArray[np.float64]:
        """Steps (2) to (4) of both graphs: the paper's table 4."""
        return self.milliseconds(*_DEVICE, *_DEVICE_IMAGE)

    @property
    def frame(self) -> NDArray[np.float64]:
        """Steps (1) to (5) of both graphs: the paper's table 5."""
        return self.milliseconds(*StepTimes.STEPS)

    @property
    def device_command(self) -> NDArray[np.float64]:
        """Steps (2) to (4) of the motion graph alone."""
        return self.milliseconds(*_DEVICE)

    @property
    def command(self) -> NDArray[np.float64]:
        """Steps (1) to (5) of the motion graph alone: from the inputs to the command."""
        return self.milliseconds(*_MOTION)


def frames_apart(predictor: Predictor, data: Sequence[Frame]) -> int:
    """
    Return of how many frames one is asked for its times, so that this takes at most `ASKING`.

    It is 1 where frames are long. Asking and keeping the answer takes some microseconds, more
    where a GPU is asked for the times of its copies; they are in the loop's time, in no frame's.

    Args:
        predictor: what runs, warm.
        data: frames, used in a circle.

    """
    took, kept = np.empty((WARM_UP, 2)), []
    frames = _Frames(predictor, data)
    for index in range(WARM_UP):
        begin = time.perf_counter_ns()
        frames.run(1)
        done = time.perf_counter_ns()
        kept.append(_STEPS(predictor.timing))
        took[index] = done - begin, time.perf_counter_ns() - done
    running, asking = np.median(took, axis=0)
    return max(1, math.ceil(asking / (ASKING * running)))


class _Frames:
    """
    Runs frames of a predictor over the data, again and again.

    Args:
        predictor: what runs.
        data: the frames; after the last comes the first again, with the state reset.

    """

    def __init__(self, predictor: Predictor, data: Sequence[Frame]) -> None:
        self._predictor = predictor
        self._data = data
        self._next = 0
        predictor.reset()

    def run(self, frames: int) -> None:
        """Run so many frames, on from where the last call ended."""
        predictor, data = self._predictor, self._data
        place, count = self._next, len(data)
        for _ in range(frames):
            if place == count:
                place = 0
                predictor.reset()
            frame = data[place]
            place += 1
            predictor.step(frame.picture, frame.joints)
            predictor.predicted_image()
        self._next = place


class Recording:
    """
    Runs frames of a predictor over the data, again and again, and keeps their steps.

    Between two frames there is next to nothing: the steps are kept as a tuple each and become an
    array at the end, since writing nine numbers into an array takes longer than all the rest.

    Args:
        predictor: what runs.
        data: the frames; after the last comes the first again, with the state reset.
        every: of how many frames the last is asked for its steps.

    """

    def __init__(self, predictor: Predictor, data: Sequence[Frame], every: int = 1) -> None:
        self.every = every
        self.frames = _Frames(predictor, data)
        self._predictor = predictor
        self._steps: list[tuple[int, ...]] = []

    def run(self, frames: int) -> None:
        """Run frames until the steps of so many have been kept."""
        predictor, keep, run = self._predictor, self._steps.append, self.frames.run
        for _ in range(frames):
            run(self.every)
            keep(_STEPS(predictor.timing))  # a device's times are read now

    def restart(self) -> None:
        """Forget what was kept; the data and the state go on."""
        self._steps.clear()

    @property
    def log(self) -> StepLog:
        """What was kept."""
        steps = np.array(self._steps, np.int64).reshape(-1, len(StepTimes.STEPS))
        return StepLog(steps, self.every)


def time_lineup(
    lineup: Lineup,
    data: Sequence[Frame],
    frames: int,
    progress: Progress = untold,
    *,
    warm_up_seconds: float = WARM_UP_SECONDS,
) -> list[StepLog]:
    """
    Time the configurations of a bundle in turn.

    Args:
        lineup: the configurations.
        data: frames, at least one; used in a circle.
        frames: how many frames of each are timed.
        progress: told the share of the frames that are done, between two blocks.
        warm_up_seconds: see `WARM_UP_SECONDS`.

    Returns:
        The steps of each configuration, in the same order.

    """
    runs = [Recording(one.predictor, data) for one in lineup.opened]
    for run, one in zip(runs, lineup.opened, strict=True):
        _warm_up(run, warm_up_seconds)
        run.every = frames_apart(one.predictor, data)
    for turn, begin in enumerate(range(0, frames, BLOCK)):
        for place in range(len(runs)):
            runs[(place + turn) % len(runs)].run(min(BLOCK, frames - begin))
        progress(min(1.0, (begin + BLOCK) / frames))
    return [run.log for run in runs]


def _warm_up(run: Recording, seconds: float) -> None:
    begin = time.monotonic()
    while True:
        run.run(WARM_UP)
        run.restart()
        if time.monotonic() - begin >= seconds:
            return


@dataclass(frozen=True)
class Overhead:
    """
    What the measuring adds to the frames of a loop; it is part of no frame's time.

    Attributes:
        share: median over the rounds of (measured loop / bare loop - 1), with quartiles. The bare
            loop runs frames and never asks how long they took.
        own: the same against a loop that asks for the steps of as many frames and forgets them.
            What lies between the two is the backend's own asking: on a GPU, for the times of the
            copies.
        rounds: how often the loops were run, in turn.
        frames: frames in each.
        every: of how many frames one was asked for its steps, as when times are measured.

    """

    share: Figure
    own: Figure
    rounds: int
    frames: int
    every: int


def overhead_of(
    predictor: Predictor, data: Sequence[Frame], *, rounds: int = 20, frames: int = BLOCK
) -> Overhead:
    """
    Compare the measured loop with a bare loop over the same predictor, in turn.

    Args:
        predictor: what runs.
        data: frames, used in a circle.
        rounds: how often each loop is run.
        frames: frames in one run of a loop whose steps are asked for.

    """
    recording = Recording(predictor, data)
    recording.run(WARM_UP)
    every = recording.every = frames_apart(predictor, data)
    run = recording.frames.run  # all go through the data together, so none resets more often

    def asking() -> None:
        for _ in range(frames):
            run(every)
            predictor.timing  # noqa: B018 - asking is what it is about

    loops: list[Callable[[], object]] = [
        lambda: run(frames * every),
        asking,
        lambda: recording.run(frames),
    ]
    took = np.empty((rounds, len(loops)))
    for turn in range(rounds):
        for place in range(len(loops)):
            loop = (place + turn) % len(loops)
            recording.restart()
            begin = time.perf_counter_ns()
            loops[loop]()
            took[turn, loop] = time.perf_counter_ns() - begin
    bare, asked, measured = took.T
    share, own = _quartiles(measured / bare), _quartiles(measured / asked)
    return Overhead(share, own, rounds, frames * every, every)


def _quartiles(ratios: NDArray[np.float64]) -> Figure:
    low, median, high = (float(value) for value in np.percentile(ratios - 1.0, [25, 50, 75]))
    return Figure(median, low, high)
