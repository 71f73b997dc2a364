# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The file of a bundle that says how it becomes int8."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from builders import make_pictures

from eipl_trt_ros.bundle import Bundle, load_bundle, write_bundle
from eipl_trt_ros.engines import calibrate as calibrating
from eipl_trt_ros.engines.calibrate import calibrate
from eipl_trt_ros.engines.demonstrations import digest, read_demonstrations
from eipl_trt_ros.engines.int8_options import Int8Options
from eipl_trt_ros.engines.int8_recipe import RECIPE_NAME, only, read_recipe, write_recipe
from eipl_trt_ros.errors import BagError, BundleError, EngineError
from eipl_trt_ros.export.create import export_graphs
from eipl_trt_ros.spec import GRAPHS


@pytest.fixture
def demonstrations(tmp_path: Path) -> Path:
    path = tmp_path / 'demonstrations'
    path.mkdir()
    np.save(path / 'images.npy', make_pictures(4, 128, 128)[None])
    np.save(path / 'joints.npy', np.linspace(-0.9, 0.9, 32).reshape(1, 4, 8))
    return path


@pytest.fixture
def calibrated(bundle: Bundle, demonstrations: Path) -> Bundle:
    return calibrate(bundle, Int8Options((demonstrations,), budget=1e3, image_budget=255.0))


def test_it_says_what_it_was_made_with_and_what_came_out(
    calibrated: Bundle, demonstrations: Path
) -> None:
    recipe = read_recipe(calibrated)
    assert recipe.calibration.sha256 == digest(read_demonstrations(demonstrations, calibrated))
    assert (recipe.calibration.demonstrations, recipe.calibration.frames) == (1, 4)
    found = {graph: recipe.of(calibrated, graph) for graph in GRAPHS}
    for plain in ('motion', 'image'):
        mixed = found[f'{plain}_mixed']
        assert mixed.layers == found[plain].layers  # the same, with ranges of its own
        assert len(mixed.layers) == mixed.candidates
        assert len(mixed.thresholds) == len(found[plain].thresholds)
    assert found['image'].rate is found['motion'].grey_levels is None
    assert found['motion'].rate is not None
    assert {share.layer for share in found['motion'].shares} == set(found['motion'].layers)


def test_it_is_one_of_the_checked_files_of_its_bundle(calibrated: Bundle) -> None:
    assert load_bundle(calibrated.path).files == calibrated.files
    path = calibrated.path / RECIPE_NAME
    path.write_text(path.read_text().replace('"budget": 1000.0', '"budget": 1.0000'))
    with pytest.raises(BundleError, match=r'int8\.json was changed'):
        load_bundle(calibrated.path)


