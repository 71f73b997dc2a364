# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Which keys and values the file of a measurement has, so that a torn or altered one is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eipl_trt_ros.errors import EnergyError


@dataclass(frozen=True)
class _OrNone:
    """What may be null."""

    shape: Any


@dataclass(frozen=True)
class _Named:
    """An object with any names."""

    shape: Any


_NUMBER = (int, float)
_ENERGY = {'energy_mj': _NUMBER, 'uncertainty_mj': _NUMBER}
_POWER = _OrNone(_NUMBER)
MEASUREMENT = {
    'eipl_trt_ros': str,
    'began': str,
    'source': {'name': str, 'version': str, 'total': str, 'scope': str, 'interval_s': _NUMBER},
    'elapsed_s': _NUMBER,
    'warm_up_s': _NUMBER,
    'window': {
        **_ENERGY,
        'seconds': _NUMBER,
        'samples': int,
        'interval_seconds': _OrNone(_NUMBER),
        'longest_interval_seconds': _OrNone(_NUMBER),
        'mean_power_mw': _POWER,
        'lowest_power_mw': _POWER,
        'highest_power_mw': _POWER,
        'rails_mw': _Named(_NUMBER),
        'method': str,
        'integral': _OrNone(_ENERGY),
    },
    'idle': _OrNone({'power_mw': _NUMBER, 'uncertainty_mw': _NUMBER}),
    'above_idle': _OrNone(_ENERGY),
    'predictors': _Named(
        {
            'energy': {
                'frames': int,
                'missed': int,
                'seconds_per_frame': _NUMBER,
                'busy_seconds': _NUMBER,
                'share': _NUMBER,
                'overlap': _NUMBER,
                'paper_energy_per_frame_mj': _POWER,
                'integrated_energy_per_frame_mj': _NUMBER,
                'integrated_uncertainty_mj': _NUMBER,
                'frames_per_joule': _NUMBER,
            },
            'paper': _OrNone(
                {
                    'mean_power_mw': _NUMBER,
                    'samples': int,
                    'seconds': _NUMBER,
                    'total_energy_mj': _NUMBER,
                    'energy_per_frame_mj': _NUMBER,
                }
            ),
            'above_idle': _OrNone(_ENERGY),
        }
    ),
    'temperatures_c': _Named(_NUMBER),
    'power_modes': list,
    'refused_samples': _Named(int),
    'samples': {'time_s': list, 'total_mw': list, 'energy_mj': list, 'rails_mw': _Named(list)},
}
"""What `measurement.write_measurement` writes, but for its kind and format."""


def check_shape(found: Any, shape: Any, place: str = '') -> None:
    """
    Check that what was read has the keys and kinds of values that it must have; more may be there.

    Args:
        found: what was read from JSON.
        shape: a type or types, or a dict of shapes by key.
        place: where it was found, for the message.

    Raises:
        EnergyError: something is missing or of another kind; it names the first such place.

    """
    if isinstance(shape, _OrNone):
        if found is not None:
            check_shape(found, shape.shape, place)
        return
    kinds = (dict,) if isinstance(shape, dict | _Named) else shape
    if not isinstance(found, kinds) or isinstance(found, bool):
        msg = f'{place or "it"} is {type(found).__name__}, expected {_name(kinds)}'
        raise EnergyError(msg)
    if isinstance(shape, _Named):
        for name, value in found.items():
            check_shape(value, shape.shape, f'{place}.{name}')
    elif isinstance(shape, dict):
        for key, part in shape.items():
            inner = f'{place}.{key}' if place else key
            if key not in found:
                msg = f'{inner} is missing'
                raise EnergyError(msg)
            check_shape(found[key], part, inner)


def _name(kinds: Any) -> str:
    return kinds.__name__ if isinstance(kinds, type) else kinds[-1].__name__
