# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from eipl_trt_ros.image_errors import ImageErrors

SHAPE = (6, 5, 3)
PICTURES = arrays(np.uint8, SHAPE)


def measured(predicted: list[np.ndarray | None], sensed: np.ndarray) -> list[float]:
    errors = [math.nan] * len(predicted)
    together = ImageErrors([SHAPE] * len(predicted), alike=True)
    together.measure(predicted, [sensed] * len(predicted), errors)
    return errors


def squared(predicted: np.ndarray, sensed: np.ndarray) -> np.ndarray:
    return ((predicted.astype(float) - sensed) / 255) ** 2


@given(predicted=st.lists(PICTURES, min_size=1, max_size=4), sensed=PICTURES)
def test_an_error_is_what_a_model_is_worse_than_the_best_at_each_pixel(predicted, sensed):
    each = np.array([squared(image, sensed) for image in predicted])
    expected = (each - each.min(0)).mean((1, 2, 3))
    assert measured(predicted, sensed) == pytest.approx(expected, abs=1e-12)


@given(predicted=st.lists(PICTURES, min_size=2, max_size=4), sensed=PICTURES)
def test_errors_differ_by_what_whole_squared_errors_differ_by(predicted, sensed):
    whole = [squared(image, sensed).mean() for image in predicted]
    errors = measured(predicted, sensed)
    assert np.subtract(errors, errors[0]) == pytest.approx(np.subtract(whole, whole[0]))


def test_what_no_model_predicted_counts_for_none():
    sensed = np.full(SHAPE, 200, np.uint8)
    blurred = np.full(SHAPE, 90, np.uint8)
    misplaced = blurred.copy()
    misplaced[0, 0] = 80
    right, wrong = measured([blurred, misplaced], sensed)
    assert right == 0.0
    assert wrong > 0.0


def test_without_a_prediction_there_is_no_error_and_the_others_are_compared():
    sensed = np.zeros(SHAPE, np.uint8)
    near, far = np.full(SHAPE, 51, np.uint8), np.full(SHAPE, 102, np.uint8)
    none, best, worse = measured([None, near, far], sensed)
    assert math.isnan(none)
    assert best == 0.0
    assert worse == pytest.approx(0.4**2 - 0.2**2)
    assert all(map(math.isnan, measured([None, None], sensed)))


def test_models_that_see_pictures_of_other_sizes_are_compared_by_their_whole_errors():
    shapes = [(4, 4, 3), (2, 2, 3)]
    predicted = [np.full(shape, 51, np.uint8) for shape in shapes]
    sensed = [np.zeros(shape, np.uint8) for shape in shapes]
    errors = [math.nan] * 2
    ImageErrors(shapes, alike=False).measure(predicted, sensed, errors)
    assert errors == pytest.approx([0.04, 0.04])


def test_a_comparison_allocates_no_picture():
    shape = (128, 128, 3)
    together = ImageErrors([shape] * 3, alike=True)
    predicted = [np.full(shape, value, np.uint8) for value in (1, 2, 3)]
    sensed, errors = [predicted[0]] * 3, [0.0] * 3
    together.measure(predicted, sensed, errors)
    tracemalloc.start()
    for _ in range(10):
        together.measure(predicted, sensed, errors)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16_384
