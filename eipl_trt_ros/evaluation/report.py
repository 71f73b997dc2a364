# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The report: one HTML page that holds everything, pictures and all, and needs no network."""

from __future__ import annotations

import importlib.resources
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eipl_trt_ros.errors import require
from eipl_trt_ros.evaluation import figures as charts
from eipl_trt_ros.evaluation.animation import film_of
from eipl_trt_ros.evaluation.metrics import Latency
from eipl_trt_ros.evaluation.summary import FIVE_STEPS, Figures, Result
from eipl_trt_ros.evaluation.tables import milliseconds
from eipl_trt_ros.files import atomic_write

_IMAGE_GRAPH = 'predicted image, behind the command'
_BAR_PARTS = tuple(parts[0] for parts in FIVE_STEPS.values())
_BAR_NAMES = (*(f'{i} {step}' for i, step in enumerate(FIVE_STEPS, 1)), _IMAGE_GRAPH)


def write_report(
    path: Path,
    context: dict[str, Any],
    results: Sequence[Result],
    figures: Sequence[Figures],
) -> None:
    """
    Write the page.

    Args:
        path: the file.
        context: ``when``, ``command``, ``machine`` (label to text), ``bag`` (``name``,
            ``image_topic``, ``joint_topic``, ``seconds``, ``sha256``).
        results: what ran, one per bundle.
        figures: theirs, in the same order.

    Raises:
        MissingPackageError: jinja2 or matplotlib is not installed.

    """
    jinja2 = require('jinja2', install='pip install jinja2', needed_for='the report')
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters |= {'ms': milliseconds, 'number': number}
    source = importlib.resources.files(__package__).joinpath('templates/report.html')
    slowest = max(sum(_bar_values(figure)) for figure in figures) or 1.0  # 0: no frame ran
    models = [
        _model(result, figure, slowest) for result, figure in zip(results, figures, strict=True)
    ]
    page = environment.from_string(source.read_text(encoding='utf-8')).render(
        title=_title(context, figures),
        lead=_lead(context, figures),
        equality=_equality(figures),
        periods=', '.join(sorted({f'{1e3 / f.rate_hz:g} ms' for f in figures})),
        context=context,
        models=models,
        bar_names=_BAR_NAMES,
    )
    with atomic_write(path) as file:
        file.write(page.encode())


def number(value: float) -> str:
    """Three significant digits without an exponent for usual sizes; '-' for what is not known."""
    if value != value:  # noqa: PLR0124 - NaN
        return '-'
    if abs(value) >= 100:
        return f'{value:.0f}'
    return f'{value:.3g}'


def _title(context: dict[str, Any], figures: Sequence[Figures]) -> str:
    count = f'{len(figures)} models' if len(figures) > 1 else figures[0].name
    return f'{count} on the recording {context["bag"]["name"]}'


def _lead(context: dict[str, Any], figures: Sequence[Figures]) -> str:
    bag = context['bag']
    text = f'{figures[0].images} images over {bag["seconds"]:.1f} s, '
    if any(figure.live for figure in figures):
        return text + 'played in real time through the ROS 2 node, each model in turn.'
    return text + 'straight through the predictor, without ROS, each model in turn.'


def _equality(figures: Sequence[Figures]) -> dict[str, str] | None:
    live = [figure.live for figure in figures if figure.live is not None]
    if not live:
        return None
    expected = sum(part.expected for part in live)
    equal = sum(part.equal for part in live)
    return {
        'mood': 'good' if equal == expected else 'bad',
        'text': f'{equal} of {expected} frames equal the offline pass to the last bit.',
    }


def _bar_values(figure: Figures) -> list[float]:
    image = [part.p50 for name, part in figure.parts_ms.items() if name.startswith('image_')]
    motion = [figure.parts_ms[part].p50 for part in _BAR_PARTS]
    return [float(np.nan_to_num(value)) for value in (*motion, sum(image))]


def _model(result: Result, figure: Figures, slowest: float) -> dict[str, Any]:
    film = film_of(result.run)
    if result.equal is not None:
        film['equal'] = [bool(result.equal[frame]) for frame in film['frames']]
    return {
        'figures': figure,
        'film': film,
        'bar': [
            {'name': name, 'value': value, 'percent': 100 * value / slowest}
            for name, value in zip(_BAR_NAMES, _bar_values(figure), strict=True)
        ],
        'joint_charts': _joint_charts(result),
        'latency_charts': _latency_charts(result, figure),
        'latencies': _latencies(figure),
    }


def _joint_charts(result: Result) -> list[Any]:
    markup = require('markupsafe', install='pip install jinja2', needed_for='the report').Markup
    run = result.run
    seconds = (run.stamps_ns - run.stamps_ns[0]) / 1e9
    predicted = result.predicted
    return [
        markup(
            charts.joint_curve(
                joint.name,
                'rad' if joint.sink == 'position' else '0 open, 1 closed',
                seconds=seconds,
                measured=run.joints[:, index],
                predicted=predicted[:, index],
                period=1 / run.bundle.rate_hz,
            )
        )
        for index, joint in enumerate(run.bundle.joints)
    ]


def _latency_charts(result: Result, figure: Figures) -> list[Any]:
    markup = require('markupsafe', install='pip install jinja2', needed_for='the report').Markup
    shown: list[tuple[str, NDArray[np.float64], Latency]] = [
        ('Steps 1 to 5, to the joints', result.total_ms(image=False), figure.motion_ms),
        ('Steps 1 to 5, with the image', result.total_ms(image=True), figure.frame_ms),
    ]
    if result.live is not None and figure.live is not None:
        command = ('Image stamp to command', result.live.command_ms, figure.live.command_ms)
        shown.insert(0, command)
    return [
        markup(charts.latency_histogram(title, values[~np.isnan(values)], found.p50, found.p99))
        for title, values, found in shown
        if found.count
    ]


def _latencies(figure: Figures) -> list[tuple[str, Latency, bool]]:
    rows = [
        (f'{i} {name}', step, False) for i, (name, step) in enumerate(figure.steps_ms.items(), 1)
    ]
    rows.append(('1 to 5, to the joints', figure.motion_ms, True))
    rows.append(('1 to 5, with the image', figure.frame_ms, True))
    if figure.live is not None:
        rows.append(('image stamp to command', figure.live.command_ms, True))
        rows.append(('of it the camera, as recorded', figure.live.camera_ms, False))
        rows.append(('of it the node', figure.live.node_ms, False))
    return rows
