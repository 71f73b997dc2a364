# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from builders import SPECS, make_pictures, write_random_bundle, write_weights_only_bundle

from eipl_trt_ros.bundle import WEIGHTS_NAME, Bundle, load_bundle
from eipl_trt_ros.cli import main
from eipl_trt_ros.engines.half import load_graph
from eipl_trt_ros.engines.int8_options import OPERATORS
from eipl_trt_ros.engines.int8_recipe import (
    FORMAT,
    REWRITE,
    GraphRecipe,
    Int8Recipe,
    Provenance,
    Threshold,
    read_recipe,
    write_recipe,
)
from eipl_trt_ros.engines.machine import this_machine
from eipl_trt_ros.engines.quantize import inputs_of, quantisable
from eipl_trt_ros.engines.store import EngineStore
from eipl_trt_ros.errors import EngineError
from eipl_trt_ros.spec import GRAPHS

pytest.importorskip('tensorrt_rtx_bindings', reason='TensorRT-RTX is not installed')


@pytest.mark.parametrize('model', SPECS)
def test_every_graph_gets_engines_in_fp32_and_fp16(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = write_random_bundle(tmp_path, SPECS[model])
    assert main(['build', str(tmp_path), '--graph', *GRAPHS]) == 0
    out = capsys.readouterr().out
    for graph in GRAPHS:
        for precision in ('fp32', 'fp16'):
            assert f'{tmp_path}: {graph} {precision} built in ' in out
            manifest, plan = EngineStore(bundle).load(graph, precision, this_machine())
            assert manifest.bytes == len(plan) > 10_000


def test_an_engine_is_built_once_and_again_when_forced_or_asked_for_otherwise(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_random_bundle(tmp_path)
    command = ['build', str(tmp_path), '--precision', 'fp32', '--graph', 'image']
    for options, expected in (
        ([], 'built in'),
        ([], 'was there'),
        (['--force'], 'built in'),
        (['--tf32'], 'built in'),
        (['--tf32'], 'was there'),
    ):
        assert main([*command, *options]) == 0
        assert expected in capsys.readouterr().out


@pytest.fixture
def calibration(tmp_path: Path) -> Path:
    path = tmp_path / 'calibration'
    path.mkdir()
    np.save(path / 'images.npy', make_pictures(4, 128, 128)[None])
    np.save(path / 'joints.npy', np.linspace(-0.9, 0.9, 32).reshape(1, 4, 8))
    return path


def quantise_everything(bundle: Bundle) -> None:
    """Give a bundle a recipe by which every layer is int8, without the minutes of finding one."""
    found = []
    for graph in GRAPHS:
        path = bundle.graph_path(graph, 'int8')
        model = load_graph(path)
        layers = tuple(quantisable(model))
        thresholds = tuple(Threshold(value, 1.0) for value in inputs_of(model, layers))
        sha256 = bundle.files[path.name].sha256
        found.append(GraphRecipe(graph, sha256, layers, len(layers), thresholds))
    weights = bundle.files[WEIGHTS_NAME].sha256
    source = Provenance('none', '0', 1, 1)
    budgets = 1e3, 255.0
    write_recipe(
        bundle,
        Int8Recipe(FORMAT, REWRITE, weights, source, 'minmax', OPERATORS, *budgets, tuple(found)),
    )


@pytest.mark.parametrize('model', SPECS)
def test_every_graph_gets_an_int8_engine_of_what_tensorrt_rtx_1_6_quantises(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = write_random_bundle(tmp_path, SPECS[model])
    quantise_everything(bundle)
    command = ['build', str(tmp_path), '--precision', 'int8', '--graph', *GRAPHS]
    command += ['--int8-operators', 'Gemm']
    assert main(command) == 0
    out = capsys.readouterr().out
    for graph in GRAPHS:
        manifest, _ = EngineStore(bundle).load(graph, 'int8', this_machine())
        report = manifest.int8
        assert report is not None
        source = load_graph(bundle.graph_path(graph, 'int8'))
        nodes = {node.name: node.op_type for node in source.graph.node}
        assert {nodes[layer] for layer in report.layers} <= {'Gemm'}
        assert report.rate is None  # of these layers together nobody knows
        assert f'{len(report.layers)} of {report.candidates} layers in int8' in out
        assert manifest.command.endswith(' --int8-operators Gemm')
    assert main(command) == 0
    assert capsys.readouterr().out.count('was there') == len(GRAPHS)


def test_a_build_calibrates_where_demonstrations_are_named(
    tmp_path: Path, calibration: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = write_random_bundle(tmp_path / 'bundle')
    command = ['build', str(bundle.path), '--precision', 'int8', '--int8-operators', 'Gemm']
    budgets = ['--budget', '1000', '--image-budget', '255']
    assert main([*command, '--calibration', str(calibration), *budgets]) == 0
    out = capsys.readouterr().out
    recipe = read_recipe(load_bundle(bundle.path))
    assert recipe.operators == ('Gemm',)
    for graph in ('motion', 'image'):
        manifest, _ = EngineStore(bundle).load(graph, 'int8', this_machine())
        assert manifest.int8 is not None
        assert manifest.int8.layers == recipe.of(load_bundle(bundle.path), graph).layers
        assert manifest.int8.rate == recipe.of(load_bundle(bundle.path), graph).rate
    assert 'joint error' in out
    assert main(command) == 0  # by the recipe that is there now
    assert capsys.readouterr().out.count('was there') == 2


def test_int8_that_the_installed_version_cannot_build_is_refused_with_what_it_can(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if this_machine().version >= '1.7':
        pytest.skip('this version builds convolutions in int8')
    quantise_everything(write_random_bundle(tmp_path))
    assert main(['build', str(tmp_path), '--precision', 'fp32', 'int8']) == 2
    error = capsys.readouterr().err
    assert 'it builds in int8: Gemm; leave it at these with --int8-operators Gemm' in error
    kept = {path.name[:11] for path in (tmp_path / 'engines').glob('*.plan')}
    assert kept == {'motion-fp32', 'image-fp32-'}


@pytest.mark.parametrize('model', SPECS)
def test_a_newer_tensorrt_rtx_builds_every_layer_in_int8(model: str, tmp_path: Path) -> None:
    folder = Path(sys.prefix) / 'tensorrt' / 'rtx-1.7'
    if not folder.is_dir():
        pytest.skip(
            f'not installed: pip install --no-deps --target {folder} '
            'tensorrt-rtx-cu13-bindings==1.7.1.116 tensorrt-rtx-cu13-libs==1.7.1.116'
        )
    bundle = write_random_bundle(tmp_path, SPECS[model])
    quantise_everything(bundle)
    environment = {**os.environ, 'PYTHONPATH': f'{folder}{os.pathsep}{Path(__file__).parents[2]}'}
    command = [sys.executable, '-m', 'eipl_trt_ros', 'build', tmp_path, '--precision', 'int8']
    done = subprocess.run(
        [*command, '--graph', *GRAPHS],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    manifests = EngineStore(bundle).manifests()
    assert {manifest.recipe.graph for manifest in manifests} == set(GRAPHS)
    for manifest in manifests:
        assert manifest.recipe.machine.version == '1.7.1.116'
        assert manifest.int8 is not None
        assert len(manifest.int8.layers) == manifest.int8.candidates
        assert any('conv' in layer for layer in manifest.int8.layers)
    with pytest.raises(EngineError, match=r'built by TensorRT-RTX 1\.7\.1\.116, here is'):
        EngineStore(bundle).load('motion', 'int8', this_machine())


def test_int8_without_demonstrations_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_random_bundle(tmp_path)
    assert main(['build', str(tmp_path), '--precision', 'int8']) == 2
    assert '--calibration' in capsys.readouterr().err


def test_a_calibration_that_cannot_be_read_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_random_bundle(tmp_path / 'bundle')
    command = ['build', str(tmp_path / 'bundle'), '--precision', 'int8', '--calibration']
    assert main([*command, str(tmp_path / 'nowhere')]) == 2
    assert 'nowhere: no such bag' in capsys.readouterr().err


def test_a_build_that_is_killed_leaves_nothing_that_would_be_loaded(tmp_path: Path) -> None:
    bundle = write_random_bundle(tmp_path, SPECS['cnnrnnln'])
    command = [sys.executable, '-m', 'eipl_trt_ros', 'build', tmp_path, '--graph', *GRAPHS]
    environment = {**os.environ, 'PYTHONPATH': str(Path(__file__).parents[2])}
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob('engines/*.plan')) and time.monotonic() < deadline:
        time.sleep(0.001)
    process.kill()
    process.wait()
    machine = this_machine()
    for manifest in EngineStore(bundle).manifests():
        recipe = manifest.recipe
        EngineStore(bundle).load(recipe.graph, recipe.precision, machine)
    assert main(['build', str(tmp_path), '--graph', *GRAPHS]) == 0
    engines = {path.name for path in (tmp_path / 'engines').iterdir()}
    assert len(engines - {'.lock'}) == 2 * 2 * len(GRAPHS)


def test_info_lists_the_engines_of_a_bundle(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('COLUMNS', '140')
    write_random_bundle(tmp_path)
    assert main(['info', str(tmp_path)]) == 0
    assert 'TensorRT engines' not in capsys.readouterr().out
    assert main(['build', str(tmp_path), '--precision', 'fp16']) == 0
    capsys.readouterr()
    assert main(['info', str(tmp_path)]) == 0
    out = capsys.readouterr().out.partition('TensorRT engines')[2].partition('what became')[0]
    machine = this_machine()
    for graph in ('motion', 'image'):
        (row,) = (line for line in out.splitlines() if f' {graph} ' in line)
        assert ' fp16 ' in row
        assert f'{machine.tensorrt} {machine.version}' in row


def test_a_bundle_without_graphs_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_weights_only_bundle(tmp_path)
    assert main(['build', str(tmp_path)]) == 2
    assert f'eipl_trt export {tmp_path}' in capsys.readouterr().err


def test_a_folder_that_is_no_bundle_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(['build', str(tmp_path)]) == 2
    assert 'is not a bundle' in capsys.readouterr().err


@pytest.mark.parametrize(
    'options',
    [['--precision', 'fp64'], ['--graph', 'whole'], ['--workspace', '0'], ['--workspace', 'much']],
)
def test_an_option_that_makes_no_sense_is_refused(
    options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(['build', str(tmp_path), *options])
    assert options[1] in capsys.readouterr().err


def test_info_says_that_nobody_knows_what_the_layers_of_an_engine_got(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if this_machine().gpu is not None:
        pytest.skip('here is a GPU to ask')
    monkeypatch.setenv('COLUMNS', '400')
    write_random_bundle(tmp_path)
    assert main(['build', str(tmp_path), '--precision', 'fp16', '--graph', 'motion']) == 0
    assert main(['info', str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert 'unknown: it was built' in shown
    assert f'not calibrated: eipl_trt precision {tmp_path} --calibration' in shown


@pytest.mark.parametrize('model', SPECS)
def test_info_says_how_a_sample_becomes_int8(
    model: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('COLUMNS', '400')
    assert main(['info', str(Path(__file__).parents[2] / 'samples' / model)]) == 0
    shown = capsys.readouterr().out
    assert "of fp32's" in shown
    assert 'calibrated with 12 demonstrations, 864 frames, of data/train' in shown
