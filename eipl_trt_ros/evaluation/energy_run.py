# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Runs each configuration alone under the power source, as in the paper's section 5.4.

The paper runs 10,000 frames, looping its data, and drops the power of the first 3 s. Where so many
frames take less than that, the run goes on: the figures say how many frames there were.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eipl_trt_ros.energy.frames import FrameSpan, frame_spans
from eipl_trt_ros.energy.idle import IdlePower
from eipl_trt_ros.energy.measurement import MeasuredRun
from eipl_trt_ros.energy.meter import PAPER_FRAMES
from eipl_trt_ros.energy.recorder import PowerRecorder
from eipl_trt_ros.errors import EnergyError
from eipl_trt_ros.evaluation.configurations import Lineup
from eipl_trt_ros.evaluation.frames import Frame
from eipl_trt_ros.evaluation.timing import WARM_UP, frames_apart
from eipl_trt_ros.predictor import Predictor
from eipl_trt_ros.progress import Progress, untold

LEAST_SECONDS = 10.0
"""How long a run takes at least: the 3 s that are dropped, and seven samples, one a second."""


@dataclass(frozen=True)
class EnergySettings:
    """
    How energy is measured.

    Attributes:
        source: one of the power sources; ``'auto'`` takes what is there.
        recording: CSV file or bag of power for the source ``'recorded'``.
        frames: frames of each configuration.
        least_seconds: how long each runs at least.
        idle_seconds: how long the machine at rest is measured before the runs of a bundle.

    """

    source: str = 'auto'
    recording: str = ''
    frames: int = PAPER_FRAMES
    least_seconds: float = LEAST_SECONDS
    idle_seconds: float = 5.0


@dataclass(frozen=True)
class EnergyResult:
    """
    What was measured of one configuration.

    Attributes:
        frames_asked, frames: frames that were to be run at least, and that were run.
        run: the measurement; None where there is none.
        reason: why there is none.

    """

    frames_asked: int
    frames: int
    run: MeasuredRun | None
    reason: str = ''


def open_power(settings: EnergySettings) -> tuple[PowerRecorder | None, str]:
    """Return a recorder that has read its first sample, or why there is none."""
    recorder = PowerRecorder(settings.source, recording=settings.recording)
    try:
        recorder.wait_for_power()
    except EnergyError as error:
        recorder.close()
        return None, str(error)
    return recorder, ''


def measure_lineup(
    lineup: Lineup,
    data: Sequence[Frame],
    power: PowerRecorder,
    settings: EnergySettings,
    progress: Progress = untold,
) -> list[EnergyResult]:
    """
    Measure the configurations of a bundle, one after another.

    Args:
        lineup: the configurations; those that only imitate a precision are not run.
        data: frames, used in a circle.
        power: reads the power meanwhile.
        settings: how many frames, and how long.
        progress: told the share that is done.

    Returns:
        What was measured of each, in the same order.

    """
    results: list[EnergyResult] = []
    try:
        idle: IdlePower | None = power.idle(settings.idle_seconds)
    except EnergyError:
        idle = None
    for one in lineup.opened:
        if one.identity.exact:
            reason = 'imitates the arithmetic, so its energy says nothing'
            results.append(EnergyResult(settings.frames, 0, None, reason))
            continue
        spans = _run(one.predictor, data, settings)
        try:
            run = power.measure({one.identity.label: spans}, idle)
            results.append(EnergyResult(settings.frames, len(spans), run))
        except EnergyError as error:
            results.append(EnergyResult(settings.frames, len(spans), None, str(error)))
        progress(len(results) / len(lineup.opened))
    return results


def _run(predictor: Predictor, data: Sequence[Frame], settings: EnergySettings) -> list[FrameSpan]:
    predictor.reset()
    _loop(predictor, data, 0, WARM_UP, 1)
    every = frames_apart(predictor, data)
    begin = time.monotonic()
    parts = [_loop(predictor, data, 0, settings.frames, every)]
    frames = settings.frames
    while (took := time.monotonic() - begin) < settings.least_seconds:
        # half a second's worth at a time, so that the run ends soon after it is long enough
        more = max(1, round(0.5 * frames / took))
        parts.append(_loop(predictor, data, frames, more, every))
        frames += more
    started, finished, computed = (np.concatenate(column) for column in zip(*parts, strict=True))
    return frame_spans(started, finished, computed)


_Times = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]


def _loop(
    predictor: Predictor, data: Sequence[Frame], first: int, frames: int, every: int
) -> _Times:
    """
    Run frames back to back; return when each began and ended, and what its steps took.

    One of ``every`` frames is asked for its steps, and stands for those up to the next.
    """
    started, finished, computed = (np.empty(frames, np.int64) for _ in range(3))
    count = len(data)
    for row in range(frames):
        place = (first + row) % count
        if place == 0:
            predictor.reset()
        frame = data[place]
        started[row] = time.monotonic_ns()
        predictor.step(frame.picture, frame.joints)
        predictor.predicted_image()
        finished[row] = time.monotonic_ns()
        computed[row] = computed[row - 1] if row % every else predictor.timing.total
    return started, finished, computed
