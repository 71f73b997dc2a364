# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the results of `success` mean: rates with intervals, and precisions place by place."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from eipl_trt_ros.backends import PRECISIONS
from eipl_trt_ros.backends.loader import AUTO_PRECISION
from eipl_trt_ros.sim.positions import AREAS, Area
from eipl_trt_ros.sim.success import Result, Variant

_Z95 = 1.959964  # standard normal quantile of 97.5 %
INSIDE: tuple[Area, ...] = ('seen', 'unseen')
_ORDER = (*PRECISIONS, AUTO_PRECISION)


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """
    Find the 95 % interval of a success rate (Wilson 1927).

    Args:
        successes: out of trials.
        trials: how many; with none, nothing is known.

    Returns:
        Lower and upper end, 0 to 1.

    """
    if trials == 0:
        return 0.0, 1.0
    rate, square = successes / trials, _Z95**2 / trials
    middle = rate + square / 2
    half = math.sqrt(square * (rate * (1 - rate) + square / 4))
    low, high = (middle - half) / (1 + square), (middle + half) / (1 + square)
    return max(0.0, low), min(1.0, high)


def sign_test(only_first: int, only_second: int) -> float:
    """
    Find how likely chance alone splits the places at which two variants differ so unevenly.

    The exact test of McNemar: two-sided binomial with one half.

    Args:
        only_first: places at which only the first variant lifted the cube.
        only_second: places at which only the second did.

    """
    trials = only_first + only_second
    tail = sum(math.comb(trials, k) for k in range(min(only_first, only_second) + 1))
    return min(1.0, 2 * tail / 2**trials)


@dataclass(frozen=True)
class Comparison:
    """
    A variant beside the same model in fp32, at the same places.

    Attributes:
        variant: the one that is compared.
        places: how many.
        lost: places at which only fp32 lifted the cube, such as ``'unseen 3'``.
        gained: places at which only the variant did.
        apart: float64 (places,), the largest difference of any arm joint in any frame, radians.

    """

    variant: Variant
    places: int
    lost: tuple[str, ...]
    gained: tuple[str, ...]
    apart: np.ndarray


def variants_of(results: Sequence[Result]) -> list[Variant]:
    """List the variants: model by model as they first appear, fp32 on ONNX Runtime first."""
    found = list(dict.fromkeys(result.attempt.variant for result in results))
    models = list(dict.fromkeys(variant.model for variant in found))
    return sorted(
        found,
        key=lambda variant: (
            variant.arbiter,
            models.index(variant.model),
            variant.backend != 'onnxruntime',
            _ORDER.index(variant.precision),
            -variant.mixing,
        ),
    )


def compare(results: Sequence[Result]) -> list[Comparison]:
    """Set every variant beside fp32 of the same model and mixing on ONNX Runtime."""
    variants = variants_of(results)
    comparisons = []
    for variant in variants:
        first = next(other for other in variants if _same_but_for_arithmetic(other, variant))
        if variant != first and first.precision == 'fp32':
            comparisons.append(_compare(results, first, variant))
    return [found for found in comparisons if found.places]


def _same_but_for_arithmetic(one: Variant, other: Variant) -> bool:
    return replace(one, backend=other.backend, precision=other.precision) == other


def _compare(results: Sequence[Result], first: Variant, second: Variant) -> Comparison:
    others = {_place(result): result for result in results_of(results, second)}
    mine = results_of(results, first)
    pairs = [(one, others[_place(one)]) for one in mine if _place(one) in others]
    return Comparison(
        second,
        len(pairs),
        tuple(_place(one) for one, other in pairs if one.lifted and not other.lifted),
        tuple(_place(other) for one, other in pairs if other.lifted and not one.lifted),
        np.array([np.abs(one.joints - other.joints)[:, :-1].max() for one, other in pairs]),
    )


