# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Where the cube may lie, and which places belong to training, validation and test."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count as count_up
from itertools import islice
from typing import Literal

import numpy as np

Split = Literal['train', 'validation', 'test']
SPLITS: tuple[Split, ...] = ('train', 'validation', 'test')

# Half of the area, as the robot sees it: y points to its left (REP 103).
Side = Literal['left', 'right']
SIDES: tuple[Side, ...] = ('left', 'right')

X_RANGE = (0.475, 0.525)
Y_RANGE = (-0.13, 0.13)
YAW_RANGE = (-0.09, 0.09)
BAND_HALF_WIDTH = 0.007
# Stripes of the table in which training never puts a cube; metres, along y.
TEST_BANDS = (-0.10, -0.033, 0.033, 0.10)
VALIDATION_BANDS = (-0.067, 0.0, 0.067)

# How far beyond the trained ranges a place outside lies, in x or in y or in both; metres. All such
# places are in reach and in the picture.
OUTSIDE_FROM, OUTSIDE_TO = 0.01, 0.04

# Places as the closed loop is judged: on what training saw (the first places of its split), on
# what lies between, and beyond. Nothing is promised beyond.
Area = Literal['seen', 'unseen', 'outside']
AREAS: tuple[Area, ...] = ('seen', 'unseen', 'outside')

_SEEDS = {'train': 1, 'validation': 2, 'test': 3}
_OUTSIDE_SEED = 4


@dataclass(frozen=True)
class Placement:
    """Where a cube lies: x and y in metres (base frame), yaw in radians."""

    x: float
    y: float
    yaw: float


def split_of(y: float) -> Split:
    """Tell which split a place belongs to, by its y in metres."""
    if any(abs(y - band) <= BAND_HALF_WIDTH for band in TEST_BANDS):
        return 'test'
    if any(abs(y - band) <= BAND_HALF_WIDTH for band in VALIDATION_BANDS):
        return 'validation'
    return 'train'


def side_of(y: float) -> Side:
    """Tell which side a place is on, by its y in metres."""
    return 'left' if y > 0 else 'right'


def draw_placements(split: Split, count: int, side: Side | None = None) -> list[Placement]:
    """
    Draw places of a split, always the same for the same arguments.

    Places of training are uniform over the table but for the other splits' bands; those of the
    other splits go round their bands in turn, uniform within each.

    Args:
        split: which one.
        count: how many.
        side: only those on this side: the first of all that are drawn without it.

    """
    places = (place for place in _placements(split) if side in (None, side_of(place.y)))
    return list(islice(places, count))


def _placements(split: Split) -> Iterator[Placement]:
    """Draw a split's places without end."""
    generator = np.random.default_rng(_SEEDS[split])
    for index in count_up():
        if split == 'train':
            y = generator.uniform(*Y_RANGE)
            while split_of(y) != 'train':
                y = generator.uniform(*Y_RANGE)
        else:
            bands = TEST_BANDS if split == 'test' else VALIDATION_BANDS
            y = bands[index % len(bands)] + generator.uniform(-BAND_HALF_WIDTH, BAND_HALF_WIDTH)
        yield Placement(
            x=float(generator.uniform(*X_RANGE)),
            y=float(y),
            yaw=float(generator.uniform(*YAW_RANGE)),
        )


def draw_area(area: Area, count: int) -> list[Placement]:
    """
    Draw places of an area, always the same for the same arguments.

    Args:
        area: ``seen`` and ``unseen`` are the first places of the training and of the test split.
        count: how many.

    """
    if area != 'outside':
        return draw_placements('train' if area == 'seen' else 'test', count)
    generator = np.random.default_rng(_OUTSIDE_SEED)
    placements: list[Placement] = []
    while len(placements) < count:
        x, y = (
            float(generator.uniform(low - OUTSIDE_TO, high + OUTSIDE_TO))
            for low, high in (X_RANGE, Y_RANGE)
        )
        yaw = float(generator.uniform(*YAW_RANGE))
        if max(beyond(x, X_RANGE), beyond(y, Y_RANGE)) >= OUTSIDE_FROM:
            placements.append(Placement(x, y, yaw))
    return placements


def beyond(value: float, limits: tuple[float, float]) -> float:
    """Tell how far a value lies outside of limits, in its unit; 0 within."""
    low, high = limits
    return max(low - value, value - high, 0.0)
