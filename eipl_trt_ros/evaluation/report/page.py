# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The report: one HTML page that holds everything, pictures and all, and needs no network."""

from __future__ import annotations

import importlib.resources
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from eipl_trt_ros.errors import require
from eipl_trt_ros.evaluation.metrics import Latency
from eipl_trt_ros.evaluation.report import charts, overview
from eipl_trt_ros.evaluation.report.animation import film_of
from eipl_trt_ros.evaluation.report.boards import board_of
from eipl_trt_ros.evaluation.report.paper_tables import paper_tables
from eipl_trt_ros.evaluation.report.power_sheets import power_sheets
from eipl_trt_ros.evaluation.report.sheets import factor, milliseconds, number
from eipl_trt_ros.evaluation.run import Evaluation
from eipl_trt_ros.evaluation.summary import FIVE_STEPS, Row, plain
from eipl_trt_ros.files import atomic_write

_IMAGE_GRAPH = 'predicted image, behind the command'
_BAR_PARTS = tuple(parts[0] for parts in FIVE_STEPS.values())
_BAR_NAMES = (*(f'{i} {step}' for i, step in enumerate(FIVE_STEPS, 1)), _IMAGE_GRAPH)


def write_report(path: Path, found: Evaluation, record: Mapping[str, Any]) -> None:
    """
    Write the page.

    Args:
        path: the file.
        found: the evaluation.
        record: the same as report.json holds it, see `record_of`.

    Raises:
        MissingPackageError: jinja2 or matplotlib is not installed.

    """
    jinja2 = require('jinja2', install='pip install jinja2', needed_for='the report')
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters |= {'ms': milliseconds, 'number': number, 'factor': _factor}
    source = importlib.resources.files('eipl_trt_ros.evaluation')
    template = source.joinpath('templates/report.html').read_text(encoding='utf-8')
    timed = [row for row in found.rows if row.times is not None]
    slowest = max((sum(_bar_values(row)) for row in timed), default=0.0) or 1.0
    groups = _groups(found.rows)
    anchors = {group[0].bundle.path: f'model-{i}' for i, group in enumerate(groups, 1)}
    page = environment.from_string(template).render(
        anchor=lambda row: anchors[row.bundle.path],
        title=_title(found),
        lead=_lead(found),
        equality=_equality(found.rows),
        record=record,
        warnings=found.warnings,
        cards=[row for row in found.rows if not row.identity.baseline],
        bars=[{'row': row, 'parts': _bar(row, slowest)} for row in timed],
        bar_names=_BAR_NAMES,
        periods=', '.join(sorted({f'{1e3 / row.bundle.rate_hz:g} ms' for row in found.rows})),
        paper=paper_tables(board_of(record)),
        times=overview.times(found.rows),
        accuracies=overview.accuracies(found.rows),
        drifts=overview.drifts(found.rows),
        recordings=overview.recordings(found.rows) if len(found.bags) > 1 else None,
        power=_power_chart(found.rows),
        in_service=power_sheets(found.power),
        models=[_model(group) for group in groups],
    )
    with atomic_write(path) as file:
        file.write(page.encode())


def _factor(figure: Any) -> str:
    return factor(plain(figure))


def _groups(rows: Sequence[Row]) -> list[list[Row]]:
    """Return the rows bundle by bundle."""
    paths = list(dict.fromkeys(row.bundle.path for row in rows))
    return [[row for row in rows if row.bundle.path == path] for path in paths]


def _shown(rows: Sequence[Row]) -> Row:
    """Return the row of a bundle whose pictures and curves are shown: its fp32."""
    return next((row for row in rows if row.reference), rows[0])


def _title(found: Evaluation) -> str:
    names = list(dict.fromkeys(row.bundle.name for row in found.rows))
    models = names[0] if len(names) == 1 else f'{len(names)} models'
    if len(found.bags) == 1:
        return f'{models} on the recording {found.bags[0].name}'
    return f'{models} on {len(found.bags)} recordings'


def _lead(found: Evaluation) -> str:
    read = [bag for bag in found.bags if bag.images]
    images, seconds = sum(bag.images for bag in read), sum(bag.seconds for bag in read)
    text = f'{images} images over {seconds:.1f} s, straight through the predictor'
    if any(row.live for row in found.rows):
        text += ', and in real time through the ROS 2 node, each model in turn'
    return f'{text}; {found.plan.frames} frames of each timed, in turn in one run.'


