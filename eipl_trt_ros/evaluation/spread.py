# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
How firm a figure of a distribution of durations is: a block bootstrap.

Frames that follow each other share the state of the machine, so frames are not drawn one by one
but in the blocks in which they were measured (Kuensch, Annals of Statistics 17, 1989). The blocks
are drawn with a fixed seed: the same durations give the same spread.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eipl_trt_ros.evaluation.metrics import latency

_DRAWS = 200
_SEED = 20240322
_INTERVAL = (2.5, 97.5)  # percent
_FEWEST_BLOCKS = 3
NAMES = ('mean', 'p50', 'p95', 'p99', 'max', 'fps', 'jitter')


@dataclass(frozen=True)
class Figure:
    """A figure and the interval that holds it with 95 % probability; NaN where unknown."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Timing:
    """
    A distribution of durations, in milliseconds, each figure with its spread.

    Attributes:
        count: how many frames.
        mean, p50, p95, p99, max, jitter: see `Latency`.
        fps: frames per second, 1000 / mean.

    """

    count: int
    mean: Figure
    p50: Figure
    p95: Figure
    p99: Figure
    max: Figure
    fps: Figure
    jitter: Figure


def timing_of(milliseconds: NDArray[np.float64], block: int) -> Timing:
    """
    Describe durations.

    Args:
        milliseconds: (N,), in the order in which they were measured, without NaN.
        block: how many were measured one after another.

    Returns:
        The figures; with fewer than three blocks, without spread.

    """
    drawn = milliseconds[_draws(len(milliseconds), block)]
    found = latency(milliseconds)
    values = {name: getattr(found, name) for name in NAMES if name != 'fps'}
    values['fps'] = 1000.0 / found.mean if found.mean else float('nan')
    spreads = _spreads(drawn) if drawn.size else {}
    return Timing(
        found.count,
        **{
            name: Figure(value, *spreads.get(name, (float('nan'), float('nan'))))
            for name, value in values.items()
        },
    )


def ratio_of(first: NDArray[np.float64], second: NDArray[np.float64], block: int) -> Figure:
    """
    Say how many times as long the first took as the second: ratio of the medians.

    The blocks of both are drawn together: they were measured beside each other, so what slowed
    the machine down slowed both.

    Args:
        first: (N,) durations.
        second: (N,), of the same frames.
        block: see `timing_of`.

    """
    value = float(np.median(first) / np.median(second))
    places = _draws(len(first), block)
    if not places.size:
        return Figure(value, float('nan'), float('nan'))
    ratios = np.median(first[places], axis=1) / np.median(second[places], axis=1)
    low, high = np.percentile(ratios, _INTERVAL)
    return Figure(value, float(low), float(high))


def _draws(count: int, block: int) -> NDArray[np.intp]:
    """Draw blocks with replacement: indices (draws, frames); none with too few blocks."""
    blocks = count // block
    if blocks < _FEWEST_BLOCKS:
        return np.zeros((0, 0), np.intp)
    starts = np.random.default_rng(_SEED).integers(0, blocks, (_DRAWS, blocks)) * block
    return (starts[:, :, None] + np.arange(block)).reshape(_DRAWS, -1)


def _spreads(drawn: NDArray[np.float64]) -> Mapping[str, tuple[float, float]]:
    means = drawn.mean(axis=1)
    p50, p95, p99 = np.percentile(drawn, [50, 95, 99], axis=1)
    figures = {
        'mean': means,
        'p50': p50,
        'p95': p95,
        'p99': p99,
        'max': drawn.max(axis=1),
        'fps': 1000.0 / means,
        'jitter': drawn.std(axis=1),
    }
    intervals = {name: np.percentile(values, _INTERVAL) for name, values in figures.items()}
    return {name: (float(low), float(high)) for name, (low, high) in intervals.items()}
