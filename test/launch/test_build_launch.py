# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Building engines by ``ros2 launch``, with the real builder of TensorRT-RTX."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from typing import Any

import pytest
from builders import SPECS, write_random_bundle

from eipl_trt_ros.bundle import load_bundle
from eipl_trt_ros.engines.store import EngineStore

if importlib.util.find_spec('ros2launch') is None:
    pytest.skip('ros2 launch is not installed: it comes with ROS only', allow_module_level=True)

PATIENCE = 120  # seconds: all engines of a bundle, on a machine with more to do
SAMPLES = Path(__file__).parents[2] / 'samples'


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    path = tmp_path / 'cnnrnn'
    shutil.copytree(SAMPLES / 'cnnrnn', path, ignore=shutil.ignore_patterns('engines'))
    return path


def built(bundle: Path) -> set[tuple[str, str]]:
    manifests = EngineStore(load_bundle(bundle)).manifests()
    return {(one.recipe.graph, one.recipe.precision) for one in manifests}


def test_every_precision_of_both_graphs_is_built_and_its_progress_logged(
    launch: Any, sample: Path
) -> None:
    pytest.importorskip('tensorrt_rtx_bindings', reason='TensorRT-RTX is not installed')
    # Gemm: what every version of TensorRT-RTX builds in int8
    running = launch('build_engines.launch.py', f'bundle:={sample}', 'int8_operators:=Gemm')
    assert running.process.wait(PATIENCE) == 0, running.log
    precisions = ('fp32', 'fp16', 'int8')
    wanted = {(graph, precision) for graph in ('motion', 'image') for precision in precisions}
    assert built(sample) == wanted
    for graph, precision in wanted:
        assert f'{sample}: building {graph} {precision}' in running.log
        assert f'{sample}: {graph} {precision} built in ' in running.log
    assert 'Traceback' not in running.log


def test_one_precision_and_the_graphs_that_mix_can_be_asked_for(launch: Any, sample: Path) -> None:
    pytest.importorskip('tensorrt_rtx_bindings', reason='TensorRT-RTX is not installed')
    running = launch(
        'build_engines.launch.py', f'bundle:={sample}', 'precision:=fp16', 'mixing:=true'
    )
    assert running.process.wait(PATIENCE) == 0, running.log
    graphs = ('motion', 'image', 'motion_mixed', 'image_mixed')
    assert built(sample) == {(graph, 'fp16') for graph in graphs}


@pytest.mark.parametrize(
    ('arguments', 'reason'),
    [
        (('bundle:=/nowhere',), '/nowhere is not a bundle'),
        (('int8_operators:=Add',), "invalid choice: 'Add'"),
        (('calibration:=/none',), '/none: no such bag'),
        (('precision:=int8', 'int8_way:=calibrated'), 'needs demonstrations'),
    ],
)
def test_a_build_that_fails_fails_the_launch_in_one_clear_line(
    launch: Any, sample: Path, arguments: tuple[str, ...], reason: str
) -> None:
    given = arguments if 'bundle' in arguments[0] else (f'bundle:={sample}', *arguments)
    running = launch('build_engines.launch.py', *given)
    assert running.process.wait(PATIENCE) == 1
    assert sum(reason in line for line in running.log.splitlines()) == 1
    assert 'the engines were not built (exit code 2)' in running.log
    assert 'Traceback' not in running.log
    assert built(sample) == set()


@pytest.mark.parametrize(
    'argument', ['precision:=fp64', 'mixing:=perhaps', 'int8_way:=magic', 'force:=1']
)
def test_a_bad_choice_is_rejected(launch: Any, argument: str) -> None:
    running = launch('build_engines.launch.py', 'bundle:=here', argument)
    assert running.process.wait(PATIENCE) != 0
    assert 'Valid options are' in running.log
    assert 'process started' not in running.log


def test_a_bundle_must_be_named_and_every_argument_is_described(launch: Any) -> None:
    running = launch('build_engines.launch.py')
    assert running.process.wait(PATIENCE) != 0
    assert 'bundle' in running.log
    shown = launch('build_engines.launch.py', '--show-args')
    assert shown.process.wait(PATIENCE) == 0
    for name in ('bundle', 'precision', 'mixing', 'calibration', 'int8_way', 'force'):
        assert f"'{name}':" in shown.log
    assert 'No description given' not in shown.log


def test_a_predictor_can_be_asked_for_the_best_precision(launch: Any, world: Any) -> None:
    running = launch('cnnrnn.launch.py', 'precision:=auto', f'namespace:={world.namespace[1:]}')
    running.wait_for('active', 'predictor')
    # no engines in this bundle, or no GPU: why, and what runs instead, in one warning
    assert running.log.count('[WARN]') == 1
    assert 'in fp32 on ONNX Runtime, not in auto on TensorRT: ' in running.log
    assert running.stop() in (0, 1)


def test_a_bundle_without_an_int8_recipe_fails_before_anything_is_built(
    launch: Any, tmp_path: Path
) -> None:
    write_random_bundle(tmp_path / 'bare', SPECS['cnnrnn'])
    running = launch('build_engines.launch.py', f'bundle:={tmp_path / "bare"}')
    assert running.process.wait(PATIENCE) == 1
    assert f'eipl_trt precision {tmp_path / "bare"} --calibration' in running.log
    assert built(tmp_path / 'bare') == set()
