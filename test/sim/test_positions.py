# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eipl_trt_ros.sim.positions import (
    AREAS,
    BAND_HALF_WIDTH,
    OUTSIDE_FROM,
    OUTSIDE_TO,
    SIDES,
    SPLITS,
    TEST_BANDS,
    VALIDATION_BANDS,
    X_RANGE,
    Y_RANGE,
    beyond,
    draw_area,
    draw_placements,
    side_of,
    split_of,
)
from eipl_trt_ros.sim.scene import project


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


@pytest.mark.parametrize('split', SPLITS)
def test_the_places_of_the_sides_are_those_of_the_whole_split_in_order(split):
    everywhere = draw_placements(split, 100)
    for side in SIDES:
        here = [place for place in everywhere if side_of(place.y) == side]
        assert 30 < len(here) < 70
        assert draw_placements(split, len(here), side) == here


def test_the_left_is_where_y_points_and_no_place_is_on_both_sides():
    assert [side_of(y) for y in (0.1, 1e-9, 0.0, -0.1)] == ['left', 'left', 'right', 'right']


def test_bands_do_not_touch_each_other():
    bands = sorted(TEST_BANDS + VALIDATION_BANDS)
    assert all(right - left > 2 * BAND_HALF_WIDTH for left, right in pairwise(bands))


@pytest.mark.parametrize('area', AREAS)
def test_places_outside_are_outside_and_all_others_inside(area):
    places = draw_area(area, 60)
    assert places[:20] == draw_area(area, 20)
    for place in places:
        out = max(beyond(place.x, X_RANGE), beyond(place.y, Y_RANGE))
        assert (OUTSIDE_FROM <= out <= OUTSIDE_TO) if area == 'outside' else out == 0
        x, y = project(np.array([place.x, place.y, 0.025]))
        assert 0.05 < x < 0.95
        assert 0.05 < y < 0.95
