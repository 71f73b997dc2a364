# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The TensorRT backend with all of it real but the GPU and the engine on it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from builders import SPECS, make_pictures, write_random_bundle
from host_device import HostDevice, HostEngine, Rig, joints_at

from eipl_trt_ros.backends import load_backend
from eipl_trt_ros.backends.engines import open_engines
from eipl_trt_ros.backends.tensorrt import TensorRTBackend
from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.cli import main
from eipl_trt_ros.errors import BackendError, EngineError, MissingPackageError
from eipl_trt_ros.predictor import Predictor


@pytest.fixture(params=SPECS)
def bundle(request: pytest.FixtureRequest, tmp_path: Path) -> Bundle:
    return write_random_bundle(tmp_path, SPECS[request.param])


@pytest.fixture
def one(tmp_path: Path) -> Bundle:
    return write_random_bundle(tmp_path)


@pytest.mark.parametrize(
    ('recorded', 'host_memory'), [(True, 'copied'), (False, 'copied'), (True, 'mapped')]
)
@pytest.mark.parametrize('mixing', [1.0, 0.8])
def test_frames_are_those_of_onnx_runtime(
    bundle: Bundle, mixing: float, recorded: bool, host_memory: str
) -> None:
    rig = Rig(bundle, mixing=mixing != 1.0, recorded=recorded, host_memory=host_memory)
    other = load_backend(bundle, 'onnxruntime', mixing=mixing != 1.0)
    pictures = make_pictures(6, 128, 128)
    with (
        Predictor(bundle, rig.backend, input_mixing=mixing) as predictor,
        Predictor(bundle, other, input_mixing=mixing) as reference,
    ):
        for frame, picture in enumerate(pictures):
            joints = joints_at(bundle, frame)
            found, wanted = (one.step(picture, joints) for one in (predictor, reference))
            np.testing.assert_array_equal(found.joints, wanted.joints)
            if wanted.encoder_points is not None:
                np.testing.assert_array_equal(found.encoder_points, wanted.encoder_points)
                np.testing.assert_array_equal(found.decoder_points, wanted.decoder_points)
            if frame != 3:  # the image graph need not run in every frame
                np.testing.assert_array_equal(
                    predictor.predicted_image(), reference.predicted_image()
                )
            if frame == 4:
                for one in (predictor, reference):
                    one.reset()
        states = [one.snapshot().arrays for one in (predictor, reference)]
        assert states[0].keys() == states[1].keys()
        for name, array in states[0].items():
            np.testing.assert_array_equal(array, states[1][name])
    assert (rig.device.replays > 0) == recorded
    assert rig.device.depth == 0


def test_a_state_that_was_kept_can_be_gone_back_to(bundle: Bundle) -> None:
    pictures = make_pictures(4, 128, 128)
    with Predictor(bundle, Rig(bundle).backend) as predictor:
        predictor.step(pictures[0], joints_at(bundle, 0))
        kept = predictor.snapshot()
        first = predictor.step(pictures[1], joints_at(bundle, 1)).joints.copy()
        predictor.step(pictures[2], joints_at(bundle, 2))
        predictor.restore(kept)
        second = predictor.step(pictures[1], joints_at(bundle, 1)).joints
        np.testing.assert_array_equal(first, second)


def test_nothing_is_allocated_in_a_frame(one: Bundle) -> None:
    rig = Rig(one)
    before = rig.device.allocations
    with Predictor(one, rig.backend) as predictor:
        for frame, picture in enumerate(make_pictures(3, 128, 128)):
            predictor.step(picture, joints_at(one, frame))
            predictor.predicted_image()
    assert rig.device.allocations == before


@pytest.mark.parametrize('mixing', [False, True])
def test_a_state_that_goes_through_the_host_each_frame_gives_the_same_bits(
    bundle: Bundle, mixing: bool
) -> None:
    stays, goes = Rig(bundle, mixing=mixing).backend, Rig(bundle, mixing=mixing).backend
    share = 0.8 if mixing else 1.0
    with (
        Predictor(bundle, stays, input_mixing=share) as one,
        Predictor(bundle, goes, input_mixing=share) as other,
    ):
        for frame, picture in enumerate(make_pictures(4, 128, 128)):
            for predictor in (one, other):
                predictor.step(picture, joints_at(bundle, frame))
                predictor.predicted_image()
            np.testing.assert_array_equal(goes.predicted_joints, stays.predicted_joints)
            np.testing.assert_array_equal(goes.predicted_image, stays.predicted_image)
            state = goes.get_state()
            goes.reset()
            goes.set_state(state)


