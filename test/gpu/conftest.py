# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
What the tests on a real GPU share: bundles with engines that were built here, and open backends.

The summary ends with the figures that the tests measured. Variables of the environment:

- EIPL_TRT_FIGURES: a file to which each figure is added as soon as it is known.
- EIPL_TRT_GPU_BUNDLES: a folder for the bundles, so that the next run finds their engines built.
- EIPL_TRT_OTHER_ENGINES: a folder of bundles, under the samples' names, with engines that another
  machine has built.
- EIPL_TRT_DEMONSTRATIONS: a folder of demonstrations that the samples have never seen.

``-m 'not alone'`` leaves out what needs the GPU for itself: times, energy, and all of its memory.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from eipl_trt_ros.backends import PRECISIONS
from eipl_trt_ros.backends.engines import open_engines
from eipl_trt_ros.backends.tensorrt import TensorRTBackend
from eipl_trt_ros.bundle import Bundle, load_bundle
from eipl_trt_ros.cli import main
from eipl_trt_ros.engines.demonstrations import Demonstration, read_demonstrations
from eipl_trt_ros.engines.gpu import find_gpu
from eipl_trt_ros.engines.machine import Machine, this_machine
from eipl_trt_ros.engines.store import EngineStore
from eipl_trt_ros.engines.tensorrt_api import MODULES
from eipl_trt_ros.errors import EngineError

HERE = Path(__file__).parent
SAMPLES = HERE.parents[1] / 'samples'
MODELS = ('sarnn', 'cnnrnn', 'cnnrnnln')

_figures: list[str] = []


def what_is_missing() -> str | None:
    """Tell which package engines need that is not installed."""
    if importlib.util.find_spec('pycuda') is None:
        return 'pycuda is not installed'
    if not any(importlib.util.find_spec(name) for name in MODULES):
        return 'TensorRT is not installed'
    return None


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line('markers', 'gpu: runs on a real GPU')
    config.addinivalue_line('markers', 'alone: nothing else may use the GPU meanwhile')


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if find_gpu() is None:
        for item in items:
            if HERE in item.path.parents:
                item.add_marker(pytest.mark.skip('there is no GPU'))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _figures:
        terminalreporter.section('measured')
        for line in _figures:
            terminalreporter.line(line)


@contextlib.contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Keep other processes that use the folder waiting, for the block."""
    with (folder / '.lock').open('w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def built(bundle: Bundle, machine: Machine) -> bool:
    """Tell whether all engines that the tests run are there."""
    store = EngineStore(bundle)
    wanted = [(graph, precision) for graph in ('motion', 'image') for precision in PRECISIONS]
    try:
        for graph, precision in [*wanted, ('motion_mixed', 'fp32'), ('image_mixed', 'fp32')]:
            store.load(graph, precision, machine)
    except EngineError:
        return False
    return True


def build(paths: list[str]) -> None:
    """Build the engines that the tests run, those that are missing."""
    mixed = ['--graph', 'motion_mixed', 'image_mixed', '--precision', 'fp32']
    assert main(['build', *paths]) == 0
    assert main(['build', *paths, *mixed]) == 0
    assert main(['build', *paths, '--precision', 'int8', '--int8-operators', 'Gemm']) == 0


class Gpu:
    """Sample bundles whose engines were built here, and backends that are opened once."""

    def __init__(self, folder: Path) -> None:
        with only_one(folder):
            for model in MODELS:
                if not (folder / model).is_dir():
                    unbuilt = shutil.ignore_patterns('engines')
                    shutil.copytree(SAMPLES / model, folder / model, ignore=unbuilt)
            self._bundles = {model: load_bundle(folder / model) for model in MODELS}
            machine = this_machine()
            if not all(built(bundle, machine) for bundle in self._bundles.values()):
                build([str(folder / model) for model in MODELS])
        self._demonstrations: dict[str, Demonstration] = {}
        self._backends: dict[tuple[object, ...], TensorRTBackend] = {}

    def bundle(self, model: str) -> Bundle:
        return self._bundles[model]

    def demonstration(self, model: str) -> Demonstration:
        """Return the sample demonstration as a model takes it."""
        if model not in self._demonstrations:
            (found,) = read_demonstrations(SAMPLES / 'demonstration', self.bundle(model))
            self._demonstrations[model] = found
        return self._demonstrations[model]

    def backend(
        self, model: str, precision: str = 'fp32', **settings: bool | str
    ) -> TensorRTBackend:
        """Return a backend with a fresh state; it stays open for other tests."""
        key = (model, precision, *sorted(settings.items()))
        if key not in self._backends:
            made = open_engines(self.bundle(model), precision, **settings)  # type: ignore[arg-type]
            self._backends[key] = made
        self._backends[key].reset()
        return self._backends[key]

    def close(self) -> None:
        for backend in self._backends.values():
            backend.close()


@pytest.fixture(scope='session')
def gpu(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gpu]:
    missing = what_is_missing()
    if missing is not None:
        pytest.skip(missing)
    named = os.environ.get('EIPL_TRT_GPU_BUNDLES')
    folder = Path(named) if named else tmp_path_factory.mktemp('bundles')
    folder.mkdir(parents=True, exist_ok=True)
    made = Gpu(folder)
    yield made
    made.close()


@pytest.fixture
def measured(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Return a function that puts a figure into the summary, and into a file if one is named."""
    path = os.environ.get('EIPL_TRT_FIGURES')

    def add(text: str) -> None:
        line = f'{request.node.name}: {text}'
        _figures.append(line)
        if path:
            with Path(path).open('a', encoding='utf-8') as file:
                file.write(f'{line}\n')

    return add


@pytest.fixture
def own_bundle(gpu: Gpu, tmp_path: Path) -> Bundle:
    """A bundle with engines that a test may spoil."""
    shutil.copytree(gpu.bundle('cnnrnn').path, tmp_path / 'cnnrnn')
    return load_bundle(tmp_path / 'cnnrnn')


def named_folder(variable: str, holds: str) -> Path:
    """Return the folder that a variable names; a test without it is skipped."""
    folder = os.environ.get(variable)
    if folder is None:
        pytest.skip(f'{variable} names no folder of {holds}')
    return Path(folder)


@pytest.fixture(scope='session')
def unseen() -> Path:
    """The folder of demonstrations that the sample models have never seen."""
    return named_folder('EIPL_TRT_DEMONSTRATIONS', 'demonstrations')


@pytest.fixture(scope='session')
def other_engines() -> Path:
    """The folder of bundles with engines that were built on another machine."""
    return named_folder('EIPL_TRT_OTHER_ENGINES', 'bundles')
