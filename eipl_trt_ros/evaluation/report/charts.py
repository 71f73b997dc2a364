# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Charts of the report, as SVG that takes its colours from the page around it.

Matplotlib knows nothing of light and dark pages. So it draws in placeholder colours, and each
placeholder becomes a CSS variable of the page's style sheet.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eipl_trt_ros.energy.measurement import MeasuredRun
from eipl_trt_ros.errors import require
from eipl_trt_ros.evaluation.report.sheets import milliseconds

# placeholders that no chart would use by itself -> variables of templates/report.html
_COLOURS = {
    'ink': '#010203',
    'muted': '#020304',
    'grid': '#030405',
    'measured': '#040506',
    'predicted': '#050607',
}
# what a chart inside a page must not bring along: its own size and fonts, and identifiers, which
# would collide with those of the next chart (nothing here needs to be clipped)
_UNWANTED = (
    r'<metadata>.*?</metadata>\s*',
    r'<defs>\s*<clipPath.*?</defs>\s*',
    r' clip-path="[^"]*"',
    r' id="[^"]*"',
    r' font-family: [^;"]*;',
    r' width="[\d.]+pt" height="[\d.]+pt"',
)
_POINTS = 400  # of a timeline
_SETTINGS = {
    'svg.fonttype': 'none',
    'font.size': 9.0,
    'axes.edgecolor': _COLOURS['grid'],
    'axes.labelcolor': _COLOURS['muted'],
    'axes.titlecolor': _COLOURS['ink'],
    'axes.titlesize': 9.5,
    'axes.spines.top': False,
    'axes.spines.right': False,
    'axes.grid': True,
    'axes.axisbelow': True,
    'grid.color': _COLOURS['grid'],
    'grid.linewidth': 0.6,
    'xtick.major.size': 0.0,
    'ytick.major.size': 0.0,
    'xtick.labelcolor': _COLOURS['muted'],
    'ytick.labelcolor': _COLOURS['muted'],
    'text.color': _COLOURS['ink'],
    'lines.solid_capstyle': 'round',
}


def joint_curve(
    name: str,
    unit: str,
    *,
    seconds: NDArray[np.float64],
    measured: NDArray[np.float64],
    predicted: NDArray[np.float64],
    period: float,
) -> str:
    """
    Draw one joint over time.

    A prediction stands where it is meant to come true: one period after its frame.

    Args:
        name: the joint.
        unit: what it is measured in, for the axis.
        seconds: (N,), times of the frames.
        measured: (N,); NaN leaves a gap.
        predicted: (N,), made at ``seconds`` for ``seconds + period``.
        period: one over the model's rate, in seconds.

    Returns:
        An ``<svg>`` element.

    """
    figure, axes = _figure(3.4, 1.75)
    axes.plot(seconds, measured, color=_COLOURS['measured'], linewidth=2.6)
    axes.plot(seconds + period, predicted, color=_COLOURS['predicted'], linewidth=1.2)
    axes.set_title(name, loc='left')
    axes.set_ylabel(unit)
    axes.set_xlabel('time (s)')
    axes.margins(x=0.01)
    _few_ticks(axes, 6, 4)
    return _svg(figure, f'{name}: measured and predicted over time')


