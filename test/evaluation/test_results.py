# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What docs/results.md says is what was measured."""

from __future__ import annotations

import importlib.resources
import json
from pathlib import Path

import jsonschema
import pytest

from eipl_trt_ros.evaluation.report.boards import paper_board, read_board
from eipl_trt_ros.evaluation.report.paper_tables import paper_tables
from eipl_trt_ros.evaluation.report.sheets import Sheet

DOCS = Path(__file__).parents[2] / 'docs'
REPORT = DOCS / 'results' / 'h200.json'


def lines(sheet: Sheet) -> list[str]:
    return [f'| {" | ".join(row)} |' for row in sheet.rows]


def test_the_shipped_report_is_as_its_schema_says() -> None:
    data = importlib.resources.files('eipl_trt_ros.evaluation').joinpath('data')
    schema = json.loads(data.joinpath('report.schema.json').read_text())
    jsonschema.validate(json.loads(REPORT.read_text()), schema)


@pytest.mark.parametrize('number', [4, 5, 6, 7])
def test_the_tables_are_those_of_the_shipped_report(number: int) -> None:
    sheet = paper_tables(read_board(str(REPORT)))[number - 4]
    text = (DOCS / 'results.md').read_text()
    assert len(lines(sheet)) == (9 if number == 7 else 3)
    assert [line for line in lines(sheet) if line not in text] == []


@pytest.mark.parametrize('number', [4, 5, 6])
def test_the_papers_tables_are_those_of_the_shipped_data(number: int) -> None:
    sheet = paper_tables(paper_board())[number - 4]
    text = (DOCS / 'results.md').read_text()
    assert [line for line in lines(sheet) if line not in text] == []
