# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The numbers of an evaluation as files for other programs: JSON and CSV."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import Any

import numpy as np

from eipl_trt_ros.evaluation.summary import Figures, Result
from eipl_trt_ros.files import atomic_write


def write_json(path: Path, context: dict[str, Any], figures: Sequence[Figures]) -> None:
    """
    Write all figures.

    Args:
        path: the file.
        context: what was run where: plain values.
        figures: one per bundle.

    """
    data = context | {'models': [figure.as_dict() for figure in figures]}
    text = json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False)
    with atomic_write(path) as file:
        file.write(text.encode() + b'\n')


def write_frames(path: Path, results: Sequence[Result]) -> None:
    """
    Write one row per bundle and frame.

    Columns: bundle, frame, stamp_ns, reset, each step in ms, then (live) command_ms and equal,
    then measured and predicted joints (joint units), by their place in the bundle. A cell is
    empty where nothing was measured.

    Args:
        path: the file.
        results: one per bundle.

    """
    joints = max(result.run.predicted.shape[1] for result in results)
    header = ['bundle', 'frame', 'stamp_ns', 'reset', *results[0].steps_ms, 'command_ms', 'equal']
    header += [f'measured_{index}' for index in range(joints)]
    header += [f'predicted_{index}' for index in range(joints)]
    with atomic_write(path) as file:
        text = TextIOWrapper(file, encoding='utf-8', newline='')
        writer = csv.writer(text)
        writer.writerow(header)
        for result in results:
            writer.writerows(_rows(result, joints))
        text.flush()
        text.detach()


def _rows(result: Result, joints: int) -> list[list[str]]:
    run, live = result.run, result.live
    places = {} if live is None else {int(s): i for i, s in enumerate(live.stamps_ns)}
    rows = []
    for frame, stamp in enumerate(run.stamps_ns):
        place = frame if live is None else places.get(int(stamp))
        steps = [
            float(values[place]) if place is not None else np.nan
            for values in result.steps_ms.values()
        ]
        command = np.nan if live is None or place is None else float(live.command_ms[place])
        equal = '' if result.equal is None else str(int(result.equal[frame]))
        rows.append(
            [
                run.bundle.name,
                str(frame),
                str(stamp),
                str(int(run.resets[frame])),
                *(_cell(value) for value in (*steps, command)),
                equal,
                *_padded(run.joints[frame], joints),
                *_padded(result.predicted[frame], joints),
            ]
        )
    return rows


def _padded(values: Any, count: int) -> list[str]:
    cells = [_cell(float(value)) for value in values]
    return cells + [''] * (count - len(cells))


def _cell(value: float) -> str:
    return '' if np.isnan(value) else f'{value:.9g}'
