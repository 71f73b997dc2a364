# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import eipl_trt_ros
from eipl_trt_ros.child_environment import child_environment


@pytest.mark.parametrize('there', [True, False])
def test_a_child_finds_this_very_package_wherever_it_is_started(
    there: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where another one lies on the path, such as an older one that is installed."""
    (tmp_path / 'eipl_trt_ros').mkdir()
    (tmp_path / 'eipl_trt_ros' / '__init__.py').touch()
    monkeypatch.delenv('PYTHONPATH', raising=False)
    if there:
        monkeypatch.setenv('PYTHONPATH', str(tmp_path))
    program = 'import eipl_trt_ros, sys; print(eipl_trt_ros.__file__); print(sys.path)'
    done = subprocess.run(
        [sys.executable, '-c', program],
        env=child_environment(),
        cwd='/',
        capture_output=True,
        text=True,
        check=True,
    )
    found, path = done.stdout.splitlines()
    assert Path(found) == Path(eipl_trt_ros.__file__)
    assert (str(tmp_path) in path) is there