def test_calibrating_again_with_the_same_changes_nothing_and_takes_no_time(
    calibrated: Bundle, demonstrations: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(calibrating, 'measure_ranges')  # nothing is measured
    options = Int8Options((demonstrations,), budget=1e3, image_budget=255.0)
    assert calibrate(calibrated, options) is calibrated
    with pytest.raises(NameError):
        calibrate(calibrated, dataclasses.replace(options, method='minmax'))


def test_a_bundle_without_one_says_how_to_make_it(bundle: Bundle) -> None:
    with pytest.raises(EngineError, match=r'eipl_trt precision .* --calibration') as error:
        read_recipe(bundle)
    assert str(bundle.path) in str(error.value)


def test_one_made_for_other_weights_or_another_graph_is_refused(calibrated: Bundle) -> None:
    recipe = read_recipe(calibrated)
    with pytest.raises(EngineError, match=r'another weights\.safetensors than'):
        dataclasses.replace(recipe, weights_sha256='0').of(calibrated, 'motion')
    first = dataclasses.replace(recipe.graphs[0], graph_sha256='0')
    changed = dataclasses.replace(recipe, graphs=(first, *recipe.graphs[1:]))
    with pytest.raises(EngineError, match=r'another motion\.half\.onnx than.*eipl_trt precision'):
        changed.of(calibrated, 'motion')
    assert changed.of(calibrated, 'image') == recipe.graphs[1]
    with pytest.raises(EngineError, match=r'another image_mixed\.half\.onnx than'):
        dataclasses.replace(recipe, graphs=recipe.graphs[:2]).of(calibrated, 'image_mixed')


def test_it_stays_when_the_graphs_are_exported_again(calibrated: Bundle) -> None:
    again = export_graphs(calibrated.path)
    assert read_recipe(again).of(again, 'motion') == read_recipe(calibrated).graphs[0]


def test_one_of_an_older_bundle_is_made_from_its_graphs_and_anew_once_it_has_more_of_them(
    bundle: Bundle, demonstrations: Path
) -> None:
    old = write_bundle(bundle, [name for name in bundle.files if not name.endswith('.half.onnx')])
    options = Int8Options((demonstrations,), budget=1e3, image_budget=255.0)
    calibrated = calibrate(old, options)
    recipe = read_recipe(calibrated)
    found = recipe.of(calibrated, 'motion')
    assert found.graph_sha256 == bundle.files['motion.onnx'].sha256
    newer = export_graphs(calibrated.path)
    with pytest.raises(EngineError, match=r'another motion\.half\.onnx than.*eipl_trt precision'):
        recipe.of(newer, 'motion')
    anew = calibrate(newer, options)
    found = read_recipe(anew).of(anew, 'motion')
    assert found.graph_sha256 == bundle.files['motion.half.onnx'].sha256


@pytest.mark.parametrize('content', ['', '[]', '{"format": 99}', '{"format": 1}'])
def test_one_that_is_none_is_refused(calibrated: Bundle, content: str) -> None:
    (calibrated.path / RECIPE_NAME).write_text(content)
    broken = write_bundle(calibrated, list(calibrated.files))
    with pytest.raises(EngineError, match=r'int8\.json cannot be read.*make it anew with'):
        read_recipe(broken)


def test_some_of_its_layers_alone_were_not_measured(calibrated: Bundle) -> None:
    recipe = read_recipe(calibrated).of(calibrated, 'motion')
    assert only(recipe, recipe.layers) is recipe
    fewer = only(recipe, recipe.layers[:1])
    assert fewer.layers == recipe.layers[:1]
    assert fewer.rate is None
    assert fewer.digest != recipe.digest


def test_demonstrations_that_cannot_be_read_leave_the_bundle_as_it_was(
    bundle: Bundle, tmp_path: Path
) -> None:
    with pytest.raises(BagError, match='no such bag'):
        calibrate(bundle, Int8Options((tmp_path / 'none',)))
    assert load_bundle(bundle.path) == bundle
    assert not (bundle.path / RECIPE_NAME).exists()


def test_a_bundle_that_cannot_be_written_is_named_before_anything_is_measured(
    bundle: Bundle, tmp_path: Path
) -> None:
    gone = dataclasses.replace(bundle, path=tmp_path / 'gone')
    with pytest.raises(EngineError, match=r'gone cannot be written \(No such file.*copy the bund'):
        calibrate(gone, Int8Options((tmp_path / 'none',)))


KILLED = """
import itertools, sys
from dataclasses import replace
from eipl_trt_ros.bundle import load_bundle
from eipl_trt_ros.engines.int8_recipe import read_recipe, write_recipe
bundle = load_bundle(sys.argv[1])
recipe = read_recipe(bundle)
print('ready', flush=True)
for budget in itertools.count(2):
    bundle = write_recipe(bundle, replace(recipe, budget=float(budget)))
"""


@pytest.mark.parametrize('after', [0.0, 0.012, 0.031])
def test_a_kill_while_it_is_replaced_leaves_a_whole_bundle(
    calibrated: Bundle, after: float
) -> None:
    process = subprocess.Popen(
        [sys.executable, '-c', KILLED, str(calibrated.path)],
        env={**os.environ, 'PYTHONPATH': str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(after)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    left = load_bundle(calibrated.path)
    if RECIPE_NAME in left.files:
        assert read_recipe(left).graphs == read_recipe(calibrated).graphs
    recipe = dataclasses.replace(read_recipe(calibrated), budget=7.0)
    assert read_recipe(write_recipe(left, recipe)).budget == 7.0


@pytest.mark.parametrize('model', ['sarnn', 'cnnrnn', 'cnnrnnln'])
def test_the_samples_were_calibrated_with_demonstrations_of_their_training(model: str) -> None:
    sample = load_bundle(Path(__file__).parents[2] / 'samples' / model)
    recipe = read_recipe(sample)
    assert (recipe.calibration.source, recipe.calibration.frames) == ('data/train', 864)
    for graph in GRAPHS:
        found = recipe.of(sample, graph)
        assert found.layers
        assert (found.rate or 1.0) <= recipe.budget == 1.02
        assert (found.grey_levels or 0.0) <= recipe.image_budget == 1.0
