# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from builders import SPECS, write_random_bundle
from recordings import demonstration

from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.cli import main


@pytest.fixture(scope='module')
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return write_random_bundle(tmp_path_factory.mktemp('cnnrnn'), SPECS['cnnrnn'])


@pytest.fixture(scope='module')
def bag(tmp_path_factory: pytest.TempPathFactory, bundle: Bundle) -> Path:
    path = tmp_path_factory.mktemp('bag') / 'bag'
    return demonstration(bundle.joint_names).write(path)


def evaluate(bundle: Bundle, bag: Path, out: Path, *more: str) -> dict[str, Any]:
    arguments = ['evaluate', '--bag', str(bag), '--bundle', str(bundle.path), '--out', str(out)]
    assert main([*arguments, *more]) == 0
    return json.loads((out / 'report.json').read_text())


def test_one_command_compares_precisions_with_a_baseline_and_writes_everything(
    tmp_path: Path, bundle: Bundle, bag: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / 'new' / 'result'
    more = ('--precision', 'fp32', 'fp16', '--backend', 'onnxruntime', '--baseline', 'torch')
    data = evaluate(bundle, bag, out, *more, '--power', 'none', '--frames', '60')
    shown = capsys.readouterr().out
    rows = data['rows']
    assert [row['configuration']['backend'] for row in rows] == ['torch', *['onnxruntime'] * 2]
    for number in (4, 5, 6, 7):
        assert f'Table {number}: ' in shown
    assert f'{rows[1]["accuracy"]["joint_mse"]:.2E}' in shown
    assert '[mW]' in shown
    assert (out / 'report.html').stat().st_size > 10_000
    assert len((out / 'frames.csv').read_text().splitlines()) == 1 + 3 * 10
    assert len((out / 'times.csv').read_text().splitlines()) == 1 + 2 * 60


def test_the_command_of_the_report_does_it_again(
    tmp_path: Path, bundle: Bundle, bag: Path
) -> None:
    first = evaluate(bundle, bag, tmp_path / 'a', '--threads', '2', '--tolerance', '0.01')
    program, *arguments = shlex.split(first['command'])
    assert program == 'eipl_trt'
    assert arguments[-4:] == ['--threads', '2', '--tolerance', '0.01']
    assert main(arguments) == 0
    second = json.loads((tmp_path / 'a' / 'report.json').read_text())
    assert second['rows'][0]['accuracy'] == first['rows'][0]['accuracy']
    assert second['settings'] == first['settings']


def test_another_bundle_gives_another_table(
    tmp_path: Path, bundle: Bundle, bag: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def weaken(weights: dict[str, Any]) -> None:
        for name, values in weights.items():
            weights[name] = values * 0.5

    other = write_random_bundle(tmp_path / 'other', SPECS['cnnrnn'], change=weaken)
    one = evaluate(bundle, bag, tmp_path / 'a', '--frames', '20', '--power', 'none', '--overhead')
    [overhead] = one['overhead'].values()
    assert overhead['rounds'] * overhead['frames'] == 400
    assert 'evaluation overhead, random cnnrnn, onnxruntime fp32: ' in capsys.readouterr().out
    two = evaluate(other, bag, tmp_path / 'b', '--frames', '20', '--power', 'none')
    mse = [data['rows'][0]['accuracy']['joint_mse'] for data in (one, two)]
    assert mse[0] != mse[1]
    assert one['bundles'][0]['sha256'] != two['bundles'][0]['sha256']


def test_two_reports_stand_side_by_side_and_beside_the_paper(
    tmp_path: Path, bundle: Bundle, bag: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ('a', 'b'):
        evaluate(bundle, bag, tmp_path / name, '--frames', '20', '--power', 'none')
    files = [str(tmp_path / name / 'report.json') for name in ('a', 'b')]
    capsys.readouterr()
    assert main(['evaluate', '--compare', *files]) == 0
    shown = capsys.readouterr().out
    assert 'steps (1) to (5) [ms]' in shown
    assert files[0] in shown
    assert main(['evaluate', '--compare', 'paper', files[0]]) == 0
    shown = capsys.readouterr().out
    assert '1.87 (TensorRT)' in shown
    assert '2024-ARC-256 No. 23' in shown


def test_of_several_bags_a_bad_one_is_an_error_beside_the_others_report(
    tmp_path: Path, bundle: Bundle, bag: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bad = demonstration(('elbow', 'wrist')).write(tmp_path / bag.name)
    out = tmp_path / 'out'
    arguments = ['evaluate', '--bundle', str(bundle.path), '--out', str(out), '--power', 'none']
    arguments += ['--bag', str(bad), '--bag', str(bag), '--frames', '20', '--jobs', '2']
    assert main(arguments) == 2
    data = json.loads((out / 'report.json').read_text())
    [row] = data['rows']
    assert row['accuracy']['frames'] == 10
    assert row['times']['frame']['count'] == 20
    [error] = data['errors']
    assert 'elbow' in error
    assert 'missing: ' in error
    assert data['bags'][0]['problems'] != []
    assert error in caplog.text


def test_the_best_precision_can_be_asked_for_where_engines_run(
    tmp_path: Path, bundle: Bundle, bag: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ['evaluate', '--bag', str(bag), '--bundle', str(bundle.path), '--precision']
    assert main([*arguments, 'auto', '--backend', 'onnxruntime', '--out', str(tmp_path)]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert 'precision auto chooses among TensorRT engines' in error


def test_a_missing_bag_is_one_line_and_exit_code_2(
    tmp_path: Path, bundle: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ['--bag', str(tmp_path / 'none'), '--bundle', str(bundle.path)]
    assert main(['evaluate', *arguments, '--out', str(tmp_path)]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith('eipl_trt: ')
    assert 'no such bag' in error


def test_what_is_missing_on_the_command_line_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['evaluate', '--bag', 'x']) == 2
    assert 'evaluate needs --bundle, --out, or --compare A B' in capsys.readouterr().err


def test_evaluate_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(['evaluate', '--help'])
    assert 'eipl_trt evaluate --live --bag samples/demonstration' in capsys.readouterr().out
