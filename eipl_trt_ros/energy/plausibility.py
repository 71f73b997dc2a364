# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Refuses samples that cannot be true, counts them, and remembers why."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter

from eipl_trt_ros.energy.history import PowerSample

_AHEAD_NS = 1_000_000_000  # a stamp may be this much later than now: clocks are read one by one

_COUNTER_STEP = 1.0  # seconds; a counter that is updated in steps seems to leap between reads


class Plausibility:
    """
    Lets plausible samples through.

    A total that is negative, zero, not finite or larger than a board can draw is refused with its
    whole sample, as is a counter that runs backwards. A rail that is negative, not finite or too
    large is left out of its sample; a rail may be zero, since a part of a board can be off.
    """

    def __init__(self) -> None:
        self._maximum_mw = 0.0
        self._last_stamp_ns: int | None = None
        self._last_counter: tuple[int, float] | None = None
        self.accepted = 0
        self.refused: Counter[str] = Counter()
        """How many samples were refused, by cause."""
        self.refused_rails: Counter[str] = Counter()
        """How often each rail was left out of a sample."""
        self.last_refusal = ''
        """What was wrong with the last sample that was refused, with its value."""

    def check(self, sample: PowerSample, now_ns: int, maximum_w: float) -> PowerSample | None:
        """
        Return the sample without impossible rails, or None where it is refused.

        Args:
            sample: the sample.
            now_ns: monotonic time.
            maximum_w: power above this is not believed, in watts.

        """
        self._maximum_mw = maximum_w * 1000.0
        found = self._fault(sample, now_ns)
        if found is not None:
            cause, detail = found
            self.refused[cause] += 1
            self.last_refusal = detail
            return None
        rails = {name: mw for name, mw in sample.rails_mw.items() if 0 <= mw <= self._maximum_mw}
        self.refused_rails.update(sample.rails_mw.keys() - rails.keys())
        self._last_stamp_ns = sample.stamp_ns
        if sample.energy_mj is not None:
            self._last_counter = (sample.stamp_ns, sample.energy_mj)
        self.accepted += 1
        return dataclasses.replace(sample, rails_mw=rails)

    def _fault(self, sample: PowerSample, now_ns: int) -> tuple[str, str] | None:
        stamp = self._wrong_stamp(sample, now_ns)
        if stamp is not None:
            return stamp
        if sample.total_mw is None and sample.energy_mj is None:
            return 'empty', 'the sample holds neither a power nor an energy'
        for fault in (self._wrong_power(sample.total_mw), self._wrong_counter(sample)):
            if fault is not None:
                return fault
        return None

    def _wrong_stamp(self, sample: PowerSample, now_ns: int) -> tuple[str, str] | None:
        if sample.stamp_ns > now_ns + _AHEAD_NS:
            ahead = (sample.stamp_ns - now_ns) / 1e9
            return 'in the future', f"the sample's stamp is {ahead:.1f} s ahead of this host"
        if self._last_stamp_ns is not None and sample.stamp_ns <= self._last_stamp_ns:
            behind = (self._last_stamp_ns - sample.stamp_ns) / 1e9
            return 'out of order', f"the sample's stamp is {behind:.3f} s before the last one's"
        return None

    def _wrong_power(self, power: float | None) -> tuple[str, str] | None:
        if power is None:
            return None
        if not math.isfinite(power):
            return 'not a number', f'the total is {power} mW'
        if power == 0:
            return 'zero', 'the total is 0 mW, which no running board draws'
        if power < 0:
            return 'negative', f'the total is {power:g} mW'
        return self._too_much(power, f'the total is {power / 1000:g} W')

    def _wrong_counter(self, sample: PowerSample) -> tuple[str, str] | None:
        if sample.energy_mj is None:
            return None
        if not math.isfinite(sample.energy_mj) or sample.energy_mj < 0:
            return 'not a number', f'the energy counter reads {sample.energy_mj} mJ'
        if self._last_counter is None:
            return None
        stamp_ns, reading = self._last_counter
        counted = sample.energy_mj - reading
        if counted < 0:
            # from here on the counter counts anew, as after a reload of the driver
            self._last_counter = (sample.stamp_ns, sample.energy_mj)
            return 'counter ran backwards', f'the energy counter went back by {-counted:g} mJ'
        power = counted / max((sample.stamp_ns - stamp_ns) / 1e9, _COUNTER_STEP)
        return self._too_much(power, f'the energy counter rose by {power / 1000:g} W')

    def _too_much(self, power: float, text: str) -> tuple[str, str] | None:
        if power <= self._maximum_mw:
            return None
        return 'too large', f'{text}, more than the plausible {self._maximum_mw / 1000:g} W'
