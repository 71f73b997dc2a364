# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
How far the values inside a graph reach, and where int8 cuts them off.

int8 is symmetric here: a value x becomes round(x / s) in -127..127 with s = threshold / 127, so
the threshold decides between cutting off what is rare and rounding what is common. Exact zeros,
of which an activation makes many, are the same at any threshold and are not counted.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from numpy.typing import NDArray

from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.engines.demonstrations import Demonstration
from eipl_trt_ros.engines.half import load_graph
from eipl_trt_ros.engines.int8_options import Method
from eipl_trt_ros.engines.rollout import MIXING, ExactSession, rollout

BINS = 4096  # at least half of them in use; 128 would leave the entropy method no choice
LEVELS = 128  # int8's, without the sign
PERCENTILE = 99.99
_STEP = 4  # bins from one candidate of the entropy method to the next


class Magnitudes:
    """
    A histogram of absolute values whose range grows with what it is given.

    Attributes:
        counts: int64 (BINS,), how many values fell into each bin, from 0 to ``limit``.
        limit: upper end of the last bin.
        highest: the largest absolute value so far.

    """

    def __init__(self) -> None:
        self.counts: NDArray[np.int64] = np.zeros(BINS, np.int64)
        self.limit = 0.0
        self.highest = 0.0

    def add(self, values: NDArray[np.float32]) -> None:
        """Count values; zeros are left out."""
        magnitudes = np.abs(values.ravel())
        magnitudes = magnitudes[magnitudes > 0]
        if not magnitudes.size:
            return
        highest = float(magnitudes.max())
        self.highest = max(self.highest, highest)
        self.limit = self.limit or highest
        while highest > self.limit:  # two bins become one, and the upper half is free
            self.counts = np.pad(self.counts.reshape(-1, 2).sum(axis=1), (0, BINS // 2))
            self.limit *= 2
        bins = np.minimum((magnitudes / self.limit * BINS).astype(np.int64), BINS - 1)
        self.counts += np.bincount(bins, minlength=BINS)

    def threshold(self, method: Method) -> float:
        """
        Choose where int8 cuts off.

        Args:
            method: ``minmax`` cuts off nothing; ``percentile`` cuts off a ten-thousandth of the
                values; ``entropy`` loses the least information, see `entropy_bins`.

        Returns:
            The threshold; 0 if there were only zeros.

        """
        if method == 'minmax' or not self.counts.any():
            return self.highest
        if method == 'percentile':
            below = np.cumsum(self.counts) / self.counts.sum()
            bins = int(np.searchsorted(below, PERCENTILE / 100)) + 1
        else:
            bins = entropy_bins(self.counts)
        return min(self.highest, bins * self.limit / BINS)


def entropy_bins(counts: NDArray[np.int64]) -> int:
    """
    Choose how many bins of a histogram int8 shall cover, by relative entropy.

    Of all candidates, the one whose distribution in `LEVELS` levels has the least Kullback-Leibler
    divergence from the histogram with everything above cut off to its last bin (S. Migacz, 8-bit
    inference with TensorRT, GTC 2017). TensorRT's entropy calibrator is built on the same idea.

    Args:
        counts: the histogram, not all zero.

    Returns:
        The number of bins.

    """
    used = int(np.flatnonzero(counts)[-1]) + 1
    best, least = used, np.inf
    for stop in range(LEVELS, used + 1, _STEP):
        inside = counts[:stop].astype(np.float64)
        clipped = inside.copy()
        clipped[-1] += counts[stop:].sum()
        level = np.arange(stop) * LEVELS // stop
        filled = inside > 0
        mass = np.bincount(level, inside, LEVELS)
        share = mass / np.maximum(np.bincount(level, filled, LEVELS), 1)
        rounded = np.where(filled, share[level], 0.0)
        divergence = _divergence(clipped, rounded)
        if divergence < least:
            best, least = stop, divergence
    return best


def _divergence(true: NDArray[np.float64], approximate: NDArray[np.float64]) -> float:
    """Kullback-Leibler divergence of two histograms; infinite where one denies the other."""
    if not approximate.any():
        return np.inf
    there = true > 0
    if not approximate[there].all():
        return np.inf
    p, q = true[there] / true.sum(), approximate[there] / approximate.sum()
    return float((p * np.log(p / q)).sum())


def measure_ranges(
    bundle: Bundle, graph: str, demonstrations: Sequence[Demonstration], values: Sequence[str]
) -> dict[str, Magnitudes]:
    """
    Roll the fp32 model out over demonstrations and look at values inside a graph.

    Args:
        bundle: the model.
        graph: one of its graphs.
        demonstrations: what it sees.
        values: names of values of the graph.

    Returns:
        The histogram of each value.

    Raises:
        EngineError: a graph cannot be loaded.

    """
    session = ExactSession(_showing(load_graph(bundle.graph_path(graph, 'int8')), values))
    ranges = {value: Magnitudes() for value in values}
    mixing = MIXING if graph.endswith('_mixed') else None
    for step in rollout(bundle, demonstrations, mixing=mixing):
        shown = session.run(step.motion if graph.startswith('motion') else step.image)
        for value, magnitudes in ranges.items():
            magnitudes.add(shown[value])
    return ranges


def _showing(model: onnx.ModelProto, values: Sequence[str]) -> onnx.ModelProto:
    """Make values of a graph its outputs as well."""
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    outputs = {entry.name for entry in model.graph.output}
    known = {entry.name: entry for entry in inferred.value_info}
    model.graph.output.extend(known[value] for value in values if value not in outputs)
    return model
