# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The interleaved timing with real predictors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from eipl_trt_ros.backends import StepTimes
from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.evaluation.configurations import configurations, open_lineup
from eipl_trt_ros.evaluation.frames import Frame, ReadSettings, first_stretch
from eipl_trt_ros.evaluation.timing import (
    BLOCK,
    WARM_UP,
    Recording,
    StepLog,
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


def test_the_overhead_is_told_as_a_share_of_the_bare_loop(
    sarnn: Bundle, data: list[Frame]
) -> None:
    with open_predictor(sarnn) as predictor:
        overhead = overhead_of(predictor, data, rounds=9, frames=10)
    assert overhead.rounds == 9
    assert overhead.share.low <= overhead.share.value <= overhead.share.high
    assert overhead.own.low <= overhead.own.value <= overhead.own.high
    assert overhead.share.value > -0.9
