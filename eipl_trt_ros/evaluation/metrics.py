# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The numbers that say how well and how fast a model predicts: pure functions of arrays."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

_GAP = 1.5  # frames further apart than this many periods are not neighbours


@dataclass(frozen=True)
class JointErrors:
    """
    How far predicted joints are from the joints measured one step later.

    Attributes:
        mse: mean squared error in the model's normalised units, over frames and joints: the
            figure of the paper's section 5.3.
        per_joint: the same for each joint, float64 (D,); NaN where a joint was never measured.
        rmse_rad: root of the mean squared error of each joint in its own unit (radians for a
            revolute joint), float64 (D,).
        pairs: how many pairs of a prediction and the measurement that followed it went in.

    """

    mse: float
    per_joint: NDArray[np.float64]
    rmse_rad: NDArray[np.float64]
    pairs: int


@dataclass(frozen=True)
class Latency:
    """
    A distribution of durations, in milliseconds.

    ``p50``, ``p95`` and ``p99`` are percentiles with linear interpolation; ``jitter`` is the
    standard deviation.
    """

    count: int
    mean: float
    p50: float
    p95: float
    p99: float
    max: float
    jitter: float

    def as_dict(self) -> dict[str, float]:
        """Return the figures by name, for JSON."""
        return asdict(self)


def neighbours(
    stamps_ns: NDArray[np.int64], resets: NDArray[np.bool_], rate_hz: float
) -> NDArray[np.intp]:
    """
    Find the frames whose successor came one period later, with the state carried over.

    Args:
        stamps_ns: int64 (N,), the frames' stamps in nanoseconds.
        resets: bool (N,), True where the state was reset before the frame.
        rate_hz: the model's rate.

    Returns:
        The indices ``t`` for which frame ``t + 1`` shows what was to be predicted at ``t``.

    """
    step = np.diff(stamps_ns)
    near = (step > 0) & (step < _GAP * 1e9 / rate_hz)
    return np.flatnonzero(near & ~resets[1:])


def paired_errors(
    predicted: NDArray[np.float64], measured: NDArray[np.float64], spans: NDArray[np.float64]
) -> JointErrors:
    """
    Compare the joints predicted at ``t`` with those measured at ``t + 1`` (section 5.3).

    A difference in radians, divided by the joint's ``span``, is the difference in normalised
    units, because normalisation is affine.

    Args:
        predicted: (M, D), radians.
        measured: (M, D), radians: what the predictions were made for; NaN where a joint was not
            measured, which leaves it out.
        spans: (D,), radians per normalised unit: ``(maximum - minimum) / (vmax - vmin)``.

    Returns:
        The errors; NaN where nothing could be compared.

    """
    error = predicted - measured
    known = ~np.isnan(error)
    count = known.sum(axis=0)
    squares = np.where(known, error, 0.0) ** 2
    with np.errstate(invalid='ignore'):
        per_joint = (squares / spans**2).sum(axis=0) / count
        rmse = np.sqrt(squares.sum(axis=0) / count)
        mse = (squares / spans**2).sum() / count.sum()
    return JointErrors(float(mse), per_joint, rmse, len(error))


def latency(milliseconds: ArrayLike) -> Latency:
    """
    Describe durations.

    Args:
        milliseconds: the durations; NaN stands for one that was not measured.

    Returns:
        The distribution; NaN throughout when there is none.

    """
    values = np.asarray(milliseconds, np.float64)
    values = values[~np.isnan(values)]
    if not values.size:
        return Latency(0, *(float('nan'),) * 6)
    p50, p95, p99 = (float(p) for p in np.percentile(values, [50, 95, 99]))
    return Latency(
        values.size,
        float(values.mean()),
        p50,
        p95,
        p99,
        float(values.max()),
        float(values.std()),
    )


def grey_levels(predicted: NDArray[np.uint8], seen: NDArray[np.uint8]) -> float:
    """Mean absolute difference of two pictures in grey levels (0 to 255), over all channels."""
    return float(np.abs(predicted.astype(np.int16) - seen).mean())
