# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The question for the GPU, asked of a driver's library that answers as we like."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from eipl_trt_ros.engines import gpu
from eipl_trt_ros.engines.gpu import Gpu, find_gpu

DRIVER = """
#include <string.h>
int cuInit(unsigned flags) {{ return {init}; }}
int cuDeviceGet(int *device, int index) {{ *device = 7; return index == 0 ? 0 : 101; }}
int cuDeviceGetName(char *name, int size, int device) {{
    strncpy(name, device == 7 ? "Orin" : "?", size); return 0; }}
int cuDeviceGetAttribute(int *value, int attribute, int device) {{
    *value = attribute == 75 ? 8 : attribute == 76 ? 7 : -1; return 0; }}
"""


def use_driver(monkeypatch: pytest.MonkeyPatch, folder: Path, init: int) -> None:
    compiler = shutil.which('gcc') or shutil.which('cc')
    if compiler is None:
        pytest.skip('no C compiler for the library')
    (folder / 'cuda.c').write_text(DRIVER.format(init=init))
    library = folder / 'libcuda.so.1'
    subprocess.run([compiler, '-shared', '-fPIC', '-o', library, folder / 'cuda.c'], check=True)
    monkeypatch.setattr(gpu, '_LIBRARY', str(library))


def test_a_gpu_is_told_by_name_and_compute_capability(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use_driver(monkeypatch, tmp_path, init=0)
    assert find_gpu() == Gpu('Orin', '8.7')
    assert str(find_gpu()) == 'Orin (compute capability 8.7)'
    assert find_gpu(1) is None


def test_a_driver_without_a_gpu_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use_driver(monkeypatch, tmp_path, init=100)
    assert find_gpu() is None


def test_no_driver_is_no_gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(gpu, '_LIBRARY', str(tmp_path / 'libcuda.so.1'))
    assert find_gpu() is None
