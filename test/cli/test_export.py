# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest
from builders import write_weights_only_bundle

from eipl_trt_ros.bundle import load_bundle
from eipl_trt_ros.cli import main
from eipl_trt_ros.spec import GRAPHS


def test_a_bundle_gets_its_graphs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ('one', 'two'):
        write_weights_only_bundle(tmp_path / name)
    assert main(['export', str(tmp_path / 'one'), str(tmp_path / 'two')]) == 0
    out = capsys.readouterr().out
    motion, image = (f'{name}.onnx, {name}.cpu.onnx, {name}.half.onnx' for name in GRAPHS[:2])
    for name in ('one', 'two'):
        assert f'{name}: {motion}, {image}' in out
        assert load_bundle(tmp_path / name).graph_path('motion').is_file()


def test_a_folder_that_is_no_bundle_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(['export', str(tmp_path)]) == 2
    assert 'is not a bundle' in capsys.readouterr().err


def test_missing_weights_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = write_weights_only_bundle(tmp_path)
    bundle.weights_path.unlink()
    assert main(['export', str(tmp_path)]) == 2
    assert 'weights.safetensors cannot be read as weights' in capsys.readouterr().err