def latency_histogram(title: str, values: NDArray[np.float64], p50: float, p99: float) -> str:
    """
    Draw a distribution of latencies with its median and 99th percentile.

    Args:
        title: what was measured.
        values: (N,) milliseconds without NaN, at least one.
        p50: median, in milliseconds.
        p99: 99th percentile, in milliseconds.

    Returns:
        An ``<svg>`` element.

    """
    figure, axes = _figure(3.4, 1.9)
    bins = min(30, max(8, len(values) // 4))
    axes.hist(values, bins=bins, color=_COLOURS['predicted'])
    low, high = axes.get_xlim()
    axes.set_ylim(0, axes.get_ylim()[1] * 1.25)  # room for the labels of the lines
    for row, (value, label) in enumerate(((p50, 'p50'), (p99, 'p99'))):
        axes.axvline(value, color=_COLOURS['ink'], linewidth=1.0, linestyle=(0, (4, 2)))
        right = value > (low + high) / 2
        axes.annotate(
            f'{label} {milliseconds(value)}',
            (value, 1.0),
            xycoords=('data', 'axes fraction'),
            xytext=(-4 if right else 4, -9 - 11 * row),  # never on top of each other
            textcoords='offset points',
            color=_COLOURS['ink'],
            ha='right' if right else 'left',
        )
    axes.set_title(title, loc='left')
    axes.set_ylabel('frames')
    axes.set_xlabel('latency (ms)')
    axes.grid(axis='x', visible=False)
    _few_ticks(axes, 6, 4)
    return _svg(
        figure, f'{title}: histogram; median {milliseconds(p50)} ms, p99 {milliseconds(p99)} ms'
    )


def timeline(title: str, durations: Mapping[str, NDArray[np.float64]]) -> str:
    """
    Draw durations frame by frame, in the order in which they were measured.

    Long runs are drawn as the highest value of each of some hundred stretches, so that no outlier
    is lost in the thinning.

    Args:
        title: what was measured.
        durations: (N,) milliseconds by name, two at most.

    Returns:
        An ``<svg>`` element.

    """
    figure, axes = _figure(3.4, 1.9)
    for colour, (name, values) in zip(('measured', 'predicted'), durations.items(), strict=False):
        stride = max(1, -(-len(values) // _POINTS))
        starts = np.arange(0, len(values), stride)
        highest = np.maximum.reduceat(values, starts)
        axes.plot(starts, highest, color=_COLOURS[colour], linewidth=1.2, label=name)
    axes.margins(x=0.01)
    axes.set_ylim(0, axes.get_ylim()[1] * 1.3)  # room for the names of the curves
    axes.set_title(title, loc='left')
    axes.set_ylabel('latency (ms)')
    axes.set_xlabel('frame')
    axes.legend(loc='upper left', frameon=False, fontsize=8, ncols=2, labelcolor=_COLOURS['ink'])
    _few_ticks(axes, 6, 4)
    return _svg(figure, f'{title}: latency by frame')


def power_over_time(runs: Mapping[str, MeasuredRun]) -> str:
    """
    Draw the power of measurements one below the other, each from the begin of its run.

    Args:
        runs: by what ran.

    Returns:
        An ``<svg>`` element.

    """
    figure, axes = _figure(7.2, 1.0 + 0.95 * len(runs), rows=len(runs))
    for place, (name, run) in zip(axes, runs.items(), strict=True):
        seconds = [(sample.stamp_ns - run.begin_ns) / 1e9 for sample in run.samples]
        watts = [np.nan if s.total_mw is None else s.total_mw / 1000 for s in run.samples]
        place.plot(
            seconds, watts, color=_COLOURS['predicted'], linewidth=1.4, marker='.', markersize=3
        )
        place.axvspan(0, run.warm_up_s, color=_COLOURS['grid'], alpha=0.6)
        if run.idle is not None:
            place.axhline(
                run.idle.power_mw / 1000,
                color=_COLOURS['muted'],
                linewidth=1.0,
                linestyle=(0, (4, 2)),
            )
        place.set_title(name, loc='left')
        place.set_ylabel('power (W)')
        place.margins(x=0.01, y=0.15)
        place.set_ylim(bottom=0)
        _few_ticks(place, 8, 4)
    axes[-1].set_xlabel('time from the first frame (s)')
    return _svg(figure, 'power over time of each run')


def _figure(width: float, height: float, rows: int = 0) -> tuple[Any, Any]:
    """Make a figure without pyplot, which would look for a screen and keep the figure."""
    matplotlib = require('matplotlib', install='pip install matplotlib', needed_for='the report')
    module = require(
        'matplotlib.figure', install='pip install matplotlib', needed_for='the report'
    )
    with matplotlib.rc_context(_SETTINGS):
        figure = module.Figure(figsize=(width, height), layout='constrained')
        if rows:
            return figure, figure.subplots(rows, 1, sharex=True, sharey=True, squeeze=False)[:, 0]
        return figure, figure.add_subplot()


def _few_ticks(axes: Any, x: int, y: int) -> None:
    axes.locator_params(axis='x', nbins=x)
    axes.locator_params(axis='y', nbins=y)


def _svg(figure: Any, description: str) -> str:
    """Turn a figure into an element that scales, takes the page's colours and can be read out."""
    matplotlib = require('matplotlib', install='pip install matplotlib', needed_for='the report')
    buffer = io.StringIO()
    with matplotlib.rc_context(_SETTINGS):
        figure.savefig(buffer, format='svg', transparent=True, metadata={'Date': None})
    text = buffer.getvalue()
    text = text[text.index('<svg') :]
    for unwanted in _UNWANTED:
        text = re.sub(unwanted, '', text, flags=re.DOTALL)
    for name, placeholder in _COLOURS.items():
        text = text.replace(placeholder, f'var(--{name})')
    label = description.replace('&', 'and').replace('<', '').replace('"', '')
    return text.replace('<svg', f'<svg role="img" aria-label="{label}"', 1)
