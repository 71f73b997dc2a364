# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The paper's figures as data, and machines side by side."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from eipl_trt_ros.errors import EvaluationError
from eipl_trt_ros.evaluation.report.boards import Board, Entry, paper_board, read_board
from eipl_trt_ros.evaluation.report.paper_tables import compared, paper_tables


def test_the_papers_figures_agree_with_what_its_text_says_of_them() -> None:
    """Section 5.2 and 5.4 give ratios; section 5.3 the error rates."""
    by = {(e.model, e.precision, e.baseline): e for e in paper_board().entries}
    assert len(by) == 12

    def speed(model: str, one: tuple, other: tuple) -> float:
        return (by[(model, *other)].device_ms or 0) / (by[(model, *one)].device_ms or 1)

    fp32, fp16, int8, torch = (('fp32', False), ('fp16', False), ('int8', False), ('fp32', True))
    models = ('sarnn', 'cnnrnn', 'cnnrnnln')
    for said, one, other in (
        ((1.16, 1.66, 1.16), fp32, torch),
        ((1.79, 1.42, 1.28), fp16, fp32),
        ((0.86, 1.04, 0.96), int8, fp16),
    ):
        assert [speed(m, one, other) for m in models] == pytest.approx(said, abs=0.006)
    for model in models:
        for kind in (fp32, fp16, int8):
            entry = by[(model, *kind)]
            single = by[(model, *fp32)]
            assert (entry.mse or 0) / (single.mse or 1) == pytest.approx(entry.rate, rel=0.013)
    power = [
        (by[(m, *fp16)].mean_power_mw or 0) / (by[(m, *fp32)].mean_power_mw or 1) for m in models
    ]
    assert power == pytest.approx([0.93, 1.02, 1.00], abs=0.006)


def test_the_papers_energy_per_frame_is_its_power_times_its_time() -> None:
    for entry in paper_board().entries:
        if entry.energy_per_frame_mj is not None:
            product = (entry.mean_power_mw or 0) * (entry.frame_ms or 0) / 1000
            assert product == pytest.approx(entry.energy_per_frame_mj, rel=0.08)


def test_the_tables_are_laid_out_like_the_papers() -> None:
    four, five, six, seven = paper_tables(paper_board())
    assert four.columns == (
        'model',
        'PyTorch FP32',
        'TensorRT FP32',
        'TensorRT FP16',
        'TensorRT INT8',
    )
    assert four.rows[0] == ('SARNN', '5.13', '4.42', '2.47', '2.88')
    assert five.columns == ('model', 'TensorRT FP32', 'TensorRT FP16', 'TensorRT INT8')
    assert five.rows[2] == ('CNNRNNLN', '5.08', '4.30', '4.35')
    assert six.rows[2][-2:] == ('2.37E-03', '10.270')
    assert six.columns[-4:-2] == ('TensorRT FP16 MSE', 'error rate')
    assert seven.rows[0] == ('SARNN', 'TensorRT FP32', '10,000', '7,219', '397,395', '42')
    assert len(seven.rows) == 9


def test_a_machine_without_power_says_why_in_table_seven() -> None:
    entry = Entry('mine', 'sarnn', 'onnxruntime', 'fp32', frame_ms=1.0, mse=1e-4)
    board = Board('desk', 'today', (entry,), 'this machine tells no power')
    *_, seven = paper_tables(board)
    assert seven.rows == ()
    assert seven.note == 'Not measured: this machine tells no power'


def test_imitated_arithmetic_is_marked_and_has_no_times() -> None:
    single = Entry('mine', 'sarnn', 'onnxruntime', 'fp32', frame_ms=1.0, device_ms=1.0, mse=1e-4)
    half = Entry('mine', 'sarnn', 'onnxruntime', 'fp16', exact=True, mse=1.1e-4, rate=1.1)
    four, _, six, _ = paper_tables(Board('desk', 'today', (single, half)))
    assert four.columns == ('model', 'ONNX Runtime FP32')
    assert six.rows[0] == ('mine', '1.00E-04', '1.10E-04*', '1.100')
    assert 'imitated arithmetic' in six.note


def test_two_machines_meet_by_bundle_then_by_type_of_model() -> None:
    paper = paper_board()
    mine = Board(
        'desk',
        'today',
        (
            Entry('my sarnn', 'sarnn', 'torch', 'fp32', baseline=True, device_ms=10.26),
            Entry('my sarnn', 'sarnn', 'onnxruntime', 'fp32', device_ms=8.84, mse=1e-5),
            Entry('another', 'sarnn', 'onnxruntime', 'fp32', device_ms=1.0),
        ),
    )
    sheet = compared(mine, paper)[0]
    assert sheet.title == 'steps (2) to (4) [ms]'
    assert sheet.columns[2:4] == ('desk', 'Jetson Orin Nano 4GB (paper)')
    assert sheet.rows[0] == ('SARNN', 'FP32, baseline', '10.3 (PyTorch)', '5.13 (PyTorch)', '2')
    assert sheet.rows[1][2:] == ('8.84 (ONNX Runtime)', '4.42 (TensorRT)', '2')
    assert sheet.rows[2][2:] == ('1.00 (ONNX Runtime)', '- (-)', '-')
    assert len(sheet.rows) == 3 + 10
    again = compared(paper, replace(paper, source='copy'))[0]
    assert {row[-1] for row in again.rows} == {'1'}


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('{', 'cannot be read as a report'),
        ('[]', 'is no report'),
        ('{"kind": "evaluation report", "format": 99}', 'a report of format 99'),
        ('{"kind": "evaluation report", "format": 2}', 'not as its schema says'),
    ],
)
def test_what_is_no_report_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / 'a.json'
    path.write_text(text)
    with pytest.raises(EvaluationError, match=message):
        read_board(str(path))
    with pytest.raises(EvaluationError, match='cannot be read'):
        read_board(str(tmp_path / 'none.json'))


def test_the_shipped_file_names_its_source() -> None:
    board = paper_board()
    assert '2024-ARC-256 No. 23' in board.source
    assert json.dumps(board.name) == '"Jetson Orin Nano 4GB (paper)"'