def _equality(rows: Sequence[Row]) -> dict[str, str] | None:
    live = [row.live for row in rows if row.live is not None]
    if not live:
        return None
    expected = sum(part.expected for part in live)
    equal = sum(part.equal for part in live)
    return {
        'mood': 'good' if equal == expected else 'bad',
        'text': f'{equal} of {expected} frames of the node equal the offline pass, bit by bit.',
    }


def _bar_values(row: Row) -> list[float]:
    if row.times is None:
        return []
    parts = row.times.parts
    image = [part.p50 for name, part in parts.items() if name.startswith('image_')]
    motion = [parts[part].p50 for part in _BAR_PARTS]
    return [float(np.nan_to_num(value)) for value in (*motion, sum(image))]


def _bar(row: Row, slowest: float) -> list[dict[str, Any]]:
    return [
        {'name': name, 'value': value, 'percent': 100 * value / slowest}
        for name, value in zip(_BAR_NAMES, _bar_values(row), strict=True)
    ]


def _model(rows: Sequence[Row]) -> dict[str, Any]:
    shown = _shown(rows)
    run = shown.passes[0]
    film = film_of(run) if run.strip.pairs else None
    if film is not None and shown.equal is not None:
        film['equal'] = [bool(shown.equal[frame]) for frame in film['frames']]
    return {
        'row': shown,
        'bag': shown.bags[0].bag,
        'others': [row for row in rows if row is not shown],
        'film': film,
        'joint_charts': _joint_charts(shown),
        'time_charts': _time_charts(rows),
        'latencies': _latencies(shown),
    }


def _markup(text: str) -> Any:
    markup = require('markupsafe', install='pip install jinja2', needed_for='the report').Markup
    return markup(text)


def _joint_charts(row: Row) -> list[Any]:
    run = row.passes[0]
    seconds = (run.stamps_ns - run.stamps_ns[0]) / 1e9
    return [
        _markup(
            charts.joint_curve(
                joint.name,
                'rad' if joint.sink == 'position' else '0 open, 1 closed',
                seconds=seconds,
                measured=run.joints[:, index],
                predicted=run.predicted[:, index],
                period=1 / run.bundle.rate_hz,
            )
        )
        for index, joint in enumerate(run.bundle.joints)
    ]


def _time_charts(rows: Sequence[Row]) -> list[Any]:
    """Draw a histogram and a timeline of each configuration, and what the live run adds."""
    found = []
    for row in rows:
        if row.log is not None and row.times is not None:
            title = f'{row.identity.label}: steps 1 to 5'
            timing = row.times.frame
            found.append(
                charts.latency_histogram(title, row.log.frame, timing.p50.value, timing.p99.value)
            )
            found.append(
                charts.timeline(
                    title, {'with the image': row.log.frame, 'command': row.log.command}
                )
            )
        if row.live_run is not None and row.live is not None and row.live.command_ms.count:
            values = row.live_run.command_ms
            found.append(
                charts.latency_histogram(
                    f'{row.identity.label}: stamp to joints',
                    values[~np.isnan(values)],
                    row.live.command_ms.p50,
                    row.live.command_ms.p99,
                )
            )
    return [_markup(chart) for chart in found]


def _power_chart(rows: Sequence[Row]) -> Any:
    runs = {
        row.name: row.energy.run
        for row in rows
        if row.energy is not None and row.energy.run is not None
    }
    return _markup(charts.power_over_time(runs)) if runs else None


def _latencies(row: Row) -> list[tuple[str, Latency, bool]]:
    if row.times is None:
        return []
    lines = [
        (f'{i} {name}', step, False) for i, (name, step) in enumerate(row.times.steps.items(), 1)
    ]
    if row.live is not None:
        lines.append(('in the node: 1 to 5, to the joints', row.live.motion_ms, True))
        lines.append(('in the node: 1 to 5, with the image', row.live.frame_ms, True))
        lines.append(('image stamp to predicted joints', row.live.command_ms, True))
        lines.append(('of it the camera, as recorded', row.live.camera_ms, False))
        lines.append(('of it the node', row.live.node_ms, False))
    return lines
