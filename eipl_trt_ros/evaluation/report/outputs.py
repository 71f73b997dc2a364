# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""An evaluation as files for other programs: JSON and CSV."""

from __future__ import annotations

import csv
import datetime as dt
import json
from collections.abc import Mapping, Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eipl_trt_ros import __version__
from eipl_trt_ros.backends import StepTimes
from eipl_trt_ros.engines.tensorrt_api import find_tensorrt
from eipl_trt_ros.evaluation.machine import describe_machine
from eipl_trt_ros.evaluation.report.boards import FORMAT, KIND
from eipl_trt_ros.evaluation.run import Evaluation, Plan
from eipl_trt_ros.evaluation.summary import Row, checksum_of, plain
from eipl_trt_ros.evaluation.timing import BLOCK, WARM_UP
from eipl_trt_ros.files import atomic_write


def record_of(found: Evaluation, command: str) -> dict[str, Any]:
    """
    Return everything that was found, as report.json holds it (data/report.schema.json).

    Args:
        found: the evaluation.
        command: the command line that does this again.

    """
    return {
        'format': FORMAT,
        'kind': KIND,
        'eipl_trt_ros': __version__,
        'when': dt.datetime.now(dt.timezone.utc).strftime('%Y-%m-%d %H:%M UTC'),
        'command': command,
        'settings': _settings(found.plan),
        'machine': describe_machine() | _tensorrt(found.rows),
        'clocks': None if found.clocks is None else _clocks(found),
        'bundles': [
            {
                'name': bundle.name,
                'path': str(bundle.path),
                'model': bundle.model.type,
                'rate_hz': bundle.rate_hz,
                'sha256': checksum_of(bundle),
            }
            for bundle in found.bundles
        ],
        'bags': plain(found.bags),
        'rows': [row.as_dict() for row in found.rows],
        'overhead': plain(found.overhead),
        'energy': found.energy,
        'power_measurements': plain(found.power),
        'notes': list(found.notes),
        'errors': list(found.errors),
    }


def _tensorrt(rows: Sequence[Row]) -> dict[str, str]:
    """Name the TensorRT that ran, whose package may be called anything."""
    if all(row.identity.backend != 'tensorrt' for row in rows):
        return {}
    tensorrt = find_tensorrt()
    return {tensorrt.flavour: tensorrt.version}


def _settings(plan: Plan) -> dict[str, Any]:
    return {
        'frames': plan.frames,
        'block': BLOCK,
        'warm_up': WARM_UP,
        'threads': plan.threads,
        'slop_s': plan.reading.slop,
        'tolerance_rad': plan.tolerance,
        'jobs': plan.jobs,
        'dask': plan.dask,
        'energy': plain(plan.energy),
    }


def _clocks(found: Evaluation) -> dict[str, Any]:
    before, after = found.clocks or (None, None)
    return {'before': plain(before), 'after': plain(after), 'warnings': found.warnings}


def write_json(path: Path, record: Mapping[str, Any]) -> None:
    """Write a record; see `record_of`."""
    text = json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False)
    with atomic_write(path) as file:
        file.write(text.encode() + b'\n')


def write_frames(path: Path, rows: Sequence[Row]) -> None:
    """
    Write one line per configuration, recording and frame.

    Columns: bundle, backend, precision, bag, frame, stamp_ns, reset, then (live) command_ms and
    equal, then measured and predicted joints (joint units), by their place in the bundle. A cell
    is empty where nothing was measured. Where the node ran, the predictions are still those of
    the offline pass; ``equal`` says whether the node's were the same.

    Args:
        path: the file.
        rows: of the evaluation.

    """
    joints = max(row.bundle.model.joint_dim for row in rows)
    header = ['bundle', 'backend', 'precision', 'bag', 'frame', 'stamp_ns', 'reset']
    header += ['command_ms', 'equal']
    header += [f'measured_{index}' for index in range(joints)]
    header += [f'predicted_{index}' for index in range(joints)]
    _write_csv(path, header, (line for row in rows for line in _frames(row, joints)))


def write_times(path: Path, rows: Sequence[Row]) -> None:
    """
    Write one line per configuration and timed frame: each step in milliseconds.

    Args:
        path: the file.
        rows: of the evaluation; those without times have no line.

    """
    header = ['bundle', 'backend', 'precision', 'frame', *StepTimes.STEPS]
    lines = (
        [*_names(row), str(frame), *(f'{value / 1e6:.6f}' for value in steps)]
        for row in rows
        if row.log is not None
        for frame, steps in enumerate(row.log.nanoseconds)
    )
    _write_csv(path, header, lines)


def _write_csv(path: Path, header: Sequence[str], lines: Any) -> None:
    with atomic_write(path) as file:
        text = TextIOWrapper(file, encoding='utf-8', newline='')
        writer = csv.writer(text)
        writer.writerow(header)
        writer.writerows(lines)
        text.flush()
        text.detach()


def _names(row: Row) -> list[str]:
    return [row.bundle.name, row.identity.backend, row.identity.precision]


def _frames(row: Row, joints: int) -> list[list[str]]:
    lines = []
    for bag, run in zip(row.bags, row.passes, strict=True):
        live = row.live_run if run is row.passes[0] else None
        places = {} if live is None else {int(s): i for i, s in enumerate(live.stamps_ns)}
        for frame, stamp in enumerate(run.stamps_ns):
            place = places.get(int(stamp))
            command = np.nan if live is None or place is None else float(live.command_ms[place])
            equal = '' if live is None or row.equal is None else str(int(row.equal[frame]))
            lines.append(
                [
                    *_names(row),
                    bag.bag,
                    str(frame),
                    str(stamp),
                    str(int(run.resets[frame])),
                    _cell(command),
                    equal,
                    *_padded(run.joints[frame], joints),
                    *_padded(run.predicted[frame], joints),
                ]
            )
    return lines


def _padded(values: NDArray[np.float64], count: int) -> list[str]:
    cells = [_cell(float(value)) for value in values]
    return cells + [''] * (count - len(cells))


def _cell(value: float) -> str:
    return '' if np.isnan(value) else f'{value:.9g}'
