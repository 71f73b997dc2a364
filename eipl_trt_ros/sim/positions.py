# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Where the cube may lie, and which places belong to training, validation and test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

Split = Literal['train', 'validation', 'test']
SPLITS: tuple[Split, ...] = ('train', 'validation', 'test')

X_RANGE = (0.475, 0.525)
Y_RANGE = (-0.13, 0.13)
YAW_RANGE = (-0.09, 0.09)
BAND_HALF_WIDTH = 0.007
# Stripes of the table in which training never puts a cube; metres, along y.
TEST_BANDS = (-0.10, -0.033, 0.033, 0.10)
VALIDATION_BANDS = (-0.067, 0.0, 0.067)

_SEEDS = {'train': 1, 'validation': 2, 'test': 3}


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


def draw_placements(split: Split, count: int) -> list[Placement]:
    """
    Draw places of a split, always the same for the same arguments.

    Places of training are uniform over the table but for the other splits' bands; those of the
    other splits go round their bands in turn, uniform within each.

    Args:
        split: which one.
        count: how many.

    """
    generator = np.random.default_rng(_SEEDS[split])
    placements = []
    for index in range(count):
        if split == 'train':
            y = generator.uniform(*Y_RANGE)
            while split_of(y) != 'train':
                y = generator.uniform(*Y_RANGE)
        else:
            bands = TEST_BANDS if split == 'test' else VALIDATION_BANDS
            y = bands[index % len(bands)] + generator.uniform(-BAND_HALF_WIDTH, BAND_HALF_WIDTH)
        placements.append(
            Placement(
                x=float(generator.uniform(*X_RANGE)),
                y=float(y),
                yaw=float(generator.uniform(*YAW_RANGE)),
            )
        )
    return placements
