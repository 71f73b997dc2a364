# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Engines on disk: what is found again, what is refused and why, what a kill leaves behind."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from eipl_trt_ros.bundle import Bundle, load_bundle, write_bundle
from eipl_trt_ros.engines.gpu import Gpu
from eipl_trt_ros.engines.machine import Machine
from eipl_trt_ros.engines.manifest import Int8Source, Recipe, make_recipe, read_manifest
from eipl_trt_ros.engines.store import EngineStore
from eipl_trt_ros.errors import EngineError

ORIN = Machine('TensorRT', '10.3.0', Gpu('Orin', '8.7'))
DESK = Machine('TensorRT-RTX', '1.6.1.120')
PLAN = b'plan' * 1000


def save(
    bundle: Bundle, machine: Machine = ORIN, precision: str = 'fp16', plan: bytes = PLAN
) -> Recipe:
    recipe = make_recipe(bundle, 'motion', precision, machine)
    store = EngineStore(bundle)
    with store.writing():
        store.save(recipe, plan, command='eipl_trt build here', seconds=1.0)
    return recipe


def files(bundle: Bundle) -> set[str]:
    return {path.name for path in (bundle.path / 'engines').iterdir()} - {'.lock'}


def test_an_engine_is_found_again_with_its_manifest(bundle: Bundle) -> None:
    recipe = save(bundle)
    manifest, plan = EngineStore(bundle).load('motion', 'fp16', ORIN)
    assert plan == PLAN
    assert manifest.recipe == recipe
    assert manifest.bytes == len(PLAN)


def test_the_key_changes_with_everything_that_decides_what_a_plan_is(bundle: Bundle) -> None:
    recipe = make_recipe(bundle, 'motion', 'int8', ORIN, int8=Int8Source('explicit', 'a', 'b'))
    changes = [
        {'graph': 'image'},
        {'precision': 'fp16'},
        {'graph_sha256': '0'},
        {'weights_sha256': '0'},
        {'rewrite': 0},
        {'tf32': True},
        {'int8': Int8Source('explicit', 'c', 'b')},
        {'int8': Int8Source('explicit', 'a', 'c')},
        {'int8': Int8Source('calibrated', 'a', 'b')},
        {'int8': None},
        {'machine': DESK},
        {'machine': dataclasses.replace(ORIN, version='10.3.1')},
        {'machine': dataclasses.replace(ORIN, gpu=Gpu('Orin', '8.6'))},
    ]
    keys = {dataclasses.replace(recipe, **change).key for change in changes}
    assert len(keys | {recipe.key}) == len(changes) + 1
    assert dataclasses.replace(recipe).key == recipe.key


def test_a_missing_engine_is_refused_with_the_command_that_builds_it(bundle: Bundle) -> None:
    with pytest.raises(EngineError, match=r'there is no fp16 engine of the motion graph') as error:
        EngineStore(bundle).load('motion', 'fp16', ORIN)
    assert f'eipl_trt build {bundle.path} --precision fp16 --graph motion' in str(error.value)


@pytest.mark.parametrize(
    ('machine', 'reason'),
    [
        (
            dataclasses.replace(ORIN, version='10.4.0'),
            'it was built by TensorRT 10.3.0, here is TensorRT 10.4.0',
        ),
        (
            dataclasses.replace(ORIN, gpu=Gpu('Thor', '11.0')),
            r'it was built for Orin \(compute capability 8.7\), here is Thor',
        ),
        (dataclasses.replace(ORIN, gpu=None), 'here is no GPU'),
        (DESK, 'here is TensorRT-RTX 1.6.1.120'),
    ],
)
def test_an_engine_from_elsewhere_is_refused(
    bundle: Bundle, machine: Machine, reason: str
) -> None:
    save(bundle)
    with pytest.raises(EngineError, match=f'{reason}.*anew with: eipl_trt build here'):
        EngineStore(bundle).load('motion', 'fp16', machine)


def test_an_engine_built_without_a_gpu_is_for_any(bundle: Bundle) -> None:
    save(bundle, DESK)
    machine = dataclasses.replace(DESK, gpu=Gpu('RTX', '8.9'))
    assert EngineStore(bundle).load('motion', 'fp16', machine)[1] == PLAN


def test_an_engine_of_a_bundle_that_has_changed_is_refused(bundle: Bundle) -> None:
    save(bundle)
    data = bytearray(bundle.weights_path.read_bytes())
    data[-1] ^= 1
    bundle.weights_path.write_bytes(data)
    changed = write_bundle(load_bundle(bundle.path, verify=False))
    with pytest.raises(EngineError, match=r'weights.safetensors has changed since'):
        EngineStore(changed).load('motion', 'fp16', ORIN)


