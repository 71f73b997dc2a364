# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The timings as a table for the terminal."""

from __future__ import annotations

from collections.abc import Mapping

from rich.table import Table

from eipl_trt_ros.benchmark.measure import Timing


def table_of(name: str, timings: Mapping[str, Timing]) -> Table:
    """
    Put one row per case.

    Args:
        name: of the bundle.
        timings: by case, at least one.

    Returns:
        A table for `rich.console.Console.print`.

    """
    frames = next(iter(timings.values())).frames
    table = Table(title=f'{name}: milliseconds a frame, {frames} frames each')
    table.add_column('case', no_wrap=True)
    for heading in ('median', 'quartiles', 'p99', 'speed', 'pre+post'):
        table.add_column(heading, justify='right', no_wrap=True)
    for case, timing in timings.items():
        table.add_row(
            case,
            f'{timing.median:.2f}',
            f'{timing.q1:.2f}-{timing.q3:.2f}',
            f'{timing.p99:.2f}',
            f'{timing.ratio:.2f}x',
            '' if timing.overhead is None else f'{100 * timing.overhead:.1f} %',
        )
    return table
