# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.engines.kernels import TF32_SWITCH, KernelFile
from eipl_trt_ros.engines.store import EngineStore


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    return tmp_path / 'motion-fp32-0123.plan'


def test_kernels_that_were_kept_are_found(plan: Path) -> None:
    assert KernelFile(plan).read() == b''
    KernelFile(plan).write(b'kernels')
    assert KernelFile(plan).read() == b'kernels'


@pytest.mark.parametrize('change', [lambda b: b[:-1], lambda b: b[:-1] + b'x', lambda b: b[:9]])
def test_kernels_that_were_cut_off_or_altered_are_not_used(plan: Path, change) -> None:
    KernelFile(plan).write(b'kernels')
    (path,) = plan.parent.iterdir()
    path.write_bytes(change(path.read_bytes()))
    assert KernelFile(plan).read() == b''


def test_kernels_that_were_chosen_under_another_setting_are_not_used(
    plan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TF32_SWITCH, '1')
    KernelFile(plan).write(b'kernels')
    monkeypatch.setenv(TF32_SWITCH, '0')
    assert KernelFile(plan).read() == b''


def test_where_kernels_cannot_be_kept_nothing_else_happens(plan: Path) -> None:
    KernelFile(plan.parent / 'nothing' / plan.name).write(b'kernels')
    assert KernelFile(plan.parent / 'nothing' / plan.name).read() == b''


def test_kernels_go_with_their_plan(bundle: Bundle) -> None:
    store = EngineStore(bundle)
    store.path.mkdir()
    KernelFile(store.path / 'motion-fp32-0123.plan').write(b'kernels')
    with store.writing():
        assert {path.name for path in store.path.iterdir()} == {'.lock'}
