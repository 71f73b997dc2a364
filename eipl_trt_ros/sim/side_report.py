# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the results of `success` say of each side of the robot, and of who drove there."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from eipl_trt_ros.sim.positions import SIDES, Side, draw_area, side_of
from eipl_trt_ros.sim.success import Result
from eipl_trt_ros.sim.success_report import INSIDE, rate, results_of, variant_name, variants_of


def side_of_result(result: Result) -> Side:
    """Tell on which side the cube lay."""
    attempt = result.attempt
    return side_of(draw_area(attempt.area, attempt.index + 1)[attempt.index].y)


def taken_over(result: Result) -> int | None:
    """
    Find from which frame on the model of the cube's side drove to the end.

    The model is known by its bundle's folder, which is named after the side.

    Returns:
        Index of the frame; ``None`` if another drove at the end.

    """
    own, drivers = side_of_result(result), result.drivers
    others = [frame for frame, name in enumerate(drivers) if name != own]
    frame = others[-1] + 1 if others else 0
    return frame if frame < len(drivers) else None


def changes(result: Result) -> int:
    """Count how often the driver changed."""
    return sum(one != other for one, other in pairwise(result.drivers))


def side_table(results: Sequence[Result]) -> str:
    """Write a Markdown table of the places inside: one row a variant, one column a side."""
    rows = [
        '| who drives | precision | mixing | left | right | '
        'own model drives at the end | from frame on | changes of driver |',
        '| --- | --- | --- | --- | --- | --- | --- | --- |',
    ]
    for variant in variants_of(results):
        mine = [r for r in results_of(results, variant) if r.attempt.area in INSIDE]
        cells = [rate([r for r in mine if side_of_result(r) == side]) for side in SIDES]
        rows.append('| ' + ' | '.join([*variant_name(variant), *cells, *_driving(mine)]) + ' |')
    return '\n'.join(rows) + '\n'


def _driving(results: Sequence[Result]) -> list[str]:
    """Tell who drove: how often the side's own model in the end, since when, and the changes."""
    together = [result for result in results if result.drivers]
    if not together:
        return ['-', '-', '-']
    found = [taken_over(result) for result in together]
    frames = [frame for frame in found if frame is not None]
    since = f'{np.median(frames):.0f}, at most {max(frames)}' if frames else '-'
    counts = [changes(result) for result in together]
    return [
        f'{len(frames)}/{len(together)}',
        since,
        f'{np.mean(counts):.1f}, at most {max(counts)}',
    ]


def side_summary(results: Sequence[Result]) -> list[dict[str, Any]]:
    """
    Put the same into plain values, place by place.

    ``lifted`` has one digit a place, in order: 1 where the cube was lifted; ``taken_over`` and
    ``changes`` are those of bundles under an arbiter.
    """
    rows = []
    for variant in variants_of(results):
        mine = [r for r in results_of(results, variant) if r.attempt.area in INSIDE]
        for side in SIDES:
            here = [result for result in mine if side_of_result(result) == side]
            row: dict[str, Any] = vars(variant) | {
                'side': side,
                'lifted': ''.join(str(int(result.lifted)) for result in here),
            }
            if variant.arbiter:
                row['taken_over'] = [taken_over(result) for result in here]
                row['changes'] = [changes(result) for result in here]
            rows.append(row)
    return rows
