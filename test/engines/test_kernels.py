# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.engines.kernels import TF32_SWITCH, KernelFile
from eipl_trt_ros.engines.store import EngineStore
from eipl_trt_ros.engines.tensorrt_api import find_tensorrt


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


class Cache:
    """What TensorRT-RTX offers to keep kernels in."""

    def __init__(self) -> None:
        self.content = b''

    def deserialize(self, blob: bytes) -> bool:
        fits = blob == b'kernels'
        self.content = blob if fits else b''
        return fits

    def serialize(self) -> bytes:
        return self.content


class LoadedEngine:
    """Compiles kernels unless it is given them."""

    def __init__(self) -> None:
        self.compiled = 0
        self.cache = Cache()
        self.create_runtime_cache = Cache
        self.create_runtime_config = lambda: self

    def set_runtime_cache(self, cache: Cache) -> bool:
        self.cache = cache
        return True

    def create_execution_context(self, _: object) -> object:
        if not self.cache.content:
            self.compiled += 1
            self.cache.content = b'kernels'
        return object()


@pytest.mark.parametrize('kept', [b'', b'kernels', b'of another GPU'])
def test_kernels_are_compiled_where_those_that_were_kept_do_not_fit(
    plan: Path, kept: bytes
) -> None:
    pytest.importorskip('tensorrt_rtx_bindings', reason='TensorRT-RTX is not installed')
    if kept:
        KernelFile(plan).write(kept)
    engine = LoadedEngine()
    assert find_tensorrt()._make_context(engine, KernelFile(plan)) is not None
    assert engine.compiled == (kept != b'kernels')
    assert KernelFile(plan).read() == b'kernels'


def test_kernels_go_with_their_plan(bundle: Bundle) -> None:
    store = EngineStore(bundle)
    store.path.mkdir()
    KernelFile(store.path / 'motion-fp32-0123.plan').write(b'kernels')
    with store.writing():
        assert {path.name for path in store.path.iterdir()} == {'.lock'}
