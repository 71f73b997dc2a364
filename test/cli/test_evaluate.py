# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path

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


def test_evaluate_shows_a_table_and_writes_the_report(
    tmp_path: Path, bundle: Bundle, bag: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / 'new' / 'result'
    arguments = ['evaluate', '--bag', str(bag), '--out', str(out), '--threads', '2']
    for _ in range(2):
        arguments += ['--bundle', str(bundle.path)]
    assert main(arguments) == 0
    shown = capsys.readouterr().out
    data = json.loads((out / 'report.json').read_text())
    assert [model['name'] for model in data['models']] == [bundle.name] * 2
    assert f'{data["models"][0]["joint_mse"] * 1e5:.2f}' in shown
    assert data['models'][0]['joint_mse'] == data['models'][1]['joint_mse']
    assert (out / 'report.html').stat().st_size > 10_000
    assert len((out / 'frames.csv').read_text().splitlines()) == 1 + 2 * 10
    assert data['command'].startswith(f'eipl_trt evaluate --bag {bag} --bundle {bundle.path} ')
    assert data['command'].endswith('--threads 2')


def test_a_missing_bag_is_one_line_and_exit_code_2(
    tmp_path: Path, bundle: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ['--bag', str(tmp_path / 'none'), '--bundle', str(bundle.path)]
    assert main(['evaluate', *arguments, '--out', str(tmp_path)]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith('eipl_trt: ')
    assert 'no such bag' in error


def test_evaluate_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(['evaluate', '--help'])
    assert 'eipl_trt evaluate --live --bag samples/demonstration' in capsys.readouterr().out
