# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Compares a run of the benchmark with an earlier one: what got slower beyond the noise.

The same machine runs everything a little faster or slower from one run to the next. The peers,
whose code is not ours, tell by how much: the median of their changes is taken off. What is left
must exceed the spread of both runs.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eipl_trt_ros.benchmark.cases import is_ours
from eipl_trt_ros.documents import read_json
from eipl_trt_ros.errors import InputError

_LEAST_NOISE = 0.05
Key = tuple[str, int, str]


@dataclass(frozen=True)
class Change:
    """
    One case in both runs.

    Attributes:
        model, threads, case: which one.
        ratio: time now over time then, with the change of the machine taken off.
        noise: by how much a ratio of 1 may be off; half the spreads of both runs, at least 5 %.

    """

    model: str
    threads: int
    case: str
    ratio: float
    noise: float

    @property
    def slower(self) -> bool:
        """Whether it got slower beyond the noise."""
        return self.ratio > 1 + self.noise


def read_report(path: Path) -> Mapping[str, Any]:
    """
    Read what an earlier run wrote with ``--json``.

    Raises:
        InputError: it is not such a file.

    """
    try:
        report = read_json(path)
        _medians(report)
    except (OSError, ValueError, KeyError, TypeError) as error:
        msg = f'{path} is not what eipl_trt bench --json writes: {error!r}'
        raise InputError(msg) from None
    return report


def compare(old: Mapping[str, Any], new: Mapping[str, Any]) -> Sequence[Change]:
    """
    Compare two reports.

    Args:
        old: as ``eipl_trt bench --json`` wrote it then.
        new: the same now.

    Returns:
        The cases that both have, in the order of the new one.

    Raises:
        InputError: they have no case in common.

    """
    before, now = _medians(old), _medians(new)
    both = [key for key in now if key in before]
    if not both:
        msg = 'the two runs have no model, number of threads and case in common'
        raise InputError(msg)
    raw = {key: now[key][0] / before[key][0] for key in both}
    peers = [raw[key] for key in both if not is_ours(key[2])]
    drift = statistics.median(peers) if peers else 1.0
    return [
        Change(*key, raw[key] / drift, max(_LEAST_NOISE, (now[key][1] + before[key][1]) / 2))
        for key in both
    ]


def _medians(report: Mapping[str, Any]) -> dict[Key, tuple[float, float]]:
    """Give the median and the relative spread of each case."""
    found: dict[Key, tuple[float, float]] = {}
    for run in report['runs']:
        for case, timing in run['timings'].items():
            spread = (timing['q3'] - timing['q1']) / timing['median']
            found[run['model'], int(run['threads']), case] = float(timing['median']), float(spread)
    return found
