# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The interleaved timing with real predictors."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from eipl_trt_ros.backends import Backend, StepTimes
from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.evaluation.configurations import (
    Identity,
    Lineup,
    Opened,
    configurations,
    open_lineup,
)
from eipl_trt_ros.evaluation.frames import Frame, ReadSettings, first_stretch
from eipl_trt_ros.evaluation.timing import (
    BLOCK,
    WARM_UP,
    Recording,
    StepLog,
    frames_apart,
    overhead_of,
    time_lineup,
)
from eipl_trt_ros.predictor import Predictor, open_predictor


@pytest.fixture(scope='module')
def data(sarnn: Bundle, bag: Path) -> list[Frame]:
    return first_stretch(bag, sarnn, ReadSettings(), frames=12)


def test_each_configuration_gets_the_frames_asked_for_and_its_steps(
    sarnn: Bundle, data: list[Frame]
) -> None:
    told: list[float] = []
    with open_lineup(sarnn, configurations('onnxruntime', ('fp32',), 'torch')) as lineup:
        torch, own = time_lineup(lineup, data, 50, told.append)
    for log in (torch, own):
        assert log.nanoseconds.shape == (50, len(StepTimes.STEPS))
        assert (log.milliseconds('infer') > 0).all()
        assert (log.device <= log.frame).all()
        assert (log.command <= log.frame).all()
        assert (log.device_command <= log.command).all()
    assert (own.milliseconds('image_infer') > 0).all()
    assert (torch.milliseconds('image_infer') == 0).all()  # the whole model runs at once
    assert told[-1] == 1.0


