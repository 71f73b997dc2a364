# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
The figures of the paper's tables 4 to 7 for one machine: of a report, or of the paper itself.

A `Board` is what two machines are compared by. One is made of every report.json; the paper's own,
of a Jetson Orin Nano, is shipped with the package.
"""

from __future__ import annotations

import importlib.resources
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from eipl_trt_ros.documents import read_json
from eipl_trt_ros.errors import EvaluationError

FORMAT = 2
KIND = 'evaluation report'
PAPER = 'paper'
"""Instead of a file: the paper's figures."""
_PAPER_FILE = 'data/paper_orin_nano.json'


@dataclass(frozen=True)
class Entry:
    """
    One model in one precision; ``None`` where it was not measured.

    Attributes:
        bundle: name of the bundle; for the paper, of the model.
        model: type of the model.
        backend: what ran it.
        precision: ``fp32``, ``fp16``, ``int8``.
        baseline: whether it is the baseline that speeds refer to (PyTorch).
        exact: imitated arithmetic: its errors are right, it has no times.
        device_ms, device_spread_ms: steps (2) to (4), mean in milliseconds, and half the width
            of its 95 % interval.
        frame_ms, frame_spread_ms: steps (1) to (5), likewise.
        command_ms: steps (1) to (5) without the image.
        mse: joint MSE, normalised.
        rate: the same as a multiple of fp32's.
        frames: frames of the energy run.
        mean_power_mw, total_energy_mj, energy_per_frame_mj: the paper's method.
        integrated_mj, integrated_spread_mj: energy per frame by integral or counter, and its
            standard uncertainty.
        above_idle_mj, above_idle_spread_mj: the same less the machine at rest.

    """

    bundle: str
    model: str
    backend: str
    precision: str
    baseline: bool = False
    exact: bool = False
    device_ms: float | None = None
    device_spread_ms: float | None = None
    frame_ms: float | None = None
    frame_spread_ms: float | None = None
    command_ms: float | None = None
    mse: float | None = None
    rate: float | None = None
    frames: int | None = None
    mean_power_mw: float | None = None
    total_energy_mj: float | None = None
    energy_per_frame_mj: float | None = None
    integrated_mj: float | None = None
    integrated_spread_mj: float | None = None
    above_idle_mj: float | None = None
    above_idle_spread_mj: float | None = None


@dataclass(frozen=True)
class Board:
    """
    A machine and what was measured on it.

    Attributes:
        name: of the machine.
        source: where the figures come from.
        entries: a model and precision each.
        energy_note: why there is no energy; empty where there is.

    """

    name: str
    source: str
    entries: tuple[Entry, ...]
    energy_note: str = ''


def board_of(report: Mapping[str, Any], source: str = '') -> Board:
    """Return the board of a report, as `record_of` makes it."""
    return Board(
        _name(report),
        source or str(report['when']),
        tuple(_entry(row) for row in report['rows']),
        str(report['energy']),
    )


def _name(report: Mapping[str, Any]) -> str:
    machine, clocks = report['machine'], report['clocks']
    gpu = None if clocks is None else clocks['before']['facts'].get('GPU')
    on_gpu = any(gpu and gpu == row['configuration']['device'] for row in report['rows'])
    if gpu and (
        on_gpu or any(r['configuration']['backend'] == 'tensorrt' for r in report['rows'])
    ):
        return str(gpu)
    return str(machine.get('Board') or machine['Processor'])


def _entry(row: Mapping[str, Any]) -> Entry:
    what, times = row['configuration'], row['times']
    device = None if times is None else times['device']['mean']
    frame = None if times is None else times['frame']['mean']
    return Entry(
        bundle=row['bundle'],
        model=row['model'],
        backend=what['backend'],
        precision=what['precision'],
        baseline=what['baseline'],
        exact=what['exact'],
        device_ms=None if device is None else device['value'],
        device_spread_ms=_half(device),
        frame_ms=None if frame is None else frame['value'],
        frame_spread_ms=_half(frame),
        command_ms=None if times is None else times['command']['mean']['value'],
        mse=row['accuracy']['joint_mse'],
        rate=row['accuracy']['error_rate'],
        **_energy(row),
    )


def _half(figure: Mapping[str, Any] | None) -> float | None:
    """Return half the width of a figure's interval."""
    if figure is None or figure['low'] is None:
        return None
    return float(figure['high'] - figure['low']) / 2


def _energy(row: Mapping[str, Any]) -> dict[str, Any]:
    measurement = None if row['energy'] is None else row['energy']['measurement']
    if measurement is None:
        return {}
    (of_one,) = measurement['predictors'].values()
    paper, energy, above = of_one['paper'] or {}, of_one['energy'], of_one['above_idle'] or {}
    return {
        'frames': row['energy']['frames'],
        'mean_power_mw': paper.get('mean_power_mw'),
        'total_energy_mj': paper.get('total_energy_mj'),
        'energy_per_frame_mj': paper.get('energy_per_frame_mj'),
        'integrated_mj': energy['integrated_energy_per_frame_mj'],
        'integrated_spread_mj': energy['integrated_uncertainty_mj'],
        'above_idle_mj': above.get('energy_mj'),
        'above_idle_spread_mj': above.get('uncertainty_mj'),
    }


def paper_board() -> Board:
    """Return the paper's figures."""
    source = importlib.resources.files('eipl_trt_ros.evaluation').joinpath(_PAPER_FILE)
    data = json.loads(source.read_text(encoding='utf-8'))
    known = {field.name for field in fields(Entry)}
    return Board(
        data['name'],
        data['source'],
        tuple(
            Entry(**{key: value for key, value in entry.items() if key in known})
            for entry in data['entries']
        ),
    )


def read_board(path: str) -> Board:
    """
    Read the figures of a report.

    Args:
        path: a report.json; or `PAPER`.

    Raises:
        EvaluationError: it cannot be read, or is something else.

    """
    if path == PAPER:
        return paper_board()
    try:
        data = read_json(Path(path))
    except (OSError, ValueError) as error:
        msg = f'{path} cannot be read as a report: {error}; expected a report.json, or "{PAPER}"'
        raise EvaluationError(msg) from None
    kind = data.get('kind') if isinstance(data, dict) else None
    if kind != KIND or data.get('format') != FORMAT:
        found = 'no report' if kind != KIND else f'a report of format {data.get("format")}'
        msg = f'{path} is {found}; expected a report.json of format {FORMAT}, written by '
        msg += 'eipl_trt evaluate of this version'
        raise EvaluationError(msg)
    try:
        return board_of(data, source=path)
    except (KeyError, TypeError, ValueError) as error:
        msg = f'{path} is not as its schema says: {type(error).__name__}: {error}'
        raise EvaluationError(msg) from None
