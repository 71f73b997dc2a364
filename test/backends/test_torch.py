# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The PyTorch baseline against the ONNX Runtime backend: two programs, one prediction."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from builders import SPECS, make_pictures, write_random_bundle, write_weights_only_bundle

from eipl_trt_ros.backends import Backend, load_backend
from eipl_trt_ros.backends.torch import TorchBackend
from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.errors import BackendError, MissingPackageError

STEPS = 8


@pytest.fixture(scope='module', params=SPECS)
def bundle(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    spec = SPECS[request.param]
    return write_random_bundle(tmp_path_factory.mktemp(spec.type), spec)


def run(backend: Backend, frame: int, mix: float = 1.0) -> None:
    spec = SPECS['sarnn']
    backend.image[:] = make_pictures(STEPS, spec.image_height, spec.image_width)[frame]
    backend.joints[:] = 0.5 * np.sin(0.3 * frame + np.arange(8))
    backend.timing.clear()
    backend.run_motion(mix if frame else 1.0)
    backend.advance()
    backend.run_image()


@pytest.mark.parametrize('mixing', [1.0, 0.8, 0.0])
def test_it_predicts_what_the_graphs_predict(bundle: Bundle, mixing: float) -> None:
    baseline = load_backend(bundle, 'torch', mixing=mixing != 1.0)
    graphs = load_backend(bundle, 'onnxruntime', mixing=mixing != 1.0)
    for frame in range(STEPS):
        for backend in (baseline, graphs):
            run(backend, frame, mixing)
        np.testing.assert_allclose(
            baseline.predicted_joints, graphs.predicted_joints, atol=2e-5, rtol=0
        )
        difference = baseline.predicted_image.astype(int) - graphs.predicted_image
        assert np.abs(difference).max() <= 1
        for name in ('encoder_points', 'decoder_points'):
            found, expected = getattr(baseline, name), getattr(graphs, name)
            assert (found is None) == (expected is None)
            if found is not None:
                np.testing.assert_allclose(found, expected, atol=1e-4)
    found_state, expected_state = baseline.get_state(), graphs.get_state()
    assert found_state.keys() == expected_state.keys()
    for name, values in found_state.items():
        np.testing.assert_allclose(values, expected_state[name], atol=1e-5)


@pytest.mark.parametrize('mixing', [False, True])
def test_a_state_can_be_put_back(bundle: Bundle, mixing: bool) -> None:
    backend = load_backend(bundle, 'torch', mixing=mixing)
    share = 0.5 if mixing else 1.0
    run(backend, 0)
    run(backend, 1, share)
    state = backend.get_state()
    run(backend, 2, share)
    expected = backend.predicted_joints.copy()
    backend.set_state(state)
    for values in state.values():
        values.fill(np.nan)  # the backend must not hold on to the caller's arrays
    run(backend, 2, share)
    np.testing.assert_array_equal(backend.predicted_joints, expected)


def test_a_reset_is_a_new_episode(bundle: Bundle) -> None:
    backend = load_backend(bundle, 'torch', mixing=True)
    run(backend, 0)
    expected = backend.predicted_joints.copy()
    run(backend, 1, 0.5)
    backend.reset()
    assert all(not values.any() for values in backend.get_state().values())
    run(backend, 0)
    np.testing.assert_array_equal(backend.predicted_joints, expected)


def test_a_frame_that_is_not_advanced_leaves_the_state(bundle: Bundle) -> None:
    backend = load_backend(bundle, 'torch')
    run(backend, 0)
    before = backend.get_state()
    backend.run_motion()
    for name, values in backend.get_state().items():
        np.testing.assert_array_equal(values, before[name])


def test_the_five_steps_are_timed_apart(bundle: Bundle) -> None:
    backend = load_backend(bundle, 'torch')
    run(backend, 0)
    times = backend.timing.as_dict()
    for step in ('pre_process', 'copy_in', 'infer', 'copy_out', 'post_process'):
        assert times[step] > 0, step
    assert times['image_post_process'] > 0
    assert times['image_infer'] == 0  # the whole model runs at once


def test_it_needs_no_graphs(tmp_path: Path) -> None:
    bundle = write_weights_only_bundle(tmp_path)
    backend = load_backend(bundle, 'torch')
    run(backend, 0)
    assert np.isfinite(backend.predicted_joints).all()
    backend.close()
    backend.close()


def test_a_failure_of_pytorch_is_told_in_one_line_of_our_own(bundle: Bundle) -> None:
    backend = load_backend(bundle, 'torch')
    backend.set_state({name: np.zeros(7, np.float32) for name in ('h', 'c')})
    with pytest.raises(BackendError, match=f'PyTorch failed while it ran the {bundle.model.type}'):
        backend.run_motion()


def test_an_unknown_device_is_refused(bundle: Bundle) -> None:
    with pytest.raises(BackendError, match="PyTorch cannot use the device 'toaster'"):
        TorchBackend(bundle, device='toaster')


def test_without_pytorch_it_says_what_to_install(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, 'torch', None)  # Python's way to make an import fail
    with pytest.raises(MissingPackageError, match="torch backend needs the package 'torch'"):
        TorchBackend(bundle)
