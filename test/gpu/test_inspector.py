# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
What each layer of a real engine got, asked from the engine inspector on a GPU.

With EIPL_TRT_INSPECTOR set to a folder, the inspector's own JSON is kept there.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from eipl_trt_ros.bundle import Bundle, load_bundle
from eipl_trt_ros.cli import main
from eipl_trt_ros.engines.build import BuildOptions, build_engines
from eipl_trt_ros.engines.gpu import find_gpu
from eipl_trt_ros.engines.inspector import UNKNOWN, Inspection
from eipl_trt_ros.engines.int8_options import Int8Options
from eipl_trt_ros.engines.machine import this_machine
from eipl_trt_ros.engines.probe import int8_operators
from eipl_trt_ros.engines.store import EngineStore
from eipl_trt_ros.engines.tensorrt_api import find_tensorrt
from eipl_trt_ros.errors import EngineError, MissingPackageError

SAMPLES = Path(__file__).parents[2] / 'samples'
MODELS = ('sarnn', 'cnnrnn', 'cnnrnnln')
GRAPHS = ('motion', 'image')


@pytest.fixture(scope='module', autouse=True)
def _machine() -> None:
    if find_gpu() is None:
        pytest.skip('there is no GPU')
    try:
        find_tensorrt()
    except (MissingPackageError, EngineError) as error:
        pytest.skip(str(error))


@pytest.fixture(scope='module', params=MODELS)
def bundle(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    path = tmp_path_factory.mktemp('inspector') / request.param
    shutil.copytree(SAMPLES / request.param, path, ignore=shutil.ignore_patterns('engines'))
    return load_bundle(path)


def inspections(
    bundle: Bundle, precision: str, operators: Sequence[str], tell: Callable[[str], None]
) -> list[Inspection]:
    options = BuildOptions(int8=Int8Options(operators=tuple(operators)))
    found = []
    for engine in build_engines(bundle, [precision], GRAPHS, options):
        inspection = engine.manifest.inspection
        assert inspection is not None
        recipe = engine.manifest.recipe
        tell(f'{recipe.graph}: {inspection.summary}; {engine.manifest.microseconds} us')
        keep(bundle, recipe.graph, precision)
        found.append(inspection)
    return found


def keep(bundle: Bundle, graph: str, precision: str) -> None:
    folder = os.environ.get('EIPL_TRT_INSPECTOR')
    if folder:
        _, plan = EngineStore(bundle).load(graph, precision, this_machine())
        Path(folder).mkdir(parents=True, exist_ok=True)
        path = Path(folder) / f'{bundle.path.name}-{graph}-{precision}.json'
        path.write_text(find_tensorrt().inspect(plan, path.name))


@pytest.mark.parametrize('precision', ['fp32', 'fp16', 'int8'])
def test_a_manifest_says_what_each_layer_got(
    bundle: Bundle, precision: str, measured: Callable[[str], None]
) -> None:
    operators = int8_operators(find_tensorrt())
    found = inspections(bundle, precision, operators or ('Gemm',), measured)
    for inspection in found:
        kinds = {layer.precision for layer in inspection.layers}
        assert len(inspection.layers) > 1
        assert kinds - {UNKNOWN}, 'no precision could be read: the JSON has a new spelling'
        if precision == 'fp32':
            assert not kinds & {'fp16', 'int8'}
            assert inspection.asked == ()
        else:
            assert inspection.asked
    if precision == 'fp16':
        assert any(layer.precision == 'fp16' for one in found for layer in one.layers)


def test_info_prints_the_summary(
    bundle: Bundle, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('COLUMNS', '400')
    build_engines(bundle, ['fp32', 'fp16'], GRAPHS, BuildOptions())
    assert main(['info', str(bundle.path)]) == 0
    shown = capsys.readouterr().out
    assert shown.count('reformats') >= 4
    assert ' us ' in shown
    assert 'taken, ' in shown  # by precision auto, the faster of the two
