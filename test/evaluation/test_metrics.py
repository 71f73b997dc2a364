# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Figures against their closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from eipl_trt_ros.evaluation import metrics

RATE = 10.0


def stamps(count: int) -> np.ndarray:
    return 1_700_000_000_000_000_000 + np.arange(count, dtype=np.int64) * 100_000_000


def joint_errors(predicted, measured, pairs, spans):
    return metrics.paired_errors(predicted[pairs], measured[pairs + 1], spans)


def all_pairs(count: int) -> np.ndarray:
    return metrics.neighbours(stamps(count), np.zeros(count, bool), RATE)


def test_each_frame_but_the_last_has_a_neighbour_in_an_even_recording():
    np.testing.assert_array_equal(all_pairs(5), [0, 1, 2, 3])


def test_a_gap_a_step_back_and_a_reset_part_neighbours():
    at = stamps(6)
    at[2:] += 100_000_000  # a lost frame
    at[5] = at[0]  # the recording starts over
    resets = np.array([True, False, False, True, False, True])
    np.testing.assert_array_equal(metrics.neighbours(at, resets, RATE), [0, 3])


@given(
    shift=st.floats(-2, 2),
    count=st.integers(2, 30),
    joints=st.integers(1, 8),
    low=st.floats(-3, 0),
    width=st.floats(0.1, 6),
)
def test_a_constant_error_gives_its_square_in_normalised_units(shift, count, joints, low, width):
    measured = low + width * np.random.default_rng(0).random((count, joints))
    predicted = np.roll(measured, -1, axis=0) + shift
    spans = np.full(joints, width)
    errors = joint_errors(predicted, measured, all_pairs(count), spans)
    assert errors.mse == pytest.approx((shift / width) ** 2, rel=1e-6, abs=1e-20)
    np.testing.assert_allclose(errors.rmse_rad, abs(shift), rtol=1e-6, atol=1e-12)
    assert errors.pairs == count - 1


@given(hnp.arrays(np.float64, (12, 3), elements=st.floats(-1, 1)), st.integers(0, 2**31))
def test_the_error_in_radians_is_the_error_of_normalised_joints(measured, seed):
    """Section 5.3 normalises both sides first; dividing the difference is the same."""
    low, high = np.array([-2.0, -1.0, 0.5]), np.array([1.0, 3.0, 0.9])
    vmin, vmax = 0.1, 0.9
    predicted = measured + np.random.default_rng(seed).normal(0, 0.1, measured.shape)

    def normalised(joints):
        return (joints - low) / (high - low) * (vmax - vmin) + vmin

    expected = np.mean((normalised(predicted)[:-1] - normalised(measured)[1:]) ** 2)
    spans = (high - low) / (vmax - vmin)
    errors = joint_errors(predicted, measured, all_pairs(12), spans)
    assert errors.mse == pytest.approx(expected, rel=1e-9)
    assert errors.mse == pytest.approx(errors.per_joint.mean(), rel=1e-9)


def test_a_joint_that_was_never_measured_is_left_out():
    measured = np.array([[0.0, np.nan], [1.0, np.nan], [2.0, np.nan]])
    predicted = np.array([[1.5, 9.0], [2.5, 9.0], [3.5, 9.0]])
    errors = joint_errors(predicted, measured, all_pairs(3), np.ones(2))
    assert errors.mse == pytest.approx(0.25)
    assert errors.per_joint[0] == pytest.approx(0.25)
    assert math.isnan(errors.per_joint[1])


def test_persistence_is_the_square_of_the_step_of_a_ramp():
    measured = np.arange(10.0)[:, None] * 0.03
    errors = joint_errors(measured, measured, all_pairs(10), np.array([2.0]))
    assert errors.mse == pytest.approx((0.03 / 2) ** 2)


def test_nothing_to_compare_gives_nan_not_a_crash():
    assert math.isnan(joint_errors(*np.zeros((2, 1, 3)), all_pairs(1), np.ones(3)).mse)
    assert math.isnan(metrics.latency([]).p50)
    assert metrics.latency([math.nan]).count == 0


def test_the_percentiles_of_an_even_ladder():
    found = metrics.latency(np.arange(101.0))
    assert (found.p50, found.p95, found.p99, found.max) == (50, 95, 99, 100)
    assert found.mean == 50
    assert found.jitter == pytest.approx(math.sqrt((101**2 - 1) / 12))


@given(hnp.arrays(np.float64, st.integers(1, 50), elements=st.floats(0, 1e4)))
def test_percentiles_stand_in_order_within_the_range(values):
    found = metrics.latency(values)
    assert values.min() <= found.p50 <= found.p95 <= found.p99 <= found.max == values.max()


@given(st.integers(0, 255), st.integers(0, 255))
def test_the_error_of_pictures_is_their_distance_in_grey_levels(first, second):
    pictures = (np.full((4, 5, 3), level, np.uint8) for level in (first, second))
    assert metrics.grey_levels(*pictures) == abs(first - second)
