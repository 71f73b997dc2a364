# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Power from a recording: a CSV file, played in real time.

The file's first line names its columns, separated by commas: ``time_s`` (seconds, increasing,
from any origin), and ``total_mw`` or ``energy_mj`` (a counter) or both. Every further column
named ``rail:NAME`` is the power of a rail in mW, and every one named ``temperature:NAME`` a
temperature in degrees Celsius. An empty field says that there was no such reading.
"""

from __future__ import annotations

import csv
import itertools
import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from eipl_trt_ros.energy.history import PowerSample
from eipl_trt_ros.energy.sources.base import SourceInfo, SourceState, SourceStatus
from eipl_trt_ros.errors import EnergyError

_MAXIMUM_W = 10_000.0
_RAIL = 'rail:'
_TEMPERATURE = 'temperature:'
_PLAIN = ('time_s', 'total_mw', 'energy_mj')


def read_power_csv(path: Path) -> list[PowerSample]:
    """
    Read a recording; stamps count from its first sample.

    Raises:
        EnergyError: it cannot be read, or is not as this module describes.

    """
    try:
        with path.open(newline='', encoding='utf-8') as file:
            reader = csv.DictReader(file)
            columns = [name.strip() for name in reader.fieldnames or ()]
            _check_columns(path, columns)
            reader.fieldnames = columns
            rows = [_row(path, reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        msg = f'{path} cannot be read: {error}'
        raise EnergyError(msg) from None
    if len(rows) < 2:
        msg = f'{path} holds {len(rows)} samples, expected at least 2'
        raise EnergyError(msg)
    origin = rows[0].stamp_ns
    for before, row in itertools.pairwise(rows):
        if row.stamp_ns <= before.stamp_ns:
            msg = f'{path}: time_s does not increase after {before.stamp_ns / 1e9:g}'
            raise EnergyError(msg)
    return [replace(row, stamp_ns=row.stamp_ns - origin) for row in rows]


def _check_columns(path: Path, columns: Iterable[str]) -> None:
    columns = list(columns)
    known = [name for name in columns if name in _PLAIN or name.startswith((_RAIL, _TEMPERATURE))]
    unknown = [name for name in columns if name not in known]
    if unknown or 'time_s' not in columns or not {'total_mw', 'energy_mj'} & set(columns):
        msg = (
            f'{path} has the columns {", ".join(columns) or "(none)"}; expected time_s, total_mw '
        )
        msg += f'or energy_mj, and any of {_RAIL}NAME, {_TEMPERATURE}NAME'
        raise EnergyError(msg)


def _row(path: Path, line: int, row: dict[str, str]) -> PowerSample:
    def value(text: str | None) -> float | None:
        return float(text) if text else None

    try:
        values = {name: value(text) for name, text in row.items()}
        time_s = values.pop('time_s')
        if time_s is None or not math.isfinite(time_s):
            msg = 'time_s is missing'
            raise ValueError(msg)
    except (ValueError, TypeError, AttributeError) as error:
        msg = f'{path}, line {line}: {error}'
        raise EnergyError(msg) from None
    return PowerSample(
        stamp_ns=round(time_s * 1e9),
        total_mw=values.get('total_mw'),
        energy_mj=values.get('energy_mj'),
        rails_mw=_named(values, _RAIL),
        temperatures_c=_named(values, _TEMPERATURE),
    )


def _named(values: dict[str, float | None], prefix: str) -> dict[str, float]:
    return {
        name.removeprefix(prefix): value
        for name, value in values.items()
        if name.startswith(prefix) and value is not None
    }


class RecordedSource:
    """
    Plays a recording: its first sample is now when it is opened.

    Args:
        path: the CSV file.

    Raises:
        EnergyError: see `read_power_csv`.

    """

    def __init__(self, path: Path) -> None:
        self._samples = read_power_csv(path)
        self._path = path
        self._next = 0
        self._begin_ns = 0
        stamps = [sample.stamp_ns for sample in self._samples]
        interval_s = float(np.median(np.diff(stamps))) / 1e9
        self._info = SourceInfo(
            'recorded', '', path.name, f'recording {path.name}', interval_s, _MAXIMUM_W
        )

    @property
    def info(self) -> SourceInfo:
        """What is measured; the interval is the median of the recording's."""
        return self._info

    @property
    def status(self) -> SourceStatus:
        """Whether there is more to play."""
        if self._next < len(self._samples):
            return SourceStatus(SourceState.READY, f'playing {self._path.name}')
        return SourceStatus(
            SourceState.FAILED, f'the recording {self._path.name} has ended', 'start again'
        )

    def open(self) -> None:
        """Begin to play."""
        self._next = 0
        self._begin_ns = time.monotonic_ns()

    def read(self) -> Sequence[PowerSample]:
        """Return the samples whose time has come since the last call."""
        elapsed_ns = time.monotonic_ns() - self._begin_ns
        samples = []
        while self._next < len(self._samples):
            sample = self._samples[self._next]
            if sample.stamp_ns > elapsed_ns:
                break
            samples.append(replace(sample, stamp_ns=self._begin_ns + sample.stamp_ns))
            self._next += 1
        return samples

    def close(self) -> None:
        """Nothing is held."""