@pytest.mark.parametrize(
    ('damage', 'reason'),
    [
        (PLAN[:-1], 'has 3999 bytes, its manifest says 4000'),
        (b'P' + PLAN[1:], 'was changed since it was built'),
        (None, r'cannot be read \(No such file'),
    ],
)
def test_a_damaged_plan_is_refused(bundle: Bundle, damage: bytes | None, reason: str) -> None:
    recipe = save(bundle)
    path = bundle.path / 'engines' / f'motion-fp16-{recipe.key}.plan'
    path.unlink() if damage is None else path.write_bytes(damage)
    with pytest.raises(EngineError, match=f'{reason}.*build here --force'):
        EngineStore(bundle).load('motion', 'fp16', ORIN)
    assert EngineStore(bundle).built(recipe) is None


@pytest.mark.parametrize('content', ['', '[]', '{"format": 99}', '{"format": 1}', 'null'])
def test_a_damaged_manifest_counts_as_no_engine(bundle: Bundle, content: str) -> None:
    recipe = save(bundle)
    path = bundle.path / 'engines' / f'motion-fp16-{recipe.key}.json'
    path.write_text(content)
    with pytest.raises(EngineError, match='cannot be read as the manifest'):
        read_manifest(path)
    with pytest.raises(EngineError, match='there is no fp16 engine'):
        EngineStore(bundle).load('motion', 'fp16', ORIN)


def test_a_manifest_that_points_out_of_its_folder_is_refused(bundle: Bundle) -> None:
    recipe = save(bundle)
    path = bundle.path / 'engines' / f'motion-fp16-{recipe.key}.json'
    data = json.loads(path.read_text()) | {'plan': '../other.plan'}
    path.write_text(json.dumps(data))
    with pytest.raises(EngineError, match='expected a plain name'):
        read_manifest(path)


def test_a_new_engine_takes_the_place_of_the_one_it_replaces(bundle: Bundle) -> None:
    save(bundle)
    save(bundle, precision='fp32')
    newer = dataclasses.replace(ORIN, version='10.7.0')
    recipe = save(bundle, newer, plan=PLAN * 2)
    assert EngineStore(bundle).load('motion', 'fp16', newer)[1] == PLAN * 2
    assert {name for name in files(bundle) if '-fp16-' in name} == {
        f'motion-fp16-{recipe.key}.{ending}' for ending in ('json', 'plan')
    }
    assert EngineStore(bundle).load('motion', 'fp32', ORIN)[1] == PLAN


def test_timings_are_kept_for_the_machine_that_took_them(bundle: Bundle) -> None:
    store = EngineStore(bundle)
    with store.writing():
        store.keep_timing_cache(ORIN, b'learnt')
    with store.writing():  # which clears away what belongs to no engine
        assert store.timing_cache(ORIN) == b'learnt'
    assert store.timing_cache(DESK) == b''


def test_a_plan_that_does_not_fit_on_the_disk_is_named_and_leaves_nothing(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, 'fsync', full)
    with pytest.raises(EngineError, match=r'\.plan cannot be written: No space left'):
        save(bundle)
    with pytest.raises(EngineError, match=r'\.timing cannot be written: No space left'):
        EngineStore(bundle).keep_timing_cache(ORIN, b'learnt')
    assert files(bundle) == set()


def test_two_builds_do_not_write_at_once(bundle: Bundle) -> None:
    with (
        EngineStore(bundle).writing(),
        pytest.raises(EngineError, match='another build'),
        EngineStore(bundle).writing(),
    ):
        pass


def test_a_bundle_that_cannot_be_written_is_named(bundle: Bundle) -> None:
    (bundle.path / 'engines').write_text('in the way')
    with (
        pytest.raises(EngineError, match=r'cannot be written.*copy the bundle'),
        EngineStore(bundle).writing(),
    ):
        pass


KILLED = """
import sys
from pathlib import Path
from eipl_trt_ros.bundle import load_bundle
from eipl_trt_ros.engines.gpu import Gpu
from eipl_trt_ros.engines.machine import Machine
from eipl_trt_ros.engines.manifest import make_recipe
from eipl_trt_ros.engines.store import EngineStore
bundle = load_bundle(sys.argv[1])
store = EngineStore(bundle)
recipe = make_recipe(bundle, 'motion', 'fp16', Machine('TensorRT', '10.3.0', Gpu('Orin', '8.7')))
with store.writing():
    print('ready', flush=True)
    while True:
        store.save(recipe, bytes(8 << 20), command='', seconds=0.0)
"""


@pytest.mark.parametrize('after', [0.0, 0.013, 0.031, 0.05])
def test_a_killed_build_leaves_a_whole_engine_or_none(bundle: Bundle, after: float) -> None:
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, '-c', KILLED, str(bundle.path)],
        env={**os.environ, 'PYTHONPATH': str(root)},
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(after)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    store = EngineStore(bundle)
    for manifest in store.manifests():
        assert store.load('motion', 'fp16', ORIN)[0] == manifest
    recipe = save(bundle)  # the killed one holds no lock, and what it left is cleared away
    assert files(bundle) == {f'motion-fp16-{recipe.key}.{ending}' for ending in ('json', 'plan')}
    assert store.load('motion', 'fp16', ORIN)[1] == PLAN