def success_table(results: Sequence[Result]) -> str:
    """Write a Markdown table: one row a variant, one column an area."""
    rows = [
        '| model | precision | mixing | seen | unseen | seen and unseen | outside | miss |',
        '| --- | --- | --- | --- | --- | --- | --- | --- |',
    ]
    for variant in variants_of(results):
        mine = results_of(results, variant)
        cells = [rate([r for r in mine if r.attempt.area == area]) for area in AREAS]
        cells.insert(2, rate([r for r in mine if r.attempt.area in INSIDE]))
        misses = [r.miss for r in mine if r.attempt.area in INSIDE]
        miss = f'{np.median(misses) * 1000:.1f} mm' if misses else '-'
        rows.append('| ' + ' | '.join([*variant_name(variant), *cells, miss]) + ' |')
    return '\n'.join(rows) + '\n'


def comparison_table(results: Sequence[Result]) -> str:
    """Write a Markdown table: what every variant did at the places, beside fp32."""
    rows = [
        '| model | precision | mixing | places | lost | gained | p | joints apart |',
        '| --- | --- | --- | --- | --- | --- | --- | --- |',
    ]
    for found in compare(results):
        p = sign_test(len(found.lost), len(found.gained))
        apart = found.apart * 1000
        cells = [
            *variant_name(found.variant),
            str(found.places),
            _listed(found.lost),
            _listed(found.gained),
            f'{p:.2g}',
            f'{_short(np.median(apart))} mrad, at most {_short(apart.max())}',
        ]
        rows.append('| ' + ' | '.join(cells) + ' |')
    return '\n'.join(rows) + '\n'


def summary(results: Sequence[Result]) -> dict[str, Any]:
    """
    Put everything but the trajectories into plain values.

    ``lifted`` has one digit a place, in order: 1 where the cube was lifted.
    """
    rows = []
    for variant in variants_of(results):
        areas = {}
        for area in AREAS:
            mine = [r for r in results_of(results, variant) if r.attempt.area == area]
            lifted = ''.join(str(int(result.lifted)) for result in mine)
            if mine:
                interval = [round(end, 4) for end in wilson(lifted.count('1'), len(mine))]
                areas[area] = {'lifted': lifted, 'interval': interval}
        rows.append(vars(variant) | {'areas': areas})
    comparisons = [
        vars(found.variant)
        | {
            'places': found.places,
            'lost': list(found.lost),
            'gained': list(found.gained),
            'apart_rad': [round(float(value), 6) for value in found.apart],
        }
        for found in compare(results)
    ]
    return {'variants': rows, 'compared_with_fp32': comparisons}


def results_of(results: Sequence[Result], variant: Variant) -> list[Result]:
    """Give a variant's results, in the order of the places."""
    mine = [result for result in results if result.attempt.variant == variant]
    return sorted(mine, key=lambda r: (AREAS.index(r.attempt.area), r.attempt.index))


def _place(result: Result) -> str:
    return f'{result.attempt.area} {result.attempt.index}'


def _listed(places: tuple[str, ...]) -> str:
    return f'{len(places)}' + (f' ({", ".join(places)})' if places else '')


def variant_name(variant: Variant) -> list[str]:
    """Give the cells of a table's row that tell which variant it is."""
    precision = variant.precision
    if variant.backend != 'onnxruntime':
        precision += f' on {variant.backend}'
    model = variant.model
    if variant.arbiter:
        model = f'all, by {variant.arbiter}'
        model += '' if variant.arbiter == 'topic' else f', {variant.model} first'
    return [model, precision, f'{variant.mixing:g}']


def _short(value: float) -> str:
    return f'{value:.0f}' if value >= 10 else f'{value:.2g}'


def rate(results: Sequence[Result]) -> str:
    """Tell how many lifted the cube, of how many, with the 95 % interval."""
    if not results:
        return '-'
    lifted = sum(result.lifted for result in results)
    low, high = wilson(lifted, len(results))
    return f'{lifted}/{len(results)} ({low:.0%} to {high:.0%})'
