# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Recordings of power: CSV files, and bags that hold what a power node published.

A CSV file's first line names its columns, separated by commas: ``time_s`` (seconds, increasing,
from any origin), and ``total_mw`` or ``energy_mj`` (a counter) or both. Every further column
named ``rail:NAME`` is the power of a rail in mW, and every one named ``temperature:NAME`` a
temperature in degrees Celsius. An empty field says that there was no such reading.

In a bag (rosbag2), every ``diagnostic_msgs/DiagnosticArray`` of a power node holds a sample: all
of them are on its topic ``~/power``, and one a second on ``/diagnostics``.
"""

from __future__ import annotations

import contextlib
import csv
import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from eipl_trt_ros.energy.history import PowerSample
from eipl_trt_ros.energy.sample_text import KINDS, read_sample
from eipl_trt_ros.errors import BagError, EnergyError

_RAIL = 'rail:'
_TEMPERATURE = 'temperature:'
_PLAIN = ('time_s', 'total_mw', 'energy_mj')
_MESSAGE = 'diagnostic_msgs/msg/DiagnosticArray'


@dataclass(frozen=True)
class Recording:
    """
    A recorded power.

    Attributes:
        name: of the file or bag.
        scope: what the total is the power of; None where the recording does not tell.
        samples: at least two, in the order of their stamps, which count from the first.

    """

    name: str
    scope: str | None
    samples: tuple[PowerSample, ...]


def read_recording(path: Path) -> Recording:
    """
    Read a recording: a bag's folder or file (``.mcap``, ``.db3``), or else a CSV file.

    Raises:
        EnergyError: it cannot be read, or is not as this module describes.
        MissingPackageError: it is a bag, and rosbags is not installed.

    """
    if path.is_dir() or path.suffix in ('.mcap', '.db3'):
        return _read_bag(path)
    samples = _read_csv(path)
    for before, sample in itertools.pairwise(samples):
        if sample.stamp_ns <= before.stamp_ns:
            msg = f'{path}: time_s does not increase after {before.stamp_ns / 1e9:g}'
            raise EnergyError(msg)
    return Recording(path.name, None, _from_zero(path, samples))


def _from_zero(path: Path, samples: list[PowerSample]) -> tuple[PowerSample, ...]:
    if len(samples) < 2:
        msg = f'{path} holds {len(samples)} power samples, expected at least 2'
        raise EnergyError(msg)
    origin_ns = samples[0].stamp_ns
    return tuple(replace(sample, stamp_ns=sample.stamp_ns - origin_ns) for sample in samples)


def _read_bag(path: Path) -> Recording:
    found: dict[str, dict[int, PowerSample]] = {}
    scope = ''
    try:
        for status in _statuses(path):
            node, _, kind = status.name.rpartition(': ')
            if kind not in KINDS:
                continue
            sample = read_sample({entry.key: entry.value for entry in status.values})
            if sample is not None:
                # a summary tells the newest sample, which another message may have told before
                found.setdefault(node, {})[sample.stamp_ns] = sample
                scope = status.hardware_id
    except ValueError as error:
        msg = f'{path}: a power sample cannot be read: {error}'
        raise EnergyError(msg) from None
    if not found:
        msg = f"{path} holds no power: expected {_MESSAGE} of a power node's ~/power or "
        msg += '/diagnostics'
        raise EnergyError(msg)
    if len(found) > 1:
        msg = f'{path} holds the power of several nodes ({", ".join(sorted(found))}), expected '
        msg += 'one: keep the ~/power of one with ros2 bag convert'
        raise EnergyError(msg)
    (of_node,) = found.values()
    samples = [sample for _, sample in sorted(of_node.items())]
    return Recording(path.resolve().name, scope, _from_zero(path, samples))


def _statuses(path: Path) -> Iterator[Any]:
    from eipl_trt_ros.evaluation.bags import open_reader  # noqa: PLC0415 - only a bag needs it

    try:
        with contextlib.closing(open_reader(path)) as reader:
            connections = [c for c in reader.connections if c.msgtype == _MESSAGE]
            for connection, _, raw in reader.messages(connections=connections):
                yield from reader.deserialize(raw, connection.msgtype).status
    except BagError as error:
        raise EnergyError(str(error)) from None
    except Exception as error:  # a damaged file makes the parsers fail in many ways
        msg = f'{path}: damaged: {error or type(error).__name__}'
        raise EnergyError(msg) from error


def _read_csv(path: Path) -> list[PowerSample]:
    try:
        with path.open(newline='', encoding='utf-8') as file:
            reader = csv.DictReader(file)
            columns = [name.strip() for name in reader.fieldnames or ()]
            _check_columns(path, columns)
            reader.fieldnames = columns
            return [_row(path, reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        msg = f'{path} cannot be read: {error}'
        raise EnergyError(msg) from None


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
