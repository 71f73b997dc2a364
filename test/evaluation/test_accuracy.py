# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Accuracy of passes against their closed forms."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from offline_pass import run_offline

from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.evaluation.accuracy import accuracy_of, joint_spans
from eipl_trt_ros.evaluation.offline import Pass, PassSettings


@pytest.fixture(scope='module')
def run(sarnn: Bundle, bag: Path) -> Pass:
    return run_offline(sarnn, bag, PassSettings())


def shifted(run: Pass, by: float) -> Pass:
    return replace(run, predicted=run.predicted + by)


def test_a_perfect_prediction_has_no_error_and_a_shift_its_square(run: Pass) -> None:
    perfect = replace(run, predicted=np.roll(run.joints, -1, axis=0))
    assert accuracy_of([perfect], None, 0.0).joint_mse == 0
    off = accuracy_of([shifted(perfect, 0.02)], None, 0.0)
    spans = joint_spans(run.bundle)
    measured = ~np.isnan(run.joints).all(axis=0)
    assert off.joint_mse == pytest.approx(np.mean((0.02 / spans[measured]) ** 2))
    assert off.joint_mse_rad2 == pytest.approx(0.02**2)
    assert off.pairs == 19


def test_the_error_rate_is_the_mse_as_a_multiple_of_that_of_fp32(run: Pass) -> None:
    perfect = replace(run, predicted=np.roll(run.joints, -1, axis=0))
    found = accuracy_of([shifted(perfect, 0.02)], [shifted(perfect, 0.01)], 0.0)
    assert found.error_rate == pytest.approx(4.0)
    assert [j.rate for j in found.joints[:3]] == pytest.approx([4.0] * 3)
    assert accuracy_of([run], [run], 0.0).error_rate == 1.0
    assert math.isnan(accuracy_of([run], None, 0.0).error_rate)


def test_commands_count_as_different_beyond_the_tolerance_only(run: Pass) -> None:
    other = run.predicted.copy()
    other[3, 0] += 0.004
    other[5, 1] -= 0.010
    changed = replace(run, predicted=other)
    command = accuracy_of([changed], [run], 0.005).command
    assert command is not None
    assert (command.frames, command.beyond) == (20, 1)
    assert command.largest == pytest.approx(0.010)
    command = accuracy_of([changed], [run], 0.001).command
    assert command is not None
    assert command.beyond == 2


def test_a_gripper_told_the_opposite_is_counted(run: Pass) -> None:
    low, high = run.predicted.copy(), run.predicted.copy()
    low[:, 3], high[:, 3] = 0.1, 0.1
    high[4:9, 3] = 0.9
    high[9, 3] = 0.5  # between the thresholds: what was told holds
    command = accuracy_of([replace(run, predicted=high)], [replace(run, predicted=low)], 0).command
    assert command is not None
    assert command.switched == 6
    assert command.beyond == 0


def test_recordings_weigh_by_their_pairs(run: Pass) -> None:
    short = replace(
        run,
        stamps_ns=run.stamps_ns[:5],
        resets=run.resets[:5],
        joints=run.joints[:5],
        predicted=run.predicted[:5],
        image_errors=run.image_errors[:4],
        image_differences=run.image_differences[:5],
    )
    one, two = (accuracy_of([part], None, 0.0) for part in (run, short))
    both = accuracy_of([run, short], None, 0.0)
    assert both.pairs == one.pairs + two.pairs == 23
    assert both.joint_mse == pytest.approx((19 * one.joint_mse + 4 * two.joint_mse) / 23)
    assert both.image_error == pytest.approx((19 * one.image_error + 4 * two.image_error) / 23)
