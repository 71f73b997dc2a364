# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The latencies of the node as a table in Markdown, which a terminal shows as well as a page."""

from __future__ import annotations

from collections.abc import Sequence

from eipl_trt_ros.benchmark.ros_latency import Latency

_PARTS = ('p50', 'p99', 'publish', 'topic', 'wait', 'decode', 'model', 'rest', 'own', 'own_p99')


def markdown_table(latencies: Sequence[Latency]) -> str:
    """
    Put one row per way of sending images; one that goes on from the row above has no name.

    Args:
        latencies: at least one.

    """
    headings = ['image', 'Hz', *(part.replace('_', ' ') for part in _PARTS), 'lost', 'core']
    rows = [headings, ['---', *['---:'] * (len(headings) - 1)]]
    above = ''
    for latency in latencies:
        label = latency.stream.label
        rows.append(
            [
                '' if label == above else label,
                f'{latency.stream.rate_hz:g}',
                *(_short(getattr(latency, part)) for part in _PARTS),
                f'{100 * latency.dropped / latency.sent:.0f} %',
                f'{100 * latency.cpu:.0f} %',
            ]
        )
        above = label
    widths = [max(len(row[column]) for row in rows) for column in range(len(headings))]
    lines = []
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        lines.append(f'| {" | ".join(cells)} |')
    return '\n'.join(lines)


def _short(milliseconds: float) -> str:
    """Write three digits."""
    return f'{milliseconds:.{2 if milliseconds < 10 else 1 if milliseconds < 100 else 0}f}'