def test_configurations_take_turns_in_blocks_each_time_in_another_order(
    sarnn: Bundle, data: list[Frame], monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[tuple[str, int]] = []
    run = Recording.run

    def noted(self: Recording, frames: int) -> None:
        order.append((self._predictor.backend.precision, frames))
        run(self, frames)

    monkeypatch.setattr(Recording, 'run', noted)
    with open_lineup(sarnn, configurations('onnxruntime', ('fp32', 'fp16'), None)) as lineup:
        time_lineup(lineup, data, BLOCK + 5, warm_up_seconds=0.0)
    assert order == [
        ('fp32', WARM_UP),
        ('fp16', WARM_UP),
        ('fp32', BLOCK),
        ('fp16', BLOCK),
        ('fp16', 5),
        ('fp32', 5),
    ]


def test_the_data_are_looped_with_the_state_reset(sarnn: Bundle, data: list[Frame]) -> None:
    seen: list[np.ndarray] = []

    class Noting(Predictor):
        def step(self, picture, joints):  # type: ignore[no-untyped-def]
            motion = super().step(picture, joints)
            seen.append(motion.joints.copy())
            return motion

    with open_predictor(sarnn) as plain:
        predictor = Noting(sarnn, plain.backend)
        recording = Recording(predictor, data)
        recording.run(5)
        recording.run(25)
    np.testing.assert_array_equal(seen[:12], seen[12:24])
    assert not np.array_equal(seen[0], seen[1])
    assert len(recording.log.nanoseconds) == 30


def test_sums_of_steps_are_those_of_the_paper() -> None:
    columns = dict(zip(StepTimes.STEPS, (1, 10, 100, 1000, 10**4, 2, 20, 200, 2000), strict=True))
    log = StepLog(np.array([list(columns.values())]) * 1_000_000)
    assert log.device.tolist() == [1110 + 222]
    assert log.frame.tolist() == [11111 + 2222]
    assert log.device_command.tolist() == [1110]
    assert log.command.tolist() == [11111]
    times = StepTimes()
    for name, value in columns.items():
        setattr(times, name, value)
    assert times.total == log.frame[0]
    assert times.motion_total == log.command[0]


def test_the_columns_are_those_that_the_backend_measured(sarnn: Bundle, data: list[Frame]) -> None:
    with open_predictor(sarnn) as predictor:
        recording = Recording(predictor, data)
        recording.run(1)
        assert recording.log.nanoseconds[0].tolist() == list(predictor.timing.as_dict().values())


class Reluctant(Predictor):
    """Takes time to answer how long a frame took, as a GPU does, and counts the answers."""

    def __init__(self, bundle: Bundle, backend: Backend, *, frame_us: int, answer_us: int) -> None:
        super().__init__(bundle, backend)
        self._spent = frame_us * 1000, answer_us * 1000
        self.ran: list[int] = []
        self.answered: list[int] = []

    def step(self, picture, joints):  # type: ignore[no-untyped-def]
        end = time.perf_counter_ns() + self._spent[0]
        motion = super().step(picture, joints)
        self.ran.append(1)
        while time.perf_counter_ns() < end:
            pass
        return motion

    @property
    def timing(self) -> StepTimes:
        end = time.perf_counter_ns() + self._spent[1]
        self.answered.append(len(self.ran))
        while time.perf_counter_ns() < end:
            pass
        return super().timing


@pytest.mark.parametrize(('answer_us', 'least', 'most'), [(0, 1, 1), (250, 2, 4), (2500, 16, 30)])
def test_a_device_is_asked_the_more_seldom_the_longer_it_takes_to_answer(
    sarnn: Bundle, data: list[Frame], answer_us: int, least: int, most: int
) -> None:
    with open_predictor(sarnn) as plain:
        slow = Reluctant(sarnn, plain.backend, frame_us=5000, answer_us=answer_us)
        assert least <= frames_apart(slow, data) <= most


def test_steps_are_kept_of_the_last_of_so_many_frames(sarnn: Bundle, data: list[Frame]) -> None:
    with open_predictor(sarnn) as plain:
        predictor = Reluctant(sarnn, plain.backend, frame_us=0, answer_us=0)
        recording = Recording(predictor, data, every=3)
        recording.run(4)
        recording.run(2)
    assert predictor.answered == [3, 6, 9, 12, 15, 18]
    assert recording.log.nanoseconds.shape == (6, len(StepTimes.STEPS))
    assert recording.log.every == 3


def test_a_reluctant_device_gets_as_many_timed_frames_at_little_overhead(
    sarnn: Bundle, data: list[Frame]
) -> None:
    with open_predictor(sarnn) as plain:
        slow = Reluctant(sarnn, plain.backend, frame_us=1000, answer_us=1000)
        lineup = Lineup([Opened(Identity('gpu', 'fp32', 'a GPU', False, False), slow)])
        [log] = time_lineup(lineup, data, 5, warm_up_seconds=0.0)
        assert log.every > 10
        assert len(log.nanoseconds) == 5
        overhead = overhead_of(slow, data, rounds=3, frames=2)
    assert overhead.frames == 2 * overhead.every
    assert overhead.share.value < 0.5  # asked after each frame, the loop takes twice as long


def test_the_loops_that_are_compared_reset_the_model_equally_often(
    sarnn: Bundle, data: list[Frame]
) -> None:
    resets, steps = [], []

    class Counting(Predictor):
        def reset(self) -> None:
            resets.append(1)
            super().reset()

        def step(self, picture, joints):  # type: ignore[no-untyped-def]
            steps.append(1)
            return super().step(picture, joints)

    with open_predictor(sarnn) as plain:
        overhead_of(Counting(sarnn, plain.backend), data, rounds=9, frames=4)
    assert len(steps) >= 9 * 3 * 4
    assert len(resets) <= len(steps) / len(data) + 3  # and the beginnings


def test_the_overhead_is_told_as_a_share_of_the_bare_loop(
    sarnn: Bundle, data: list[Frame]
) -> None:
    with open_predictor(sarnn) as predictor:
        overhead = overhead_of(predictor, data, rounds=9, frames=10)
    assert overhead.rounds == 9
    assert overhead.share.low <= overhead.share.value <= overhead.share.high
    assert overhead.own.low <= overhead.own.value <= overhead.own.high
    assert overhead.share.value > -0.9
