# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eipl_trt_ros.sim.positions import (
    BAND_HALF_WIDTH,
    SPLITS,
    TEST_BANDS,
    VALIDATION_BANDS,
    X_RANGE,
    Y_RANGE,
    draw_placements,
    split_of,
)


@pytest.mark.parametrize('split', SPLITS)
def test_every_place_belongs_to_the_split_it_was_drawn_for(split):
    for place in draw_placements(split, 200):
        assert split_of(place.y) == split
        assert X_RANGE[0] <= place.x <= X_RANGE[1]
        assert Y_RANGE[0] <= place.y <= Y_RANGE[1]


@pytest.mark.parametrize('split', SPLITS)
@given(few=st.integers(0, 20), more=st.integers(0, 20))
def test_the_first_places_do_not_depend_on_how_many_are_drawn(split, few, more):
    assert draw_placements(split, few + more)[:few] == draw_placements(split, few)


def test_bands_do_not_touch_each_other():
    bands = sorted(TEST_BANDS + VALIDATION_BANDS)
    assert all(right - left > 2 * BAND_HALF_WIDTH for left, right in pairwise(bands))
