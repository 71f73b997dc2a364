# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
A power sample as the texts of a diagnostic message, and back.

The power node publishes samples this way, and the source ``recorded`` reads them from a bag.
"""

from __future__ import annotations

from collections.abc import Mapping

from eipl_trt_ros.energy.history import PowerSample

SAMPLE_KIND = 'power sample'
SUMMARY_KIND = 'power'
KINDS = (SAMPLE_KIND, SUMMARY_KIND)
"""What comes after the node's name and a colon in the name of a status that holds a sample."""

STAMP = 'power sampled at (ns)'
"""The key that every message with a sample has: the sample's stamp, monotonic."""

_TOTAL = 'power (mW)'
_COUNTER = 'energy counter (mJ)'
_MODE = 'power mode'
_RAIL = ('power of ', ' (mW)')
_TEMPERATURE = ('temperature of ', ' (C)')


def sample_values(sample: PowerSample) -> dict[str, str]:
    """Return a sample as texts by key; what it does not tell has no key."""
    values = {STAMP: str(sample.stamp_ns)}
    if sample.total_mw is not None:
        values[_TOTAL] = _text(sample.total_mw)
    if sample.energy_mj is not None:
        values[_COUNTER] = _text(sample.energy_mj)
    values |= {name.join(_RAIL): _text(power) for name, power in sample.rails_mw.items()}
    values |= {name.join(_TEMPERATURE): _text(t) for name, t in sample.temperatures_c.items()}
    if sample.power_mode is not None:
        values[_MODE] = sample.power_mode
    return values


def read_sample(values: Mapping[str, str]) -> PowerSample | None:
    """
    Return the sample in the texts of a message; None where there is none.

    Raises:
        ValueError: a number is none.

    """
    if STAMP not in values:
        return None
    return PowerSample(
        stamp_ns=int(values[STAMP]),
        total_mw=_number(values.get(_TOTAL)),
        rails_mw=_named(values, *_RAIL),
        energy_mj=_number(values.get(_COUNTER)),
        temperatures_c=_named(values, *_TEMPERATURE),
        power_mode=values.get(_MODE),
    )


def _named(values: Mapping[str, str], before: str, after: str) -> dict[str, float]:
    return {
        key[len(before) : -len(after)]: float(text)
        for key, text in values.items()
        if key.startswith(before) and key.endswith(after)
    }


def _number(text: str | None) -> float | None:
    return None if text is None else float(text)


def _text(value: float) -> str:
    """Return a number to a thousandth: mW from whole mV and mA, and m degrees, have no more."""
    return f'{value:.3f}'.rstrip('0').rstrip('.')
