# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path

import pytest
from builders import SPECS, write_random_bundle

from eipl_trt_ros.cli import main

SAMPLES = Path(__file__).parents[2] / 'samples'


def test_bench_shows_a_table_and_writes_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = write_random_bundle(tmp_path / 'bundle', SPECS['cnnrnn'])
    out = tmp_path / 'new' / 'bench.json'
    arguments = ['bench', '--bundle', str(bundle.path), '--frames', '5', '--json', str(out)]
    assert main(arguments) == 0
    shown = capsys.readouterr().out
    (run,) = json.loads(out.read_text())['runs']
    assert (run['model'], run['type'], run['threads']) == (bundle.name, 'cnnrnn', 1)
    assert "the paper's TensorRT fp16 on Orin Nano" in shown
    timings = run['timings']
    assert 'ours, motion only' in timings
    for name, timing in timings.items():
        assert name in shown
        assert f'{timing["median"]:.2f}' in shown
        assert timing['frames'] == 5


def test_bench_times_other_precisions_nodes_and_recordings_if_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('eipl_trt_ros.benchmark.bags.BAGS', (2,))  # for the sake of time
    out = tmp_path / 'bench.json'
    arguments = ['bench', '--bundle', str(SAMPLES / 'cnnrnn'), '--frames', '3', '--json', str(out)]
    more = ['--precision', 'fp16', 'int8', '--layers', '--bag', str(SAMPLES / 'demonstration')]
    assert main([*arguments, *more, '--glibc-defaults']) == 0
    shown = capsys.readouterr().out
    report = json.loads(out.read_text())
    (run,) = report['runs']
    ours = [name for name in run['timings'] if name.startswith('ours, motion only')]
    assert [name for name in run['timings'] if not name.startswith('ours')] == ['PyTorch eager']
    assert ours == ['ours, motion only', 'ours, motion only, fp16', 'ours, motion only, int8']
    assert [graph['graph'] for graph in report['layers']] == ['motion', 'image']
    assert 'motion graph' in shown
    (bags,) = report['bags']
    assert {cost['bags'] for cost in bags['costs']} == {2}
    assert 'seconds to evaluate recordings' in shown


def test_a_run_against_one_that_was_much_faster_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = write_random_bundle(tmp_path / 'bundle', SPECS['cnnrnn'])
    old = tmp_path / 'old.json'
    arguments = ['bench', '--bundle', str(bundle.path), '--frames', '5']
    assert main([*arguments, '--threads', '1', '2', '--json', str(old)]) == 0
    report = json.loads(old.read_text())
    assert [run['threads'] for run in report['runs']] == [1, 2]
    for run in report['runs']:
        timing = run['timings']['ours, motion only']
        for name in ('median', 'q1', 'q3'):
            timing[name] /= 100
    old.write_text(json.dumps(report))
    capsys.readouterr()
    assert main([*arguments, '--against', str(old)]) == 1
    shown = capsys.readouterr().out
    assert 'slower: random cnnrnn, 1 thread(s), ours, motion only' in shown


def test_bench_refuses_an_earlier_run_that_is_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ['bench', '--bundle', str(tmp_path), '--against', str(tmp_path / 'none.json')]
    assert main(arguments) == 2
    assert 'none.json is not what eipl_trt bench --json writes' in capsys.readouterr().err


def test_the_nodes_times_are_not_compared(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['bench', '--bundle', 'x', '--ros', '--against', 'old.json']) == 2
    assert 'leave one of the two out' in capsys.readouterr().err


def test_bench_refuses_fewer_than_one_frame(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(['bench', '--bundle', 'x', '--frames', '0'])
    assert 'less than 1' in capsys.readouterr().err


def test_bench_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(['bench', '--help'])
    assert 'eipl_trt bench --bundle samples/sarnn' in capsys.readouterr().out
