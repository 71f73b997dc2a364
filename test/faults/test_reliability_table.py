# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Every row of docs/reliability.md names a test that there is, and every test has its row."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent


def test_the_rows_of_the_table_and_the_tests_are_the_same() -> None:
    text = (HERE.parents[1] / 'docs' / 'reliability.md').read_text(encoding='utf-8')
    named = set(re.findall(r'`(test_\w+\.py)::(test_\w+)', text))
    there = {
        (path.name, name)
        for path in HERE.glob('test_*.py')
        if path != Path(__file__)
        for name in re.findall(r'^def (test_\w+)', path.read_text(encoding='utf-8'), re.MULTILINE)
    }
    assert named == there
