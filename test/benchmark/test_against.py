# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eipl_trt_ros.benchmark.against import compare, read_report
from eipl_trt_ros.errors import InputError

CASES = {'PyTorch eager': 20.0, 'EIPL export': 12.0, 'ours, motion only': 2.0}


def report(factor: float = 1.0, spread: float = 0.02, **changed: float) -> dict[str, Any]:
    """Give a run in which everything takes ``factor`` times as long, and some cases more."""
    timings = {}
    for case, usual in CASES.items():
        median = usual * factor * changed.get(case.split(',', maxsplit=1)[0], 1.0)
        q1, q3 = median * (1 - spread / 2), median * (1 + spread / 2)
        timings[case] = {'median': median, 'q1': q1, 'q3': q3}
    return {'runs': [{'model': 'arm', 'threads': 1, 'timings': timings}]}


def slower(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    return [change.case for change in compare(old, new) if change.slower]


@given(st.floats(0.2, 5.0))
def test_a_machine_that_is_slower_today_is_no_regression(factor: float) -> None:
    assert slower(report(), report(factor)) == []


@given(st.floats(0.2, 5.0), st.floats(1.1, 3.0))
def test_a_case_that_got_slower_than_its_peers_is_named(factor: float, loss: float) -> None:
    assert slower(report(), report(factor, ours=loss)) == ['ours, motion only']


def test_what_is_within_the_spread_is_noise() -> None:
    assert slower(report(spread=0.3), report(spread=0.3, ours=1.2)) == []
    assert slower(report(spread=0.3), report(spread=0.3, ours=1.4)) == ['ours, motion only']


def test_runs_without_anything_in_common_cannot_be_compared() -> None:
    other = report()
    other['runs'][0]['threads'] = 2
    with pytest.raises(InputError, match='no model, number of threads and case in common'):
        compare(report(), other)


@pytest.mark.parametrize('text', ['', '[]', '{"runs": [{}]}', '{"machine": {}}'])
def test_a_file_of_something_else_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / 'old.json'
    path.write_text(text)
    with pytest.raises(InputError, match=r'old\.json is not what eipl_trt bench --json writes'):
        read_report(path)
    path.write_text(json.dumps(report()))
    assert read_report(path) == report()
