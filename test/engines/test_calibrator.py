# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
TensorRT's own int8 calibration, on a device in the host's memory.

No version that has it can be installed here. A stand-in takes its place in these tests; it has no
name that the real bindings lack (test_tensorrt_api.py looks there), and asks for batches as the
real one documents.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from builders import make_pictures

from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.engines import build as building
from eipl_trt_ros.engines import int8_ways
from eipl_trt_ros.engines.build import BuildOptions, build_engines
from eipl_trt_ros.engines.demonstrations import digest, read_demonstrations
from eipl_trt_ros.engines.half import load_graph
from eipl_trt_ros.engines.int8_options import Int8Options
from eipl_trt_ros.engines.machine import Machine
from eipl_trt_ros.engines.rollout import rollout
from eipl_trt_ros.engines.store import EngineStore
from eipl_trt_ros.engines.tensorrt_api import TensorRT, find_tensorrt
from eipl_trt_ros.errors import BackendError, EngineError

sys.path.insert(0, str(Path(__file__).parents[1] / 'backends'))

from host_device import HostDevice

MODELS = ('sarnn', 'cnnrnn', 'cnnrnnln')
OLD = Machine('TensorRT', '8.6.1')


class Layer:
    """A layer of a network; its precision can be set."""

    num_outputs = 1

    def __init__(self, name: str) -> None:
        self.name, self.type = name, 'layer'
        self.precision: str | None = None
        self.output: str | None = None

    def get_output(self, _: int) -> SimpleNamespace:
        return SimpleNamespace(dtype='fp32')

    def set_output_type(self, _: int, dtype: str) -> None:
        self.output = dtype


class OldTensorRT:
    """What a TensorRT of version 8 shows of itself; its builder looks at every batch."""

    def __init__(self) -> None:
        self.device = HostDevice()
        self.flags: set[str] = set()
        self.layers: list[Layer] = []
        self.calibrator: Any = None
        self.seen: list[dict[str, int]] = []
        self.network_flags: int | None = None
        self.on_batch: Callable[[dict[str, int]], None] = lambda _: None

    def module(self) -> Any:
        """Make the module."""
        outer = self

        class Logger:
            INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)

        class Config:
            int8_calibrator: Any = None

            def set_flag(self, flag: str) -> None:
                outer.flags.add(flag)

            def clear_flag(self, flag: str) -> None:
                outer.flags.discard(flag)

        class Builder:
            def __init__(self, _: Any) -> None:
                pass

            def create_network(self, flags: int) -> Any:
                outer.network_flags = flags
                return SimpleNamespace()

            def create_builder_config(self) -> Config:
                return Config()

            def build_serialized_network(self, network: Any, config: Config) -> bytes:
                outer.calibrator = config.int8_calibrator
                if config.int8_calibrator is not None:
                    outer.calibrate(network.inputs)
                return b'plan'

        class Parser:
            def __init__(self, network: Any, _: Any) -> None:
                self._network = network

            def parse_from_file(self, path: str) -> bool:
                graph = load_graph(Path(path)).graph
                outer.layers = [Layer(node.name) for node in graph.node]
                self._network.inputs = [entry.name for entry in graph.input]
                self._network.num_layers = len(outer.layers)
                self._network.get_layer = outer.layers.__getitem__
                return True

        flags = ('FP16', 'INT8', 'TF32', 'OBEY_PRECISION_CONSTRAINTS')
        return SimpleNamespace(
            __name__='tensorrt',
            __version__='8.6.1',
            ILogger=Logger,
            Builder=Builder,
            OnnxParser=Parser,
            IBuilderConfig=Config,
            IInt8EntropyCalibrator2=object,
            INormalizationLayer=object,
            ILayer=Layer('any'),
            BuilderFlag=SimpleNamespace(**{name: name for name in flags}),
            NetworkDefinitionCreationFlag=SimpleNamespace(EXPLICIT_BATCH=0),
            LayerType=SimpleNamespace(CONSTANT='constant'),
            float32='fp32',
        )

    def calibrate(self, names: list[str]) -> None:
        """Ask for batches to the last, unless a cache is there."""
        made = self.calibrator
        assert made.get_batch_size() == 1
        if made.read_calibration_cache() is None:
            while (batch := made.get_batch(names)) is not None:
                self.seen.append(dict(zip(names, batch, strict=True)))
                self.on_batch(self.seen[-1])
            made.write_calibration_cache(memoryview(b'TRT-8601-EntropyCalibration2'))


@pytest.fixture
def demonstrations(tmp_path: Path) -> Path:
    path = tmp_path / 'demonstrations'
    path.mkdir()
    np.save(path / 'images.npy', make_pictures(4, 128, 128)[None])
    np.save(path / 'joints.npy', np.linspace(-0.9, 0.9, 32).reshape(1, 4, 8))
    return path


@pytest.fixture
def old(monkeypatch: pytest.MonkeyPatch) -> OldTensorRT:
    """Let TensorRT 8 be installed, and the host be its GPU."""
    made = OldTensorRT()
    tensorrt = TensorRT(made.module())
    monkeypatch.setattr(building, 'find_tensorrt', lambda: tensorrt)
    monkeypatch.setattr(building, 'this_machine', lambda _: OLD)
    monkeypatch.setattr(int8_ways, 'CudaDevice', lambda: made.device)
    return made


