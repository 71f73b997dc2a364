# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a build cannot be made of: one clear line, an exit code of 2, nothing half done."""

from __future__ import annotations

import dataclasses
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from builders import make_pictures, write_random_bundle

from eipl_trt_ros.bundle import load_bundle
from eipl_trt_ros.cli import main
from eipl_trt_ros.engines import build as building
from eipl_trt_ros.engines import int8_ways, tensorrt_api
from eipl_trt_ros.engines.tensorrt_api import BuildRequest, TensorRT, find_tensorrt
from eipl_trt_ros.errors import BackendError

pytest.importorskip('tensorrt_rtx_bindings', reason='TensorRT-RTX is not installed')


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / 'bundle'
    write_random_bundle(path)
    return path


@pytest.fixture
def demonstrations(tmp_path: Path) -> Path:
    path = tmp_path / 'demonstrations'
    path.mkdir()
    np.save(path / 'images.npy', make_pictures(2, 128, 128)[None])
    np.save(path / 'joints.npy', np.zeros((1, 2, 8)))
    return path


def refused(capsys: pytest.CaptureFixture[str], *words: str | Path) -> str:
    """Run a build that must fail and return its one line."""
    capsys.readouterr()
    assert main(['build', *map(str, words)]) == 2
    shown = capsys.readouterr()
    assert shown.out == ''
    (line,) = shown.err.splitlines()
    assert line.startswith('eipl_trt: ')
    return line


def assert_untouched(bundle: Path) -> None:
    folder = bundle / 'engines'
    assert not folder.is_dir() or {path.name for path in folder.iterdir()} <= {'.lock'}
    load_bundle(bundle)


def test_a_folder_that_cannot_be_written(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (bundle / 'engines').write_text('in the way')
    line = refused(capsys, bundle)
    assert 'engines cannot be written' in line
    assert 'copy the bundle to a folder of your own' in line
    assert_untouched(bundle)


@pytest.mark.skipif(os.geteuid() == 0, reason='root writes everywhere')
def test_a_bundle_that_is_read_only(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle.chmod(0o555)
    assert 'Permission denied' in refused(capsys, bundle)


@pytest.mark.parametrize('damage', ['none', 'empty folder', 'half an mcap', 'no numbers'])
def test_a_calibration_that_cannot_be_read(
    bundle: Path, tmp_path: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / 'calibration'
    if damage != 'none':
        path.mkdir()
    if damage == 'half an mcap':
        recording = Path(__file__).parents[2] / 'samples' / 'demonstration'
        shutil.copytree(recording, path, dirs_exist_ok=True)
        whole = (path / 'demonstration.mcap').read_bytes()
        (path / 'demonstration.mcap').write_bytes(whole[: len(whole) // 2])
    if damage == 'no numbers':
        (path / 'images.npy').write_bytes(b'rubbish')
    line = refused(capsys, bundle, '--precision', 'fp32', 'int8', '--calibration', path)
    assert str(path) in line
    assert_untouched(bundle)


def test_a_bundle_without_a_recipe(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = refused(capsys, bundle, '--precision', 'fp32', 'int8')
    assert f'eipl_trt precision {bundle} --calibration' in line
    assert_untouched(bundle)


def test_a_tensorrt_that_is_not_installed(
    bundle: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tensorrt_api, 'MODULES', ('no_such_tensorrt',))
    monkeypatch.setattr(building, 'find_tensorrt', find_tensorrt.__wrapped__)
    assert 'engines need TensorRT, which is not installed' in refused(capsys, bundle)
    assert_untouched(bundle)


@pytest.mark.parametrize('package', ['onnx', 'rich.console'])
def test_a_package_that_is_not_installed(
    bundle: Path,
    package: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    assert 'eipl_trt build needs the package' in refused(capsys, bundle)
    assert_untouched(bundle)


def test_a_gpu_that_is_not_there(
    bundle: Path,
    demonstrations: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """TensorRT's own calibration runs the graph; that no TensorRT here has it is left aside."""

    def missing() -> None:
        msg = 'there is no usable GPU: cuInit failed: no CUDA-capable device is detected'
        raise BackendError(msg)

    monkeypatch.setattr(int8_ways, 'CudaDevice', missing)
    monkeypatch.setattr(TensorRT, 'check_calibrators', lambda *_: None)
    words = ['--precision', 'int8', '--int8-way', 'calibrated', '--calibration', demonstrations]
    assert 'there is no usable GPU' in refused(capsys, bundle, *words)
    assert_untouched(bundle)


def test_a_way_to_int8_that_the_version_lacks(
    bundle: Path, demonstrations: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ['--precision', 'fp32', 'int8', '--int8-way', 'calibrated']
    line = refused(capsys, bundle, *words, '--calibration', demonstrations)
    assert 'has no int8 calibrators' in line
    assert '--int8-way explicit' in line
    assert_untouched(bundle)


def test_a_graph_that_tensorrt_refuses(
    bundle: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = TensorRT.build

    def refuse(self: TensorRT, request: BuildRequest) -> object:
        unreadable = dataclasses.replace(request, graph=b'not a graph')
        return real(self, unreadable)

    monkeypatch.setattr(TensorRT, 'build', refuse)
    line = refused(capsys, bundle)
    assert 'motion fp32: TensorRT' in line
    assert 'cannot read the graph: ' in line
    assert_untouched(bundle)


def test_a_folder_that_is_no_bundle(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 'is not a bundle' in refused(capsys, tmp_path)
    assert not (tmp_path / 'engines').exists()


def test_a_bundle_with_a_changed_file(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with (bundle / 'motion.onnx').open('ab') as file:
        file.write(b'x')
    assert 'motion.onnx has' in refused(capsys, bundle)
    assert not (bundle / 'engines').exists()
