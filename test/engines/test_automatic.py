# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""``precision: auto``, with engines on a device in the host's memory."""

from __future__ import annotations

import dataclasses
import logging
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eipl_trt_ros.backends import engines, load_backend
from eipl_trt_ros.bundle import Bundle, load_bundle, write_bundle
from eipl_trt_ros.engines import build as building
from eipl_trt_ros.engines import timing
from eipl_trt_ros.engines.automatic import Candidate, choose, choose_built
from eipl_trt_ros.engines.build import BuildOptions, build_engines
from eipl_trt_ros.engines.gpu import Gpu
from eipl_trt_ros.engines.int8_recipe import RECIPE_NAME, read_recipe, write_recipe
from eipl_trt_ros.engines.machine import Machine, this_machine
from eipl_trt_ros.engines.manifest import Int8Report, Int8Source, Manifest, make_recipe
from eipl_trt_ros.engines.store import EngineStore
from eipl_trt_ros.errors import BackendError, EngineError

sys.path.insert(0, str(Path(__file__).parents[1] / 'backends'))

from host_device import HostDevice, HostEngine

SAMPLES = Path(__file__).parents[2] / 'samples'
ORIN = Machine('TensorRT', '10.3.0', Gpu('Orin', '8.7'))
numbers = st.one_of(st.none(), st.floats(0.9, 1.1))


@pytest.fixture
def sample(tmp_path: Path) -> Bundle:
    path = tmp_path / 'cnnrnn'
    shutil.copytree(SAMPLES / 'cnnrnn', path, ignore=shutil.ignore_patterns('engines'))
    return load_bundle(path)


def keep(
    bundle: Bundle,
    precision: str,
    microseconds: float | None,
    *,
    machine: Machine = ORIN,
    rate: float | None = 1.01,
    graphs: tuple[str, ...] = ('motion', 'image'),
) -> None:
    """Keep engines as a build does; the plan of each is its name."""
    store = EngineStore(bundle)
    with store.writing():
        for graph in graphs:
            int8 = Int8Source('explicit', 'a', 'b') if precision == 'int8' else None
            made = store.save(
                make_recipe(bundle, graph, precision, machine, int8=int8),
                f'{graph} {precision}'.encode(),
                command='eipl_trt build here',
                seconds=1.0,
                int8=None if int8 is None else Int8Report((), 1, 1, 1, rate),
            )
            store.update(dataclasses.replace(made, microseconds=microseconds))


@given(st.lists(st.tuples(numbers, numbers), max_size=4), st.floats(1.0, 1.1))
def test_taken_is_the_fastest_of_those_within_the_budget(
    facts: list[tuple[float | None, float | None]], budget: float
) -> None:
    candidates = [Candidate(f'p{i}', *fact) for i, fact in enumerate(facts)]
    fit = [
        one
        for one in candidates
        if one.microseconds is not None and one.rate is not None and one.rate <= budget
    ]
    if not fit:
        with pytest.raises(EngineError, match='no precision can be chosen'):
            choose(candidates, budget)
        return
    choice = choose(candidates, budget)
    (taken,) = (one for one in fit if one.precision == choice.precision)
    assert taken.microseconds == min(one.microseconds or 0.0 for one in fit)
    assert [name for name, _ in choice.verdicts] == [one.precision for one in candidates]
    assert [words.startswith('taken') for _, words in choice.verdicts].count(True) == 1


def test_each_precision_has_its_reason() -> None:
    choice = choose(
        [
            Candidate('fp32', 130.0, 1.0),
            Candidate('fp16', 95.04, 1.0005),
            Candidate('int8', 60.0, 1.05),
            Candidate('int4', None, 1.0),
            Candidate('fp8', 1.0, None),
        ],
        1.02,
    )
    assert str(choice) == (
        "fp16 (fp32: not taken, 130.0 us a motion graph, joint error 1.000 of fp32's: slower; "
        "fp16: taken, 95.0 us a motion graph, joint error 1.000 of fp32's; "
        "int8: not taken, joint error 1.050 of fp32's, above the budget of 1.02; "
        'int4: not taken, its time on this GPU is not known; '
        'fp8: not taken, its joint error was not measured)'
    )


def test_an_error_is_that_of_the_engine_and_of_the_calibration(sample: Bundle) -> None:
    keep(sample, 'fp32', 100.0)
    keep(sample, 'fp16', 50.0)
    keep(sample, 'int8', 20.0, rate=1.015)
    assert choose_built(sample, ORIN).precision == 'int8'
    keep(sample, 'int8', 20.0, rate=1.03)
    assert choose_built(sample, ORIN).precision == 'fp16'
    recipe = read_recipe(sample)
    assert recipe.half_rate is not None
    assert 1.0 <= recipe.half_rate < 1.01
    worse = write_recipe(sample, dataclasses.replace(recipe, half_rate=1.5))
    assert choose_built(worse, ORIN).precision == 'fp32'
    generous = write_recipe(worse, dataclasses.replace(recipe, budget=2.0))
    assert choose_built(generous, ORIN).precision == 'int8'


def test_without_a_calibration_only_fp32_is_known_to_be_right(sample: Bundle) -> None:
    bare = write_bundle(sample, [name for name in sample.files if name != RECIPE_NAME])
    keep(bare, 'fp16', 50.0)
    with pytest.raises(EngineError, match=r'its joint error was not measured.*eipl_trt precision'):
        choose_built(bare, ORIN)
    keep(bare, 'fp32', 100.0)
    assert choose_built(bare, ORIN).precision == 'fp32'


