# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Power samples in the order of their stamps, as arrays to calculate with."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class PowerSample:
    """
    One reading of a board's power.

    Attributes:
        stamp_ns: when it was read, on the host's monotonic clock (``time.monotonic_ns()``).
        total_mw: the power of what the source calls its total, in mW; None where it tells none.
        rails_mw: the power of each rail in mW. Rails are parts of the total, not additions to it.
        energy_mj: reading of a counter of the energy used since an unknown moment, in mJ; None
            where the source has no such counter.
        temperatures_c: temperatures by sensor, in degrees Celsius.
        power_mode: name of the board's power mode; None where it is not known.

    """

    stamp_ns: int
    total_mw: float | None
    rails_mw: Mapping[str, float] = field(default_factory=dict)
    energy_mj: float | None = None
    temperatures_c: Mapping[str, float] = field(default_factory=dict)
    power_mode: str | None = None


@dataclass(frozen=True)
class Trace:
    """
    Power over time.

    Attributes:
        stamps_ns: (N,), int64, strictly increasing.
        power_mw: (N,), float64; NaN where a sample tells no total.
        energy_mj: (N,), float64, a counter; NaN where a sample has none.

    """

    stamps_ns: NDArray[np.int64]
    power_mw: NDArray[np.float64]
    energy_mj: NDArray[np.float64]

    def between(self, begin_ns: int, end_ns: int) -> slice:
        """Return the samples with a stamp in [begin, end]."""
        first = int(np.searchsorted(self.stamps_ns, begin_ns, side='left'))
        return slice(first, int(np.searchsorted(self.stamps_ns, end_ns, side='right')))


class History:
    """
    Collects samples.

    Samples must come in the order of their stamps; `Plausibility` refuses all others.
    """

    def __init__(self) -> None:
        self._samples: list[PowerSample] = []
        self._trace: Trace | None = None

    def __len__(self) -> int:
        return len(self._samples)

    def add(self, sample: PowerSample) -> None:
        """Add a sample that is newer than all before."""
        self._samples.append(sample)
        self._trace = None

    def forget_before(self, stamp_ns: int) -> None:
        """Forget samples, but keep the last one before the stamp: a window may begin after it."""
        stamps = self.trace().stamps_ns
        first = int(np.searchsorted(stamps, stamp_ns, side='right')) - 1
        if first > 0:
            del self._samples[:first]
            self._trace = None

    @property
    def samples(self) -> tuple[PowerSample, ...]:
        """What is kept, oldest first."""
        return tuple(self._samples)

    @property
    def newest(self) -> PowerSample | None:
        """The last sample; None where there is none."""
        return self._samples[-1] if self._samples else None

    def trace(self) -> Trace:
        """Return the samples as arrays; made once per change."""
        if self._trace is None:
            self._trace = Trace(
                np.array([sample.stamp_ns for sample in self._samples], np.int64),
                np.array([_number(sample.total_mw) for sample in self._samples], np.float64),
                np.array([_number(sample.energy_mj) for sample in self._samples], np.float64),
            )
        return self._trace

    def mean_rails(self, begin_ns: int, end_ns: int) -> dict[str, float]:
        """Return the mean power of each rail over the samples in [begin, end], in mW."""
        powers: dict[str, list[float]] = {}
        for sample in self._samples[self.trace().between(begin_ns, end_ns)]:
            for rail, power in sample.rails_mw.items():
                powers.setdefault(rail, []).append(power)
        return {rail: math.fsum(values) / len(values) for rail, values in powers.items()}


def _number(value: float | None) -> float:
    return math.nan if value is None else value