def test_where_a_frame_cannot_be_recorded_it_runs_call_by_call(
    one: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    rig = Rig(one, records=False)
    (record,) = caplog.records
    assert record.getMessage().endswith('a frame cannot be recorded: not today')
    assert rig.backend.notes['CUDA graph'] == 'a frame cannot be recorded: not today'
    with Predictor(one, rig.backend) as predictor:
        joints = predictor.step(make_pictures(1, 128, 128)[0], joints_at(one, 0)).joints
        assert np.isfinite(joints).all()
    assert rig.device.replays == 0


@pytest.mark.parametrize(
    ('host_memory', 'expected'),
    [
        ('auto', {'copied', 'mapped'}),  # what was faster in the trial
        ('mapped', {'mapped'}),
        ('copied', {'copied'}),
    ],
)
def test_where_inputs_and_outputs_lie_is_chosen_and_told(
    one: Bundle, host_memory: str, expected: set[str]
) -> None:
    backend = Rig(one, host_memory=host_memory).backend
    assert backend.notes['host memory'] in expected
    assert backend.notes['CUDA graph'] == 'replayed'


def test_in_mapped_memory_nothing_is_copied(one: Bundle) -> None:
    with Predictor(one, Rig(one, host_memory='mapped').backend) as predictor:
        predictor.step(make_pictures(1, 128, 128)[0], joints_at(one, 0))
        predictor.predicted_image()
        timing = predictor.timing
        assert timing.copy_in == timing.copy_out == timing.image_copy_out == 0
        assert min(timing.infer, timing.image_infer) > 0


def test_the_steps_of_a_frame_are_timed(one: Bundle) -> None:
    with Predictor(one, Rig(one, host_memory='copied').backend) as predictor:
        predictor.step(make_pictures(1, 128, 128)[0], joints_at(one, 0))
        predictor.predicted_image()
        timing = predictor.timing
        assert min(timing.copy_in, timing.infer, timing.copy_out) > 0
        assert timing.infer > timing.copy_in
        assert min(timing.image_infer, timing.image_copy_out) > 0


@pytest.mark.parametrize('where', ['enqueue', 'stream'])
def test_a_failure_in_a_frame_leaves_state_and_context_as_they_were(
    one: Bundle, where: str
) -> None:
    rig = Rig(one, recorded=False)
    picture = make_pictures(1, 128, 128)[0]
    with Predictor(one, rig.backend) as predictor:
        predictor.step(picture, joints_at(one, 0))
        before = rig.backend.get_state()
        rig.engines['motion'].fails = where == 'enqueue'
        rig.device.broken = 'out of order' if where == 'stream' else None
        with pytest.raises(BackendError):
            predictor.step(picture, joints_at(one, 1))
        assert rig.device.depth == 0
        rig.engines['motion'].fails, rig.device.broken = False, None
        for name, array in rig.backend.get_state().items():
            np.testing.assert_array_equal(array, before[name])
        predictor.step(picture, joints_at(one, 1))


def test_engines_of_another_model_are_refused_and_everything_is_released(tmp_path: Path) -> None:
    mine = write_random_bundle(tmp_path / 'mine', SPECS['cnnrnn'])
    other = write_random_bundle(tmp_path / 'other', SPECS['sarnn'])
    device, engines = HostDevice(), []

    def load(graph: str) -> HostEngine:
        engines.append(HostEngine(other, graph, device))
        return engines[-1]

    with pytest.raises(BackendError, match=r'the motion engine of .* eipl_trt build .* --force'):
        TensorRTBackend(mine, 'fp32', device, load)
    assert not device.open
    assert not any(engine.open for engine in engines)


def test_closing_releases_engines_and_device_once(one: Bundle) -> None:
    rig = Rig(one)
    rig.backend.close()
    rig.backend.close()
    assert not rig.device.open
    assert not any(engine.open for engine in rig.engines.values())


def test_a_bundle_without_engines_is_refused_with_the_command_that_builds_them(
    one: Bundle,
) -> None:
    pytest.importorskip('tensorrt_rtx_bindings', reason='TensorRT-RTX is not installed')
    with pytest.raises(EngineError, match=r'eipl_trt build .* --precision fp16 --graph motion'):
        open_engines(one, 'fp16')


@pytest.mark.skipif(
    importlib.util.find_spec('pycuda') is not None, reason='pycuda is installed here'
)
def test_a_missing_pycuda_is_named(one: Bundle) -> None:
    pytest.importorskip('tensorrt_rtx_bindings', reason='TensorRT-RTX is not installed')
    assert main(['build', str(one.path), '--precision', 'fp16']) == 0
    with pytest.raises(MissingPackageError, match='pip install pycuda'):
        open_engines(one, 'fp16')
