# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from eipl_trt_ros.errors import BagError
from eipl_trt_ros.sim.environment import PandaEnvironment
from eipl_trt_ros.sim.positions import AREAS
from eipl_trt_ros.sim.success import Attempt, Variant, plan, read_results, run_all

SAMPLES = Path(__file__).parents[2] / 'samples'
FP32 = Variant('cnnrnnln', 'onnxruntime', 'fp32', 1.0)
MIXED = Variant('cnnrnnln', 'onnxruntime', 'fp32', 0.8)


def test_every_variant_tries_every_place_and_no_place_waits_for_a_variant():
    attempts = plan([FP32, MIXED], {'seen': 2, 'unseen': 4, 'outside': 1})
    assert len(set(attempts)) == len(attempts) == 14
    assert [attempt.variant for attempt in attempts] == [FP32, MIXED] * 7
    # cut short after the half, every area has been tried in its share
    assert {attempt.area for attempt in attempts[:8]} == set(AREAS)


def test_results_are_kept_as_they_come_and_not_run_again(camera: PandaEnvironment, tmp_path):
    bundles, file = {'cnnrnnln': SAMPLES / 'cnnrnnln'}, tmp_path / 'out' / 'results.jsonl'
    (first,) = run_all([Attempt(FP32, 'unseen', 0)], bundles, file)
    assert first.lifted
    assert first.miss < 0.02
    assert first.joints.shape == (90, 8)
    with file.open('a') as out:
        out.write('{"model": "cut sho')
    told: list[float] = []
    assert read_results(file)[0].attempt == first.attempt
    both = [Attempt(FP32, 'unseen', 0), Attempt(MIXED, 'unseen', 0)]
    again, mixed = run_all(both, bundles, file, progress=told.append)
    assert told == [1.0]
    np.testing.assert_array_equal(again.joints, first.joints)
    assert np.abs(mixed.joints - first.joints).max() > 1e-3
    with pytest.raises(BagError, match='another bundle cnnrnnln: choose another folder'):
        run_all([Attempt(FP32, 'unseen', 0)], {'cnnrnnln': SAMPLES / 'sarnn'}, file)


def test_bundles_under_an_arbiter_try_together_and_who_drove_is_kept(
    camera: PandaEnvironment, tmp_path
):
    bundles = {name: SAMPLES / name for name in ('cnnrnn', 'cnnrnnln')}
    file = tmp_path / 'results.jsonl'
    together = Attempt(replace(FP32, arbiter='joints'), 'unseen', 0)
    (result,) = run_all([together], bundles, file)
    assert result.lifted
    assert result.drivers[0] == 'cnnrnnln'
    assert len(result.drivers) == 90
    assert set(result.drivers) <= set(bundles)
    assert read_results(file)[0].drivers == result.drivers
    with pytest.raises(BagError, match='another bundle cnnrnnln: choose another folder'):
        run_all([together], bundles | {'cnnrnn': SAMPLES / 'sarnn'}, file)


def test_a_file_of_something_else_is_refused(tmp_path):
    (tmp_path / 'results.jsonl').write_text('{"model": "sarnn"}\n')
    with pytest.raises(BagError, match='no file of results'):
        read_results(tmp_path / 'results.jsonl')