@pytest.mark.parametrize('graph', ['motion', 'image', 'motion_mixed', 'image_mixed'])
@pytest.mark.parametrize('model', MODELS)
def test_each_batch_is_a_frame_with_the_state_of_the_fp32_model(
    bundle_of: Callable[[str], Bundle],
    model: str,
    graph: str,
    demonstrations: Path,
    old: OldTensorRT,
) -> None:
    bundle = bundle_of(model)
    specs = {spec.name: spec for spec in bundle.model.graph_inputs(graph)}
    seen = []

    def look(batch: dict[str, int]) -> None:
        with old.device.current():
            old.device.synchronize()
        frame = {}
        for name, address in batch.items():
            spec = specs[name]
            size = int(np.prod(spec.shape)) * np.dtype(spec.dtype).itemsize
            frame[name] = (
                old.device.array(address, size).view(spec.dtype).reshape(spec.shape).copy()
            )
        seen.append(frame)

    old.on_batch = look
    options = BuildOptions(int8=Int8Options((demonstrations,), way='calibrated'))
    (built,) = build_engines(bundle, ['int8'], [graph], options)
    mixing = 0.8 if graph.endswith('_mixed') else None
    data = read_demonstrations(demonstrations, bundle)
    steps = list(rollout(bundle, data, mixing=mixing))
    assert len(seen) == len(steps) == 4
    for frame, step in zip(seen, steps, strict=True):
        wanted = step.motion if graph.startswith('motion') else step.image
        for name, value in frame.items():
            np.testing.assert_array_equal(value, wanted[name])
    if 'h' in specs:
        assert seen[-1]['h'].any()
    assert not old.device.open
    report = built.manifest.int8
    assert report is not None
    assert report.rate is None
    assert (report.demonstrations, report.frames) == (1, 4)
    source = built.manifest.recipe.int8
    assert source is not None
    assert (source.way, source.calibration_sha256) == ('calibrated', digest(data))


@pytest.mark.parametrize('model', MODELS)
def test_the_builder_may_choose_int8_but_not_for_what_is_delicate(
    bundle_of: Callable[[str], Bundle],
    model: str,
    demonstrations: Path,
    old: OldTensorRT,
) -> None:
    bundle = bundle_of(model)
    options = BuildOptions(int8=Int8Options((demonstrations,), way='calibrated'))
    build_engines(bundle, ['int8'], ['motion'], options)
    assert not old.device.open
    assert old.flags == {'FP16', 'INT8', 'OBEY_PRECISION_CONSTRAINTS'}
    assert old.network_flags == 1
    held = {layer.name for layer in old.layers if layer.precision == layer.output == 'fp32'}
    free = {layer.name for layer in old.layers if layer.precision is layer.output is None}
    assert held | free == {layer.name for layer in old.layers}
    nodes = load_graph(bundle.graph_path('motion', 'int8')).graph.node
    for node in nodes:
        if node.name.startswith(('attention/', 'lstm/', 'decoder_joint/')):
            assert node.name in held
        if node.op_type == 'Conv':
            assert node.name in free


def test_what_was_found_is_kept_and_not_looked_for_again(
    bundle: Bundle, demonstrations: Path, old: OldTensorRT, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(int8_ways, 'CudaDevice', HostDevice)
    options = BuildOptions(force=True, int8=Int8Options((demonstrations,), way='calibrated'))
    (built,) = build_engines(bundle, ['int8'], ['motion'], options)
    assert len(old.seen) == 4
    assert f'--int8-way calibrated --calibration {demonstrations}' in built.manifest.command
    cache = EngineStore(bundle).calibration_cache(built.manifest.recipe)
    assert cache == b'TRT-8601-EntropyCalibration2'
    build_engines(bundle, ['int8'], ['motion'], options)
    assert len(old.seen) == 4
    assert old.calibrator.failure is None


def test_a_failure_among_the_batches_fails_the_build_and_keeps_nothing(
    bundle: Bundle, demonstrations: Path, old: OldTensorRT
) -> None:
    def fail(_: dict[str, int]) -> None:
        old.device.broken = 'the device is lost'

    old.on_batch = fail
    options = BuildOptions(int8=Int8Options((demonstrations,), way='calibrated'))
    with pytest.raises(BackendError, match='the device is lost'):
        build_engines(bundle, ['int8'], ['motion'], options)
    assert len(old.seen) == 1
    assert not old.device.open
    assert {path.name for path in (bundle.path / 'engines').iterdir()} == {'.lock'}


def test_a_version_without_calibrators_names_the_explicit_way(
    bundle: Bundle, demonstrations: Path
) -> None:
    pytest.importorskip('tensorrt_rtx_bindings', reason='TensorRT-RTX is not installed')
    if find_tensorrt().features.calibrators:
        pytest.skip('the installed version has calibrators')
    options = BuildOptions(int8=Int8Options((demonstrations,), way='calibrated'))
    with pytest.raises(EngineError, match=r'has no int8 calibrators .* --int8-way explicit'):
        build_engines(bundle, ['fp32', 'int8'], ['motion'], options)
    assert {path.name for path in (bundle.path / 'engines').iterdir()} == {'.lock'}


def test_calibrating_without_demonstrations_is_refused() -> None:
    with pytest.raises(EngineError, match='--calibration'):
        Int8Options(way='calibrated')