def test_engines_of_another_machine_or_of_one_graph_alone_do_not_count(sample: Bundle) -> None:
    keep(sample, 'fp32', 100.0)
    keep(sample, 'fp16', 50.0, machine=dataclasses.replace(ORIN, version='10.4.0'))
    keep(sample, 'int8', 20.0, graphs=('motion',))
    assert choose_built(sample, ORIN).verdicts == (
        ('fp32', "taken, 100.0 us a motion graph, joint error 1.000 of fp32's"),
    )
    with pytest.raises(EngineError, match=r'no engines were built; build with: eipl_trt build'):
        choose_built(sample, ORIN, mixing=True)


def test_a_time_that_is_missing_is_measured(sample: Bundle) -> None:
    asked = []

    def timer(manifest: Manifest, plan: bytes) -> float | None:
        asked.append(plan)
        return {'fp32': 100.0, 'fp16': 40.0, 'int8': None}[manifest.recipe.precision]

    keep(sample, 'fp32', 70.0)
    keep(sample, 'fp16', None)
    keep(sample, 'int8', None)
    assert choose_built(sample, ORIN, timer=timer).precision == 'fp16'
    assert asked == [b'motion fp16', b'motion int8']
    assert choose_built(sample, ORIN).precision == 'fp32'


@pytest.mark.parametrize('records', [True, False])
def test_an_engine_is_timed_on_its_device_recorded_where_that_can_be(
    sample: Bundle, records: bool
) -> None:
    device = HostDevice(records=records)
    engine = HostEngine(sample, 'motion', device)
    assert 10 < timing.engine_time(device, lambda: engine) < 1e6
    assert (device.replays > 100) == records
    assert not engine.open
    device.close()


class HostTensorRT:
    """Loads plans that are names of graphs."""

    def __init__(self, bundle: Bundle, device: HostDevice) -> None:
        self._bundle, self._device = bundle, device

    def load(self, plan: bytes, *_: object) -> HostEngine:
        graph, _ = plan.decode().split()
        return HostEngine(self._bundle, graph, self._device)


def test_the_backend_runs_what_was_chosen_and_says_so(
    sample: Bundle, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    device = HostDevice()
    found = HostTensorRT(sample, device)
    for name, value in (('CudaDevice', device), ('find_tensorrt', found), ('this_machine', ORIN)):
        monkeypatch.setattr(engines, name, lambda *_, value=value: value)
    keep(sample, 'fp32', 100.0)
    keep(sample, 'fp16', 50.0)
    with caplog.at_level(logging.INFO, 'eipl_trt_ros'):
        backend = load_backend(sample, 'tensorrt', precision='auto')
    assert backend.precision == 'fp16'
    (record,) = caplog.records
    assert record.getMessage().startswith('precision auto runs cnnrnn in fp16 (fp32: not taken')
    assert backend.notes['precision auto'] in record.getMessage()
    backend.run_motion()
    assert np.isfinite(backend.predicted_joints).all()
    backend.close()


def test_where_no_engines_are_auto_runs_fp32_and_says_why(
    sample: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    backend = load_backend(sample, 'auto', precision='auto')
    assert backend.precision == 'fp32'
    (record,) = caplog.records
    assert record.levelname == 'WARNING'
    assert 'fp32 on ONNX Runtime, not in auto on TensorRT' in record.getMessage()
    backend.close()


@pytest.mark.parametrize('name', ['onnxruntime', 'torch'])
def test_auto_is_no_precision_of_a_backend_without_engines(sample: Bundle, name: str) -> None:
    with pytest.raises(BackendError, match='precision auto chooses among TensorRT engines'):
        load_backend(sample, name, precision='auto')


def test_a_build_on_a_gpu_writes_the_reasons_into_the_manifests(
    sample: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the real builder, which has no GPU here: its times and the GPU's name are given."""
    pytest.importorskip('tensorrt_rtx_bindings', reason='TensorRT-RTX is not installed')
    machine = dataclasses.replace(this_machine(), gpu=Gpu('Desk', '8.9'))
    times = {'fp32': 100.0, 'fp16': 50.0}
    monkeypatch.setattr(building, 'this_machine', lambda _: machine)
    monkeypatch.setattr(
        building, 'make_timer', lambda *_: lambda made, _: times[made.recipe.precision]
    )
    monkeypatch.setattr(building.TensorRT, 'inspect', lambda *_: '{"Layers": []}', raising=True)

    def verdicts() -> dict[str, str]:
        built = build_engines(sample, list(times), ['motion', 'image'], BuildOptions())
        on_disk = {one.sha256: one for one in EngineStore(sample).manifests()}
        assert all(on_disk[one.manifest.sha256] == one.manifest for one in built)
        found: list[Manifest] = [one.manifest for one in built]
        assert {one.verdict for one in found if one.recipe.graph == 'image'} == {''}
        return {one.recipe.precision: one.verdict for one in found if one.recipe.graph == 'motion'}

    first = verdicts()
    assert first['fp16'].startswith('taken, 50.0 us')
    assert first['fp32'].startswith('not taken, 100.0 us')
    assert verdicts() == first  # nothing is built anew, and nothing changes
