# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from builders import SPECS, write_random_bundle

from eipl_trt_ros.bundle import Bundle, load_bundle

MODELS = tuple(SPECS)


@pytest.fixture(scope='session')
def originals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Bundle]:
    folder = tmp_path_factory.mktemp('bundles')
    return {name: write_random_bundle(folder / name, spec) for name, spec in SPECS.items()}


@pytest.fixture
def bundle_of(originals: dict[str, Bundle], tmp_path: Path) -> Callable[[str], Bundle]:
    """Return a maker of bundles with random weights, in a folder of the test's own."""

    def copy(model: str) -> Bundle:
        shutil.copytree(originals[model].path, tmp_path / model)
        return load_bundle(tmp_path / model)

    return copy


@pytest.fixture
def bundle(bundle_of: Callable[[str], Bundle]) -> Bundle:
    return bundle_of('cnnrnn')


@pytest.fixture
def version_folder() -> Callable[[str], Path]:
    """
    Return a finder of other versions of TensorRT than the environment's own.

    They bear the same module names, so each lies in a folder of its own, put there with
    ``pip install --no-deps --target <environment>/tensorrt/<version> <packages>``.
    """

    def find(version: str, packages: str) -> Path:
        folder = Path(sys.prefix) / 'tensorrt' / version
        if not folder.is_dir():
            pytest.skip(f'not installed: pip install --no-deps --target {folder} {packages}')
        return folder

    return find
