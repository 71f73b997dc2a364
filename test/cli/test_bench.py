# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path

import pytest
from builders import SPECS, write_random_bundle

from eipl_trt_ros.cli import main


def test_bench_shows_a_table_and_writes_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = write_random_bundle(tmp_path / 'bundle', SPECS['cnnrnn'])
    out = tmp_path / 'new' / 'bench.json'
    arguments = ['bench', '--bundle', str(bundle.path), '--frames', '5', '--json', str(out)]
    assert main(arguments) == 0
    shown = capsys.readouterr().out
    timings = json.loads(out.read_text())['models'][bundle.name]
    assert 'ours, motion only' in timings
    for name, timing in timings.items():
        assert name in shown
        assert f'{timing["median"]:.2f}' in shown
        assert timing['frames'] == 5


def test_bench_refuses_fewer_than_one_frame(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(['bench', '--bundle', 'x', '--frames', '0'])
    assert 'less than 1' in capsys.readouterr().err


def test_bench_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(['bench', '--help'])
    assert 'eipl_trt bench --bundle samples/sarnn' in capsys.readouterr().out
