# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The figures as a table for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from eipl_trt_ros.evaluation.summary import FIVE_STEPS, Figures


def milliseconds(value: float) -> str:
    """Write a duration as short as it is still telling; '-' where nothing was measured."""
    if value != value:  # noqa: PLR0124 - NaN
        return '-'
    for limit, digits in ((100, 0), (10, 1), (0.1, 2)):
        if value >= limit:
            return f'{value:.{digits}f}'
    return f'{value:.3f}' if value else '0'


def table_of(figures: Sequence[Figures]) -> Table:
    """
    Put one column per bundle, one row per figure: so it fits a narrow terminal.

    Args:
        figures: of each bundle; the rows of a live run appear if one has it.

    Returns:
        A table for `rich.console.Console.print`.

    """
    table = Table()
    table.add_column('model')
    for figure in figures:
        table.add_column(figure.name, justify='right', overflow='fold')
    for index, group in enumerate(_groups(figures)):
        if index:
            table.add_section()
        for label, cells in group:
            table.add_row(label, *cells)
    return table


def _groups(figures: Sequence[Figures]) -> list[list[tuple[str, list[str]]]]:
    groups = [
        [
            ('backend', [figure.backend for figure in figures]),
            ('precision', [figure.precision for figure in figures]),
            ('frames', [str(figure.frames) for figure in figures]),
            ('dropped', [str(figure.dropped_total) for figure in figures]),
        ],
        [
            ('joint MSE (x 1e-5)', [f'{f.joint_mse * 1e5:.2f}' for f in figures]),
            ('... if nothing moved', [f'{f.joint_mse_persistence * 1e5:.2f}' for f in figures]),
        ],
        [
            (f'{index} {step} (ms)', [milliseconds(f.steps_ms[step].p50) for f in figures])
            for index, step in enumerate(FIVE_STEPS, 1)
        ]
        + [
            ('1 to 5, to the joints (ms)', [milliseconds(f.motion_ms.p50) for f in figures]),
            ('1 to 5, with the image (ms)', [milliseconds(f.frame_ms.p50) for f in figures]),
        ],
    ]
    if any(figure.live is not None for figure in figures):
        groups.append(
            [
                ('image stamp to command, p50 (ms)', [_live(f, 'command_ms') for f in figures]),
                ('... p99 (ms)', [_live(f, 'command_ms', 'p99') for f in figures]),
                ('... of it the camera (ms)', [_live(f, 'camera_ms') for f in figures]),
                ('... of it the node (ms)', [_live(f, 'node_ms') for f in figures]),
                ('frames equal to offline', [_equal(figure) for figure in figures]),
            ]
        )
    return groups


def _live(figure: Figures, part: str, percentile: str = 'p50') -> str:
    if figure.live is None:
        return '-'
    return milliseconds(getattr(getattr(figure.live, part), percentile))


def _equal(figure: Figures) -> str:
    return '-' if figure.live is None else f'{figure.live.equal}/{figure.live.expected}'
