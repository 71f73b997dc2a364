# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The graphs against PyTorch, over rollouts that carry the state."""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from references import joint_path, make_bundle, random_weights, rollout, smooth_pictures

from eipl_trt_ros.backends import Backend, load_backend
from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.models import build_model
from eipl_trt_ros.spec import GRAPHS, ModelSpec

STEPS = 100
FORMS = ('', '.cpu', '.half')

SARNN = ModelSpec('sarnn', 128, 128, 8, 50, k_dim=5, temperature=1e-4, heatmap_size=0.1)
MODELS = {
    'sarnn': SARNN,
    'sarnn 64x64': ModelSpec('sarnn', 64, 64, 5, 50, k_dim=5, temperature=1e-4, heatmap_size=0.1),
    'sarnn 48x80': ModelSpec('sarnn', 48, 80, 7, 33, k_dim=3, temperature=1e-3, heatmap_size=0.05),
    'sarnn 57x40': ModelSpec('sarnn', 57, 40, 1, 8, k_dim=1, temperature=1e-2, heatmap_size=0.3),
    'cnnrnn': ModelSpec('cnnrnn', 128, 128, 8, 50, feat_dim=10),
    'cnnrnn small': ModelSpec('cnnrnn', 128, 128, 3, 20, feat_dim=6),
    'cnnrnnln': ModelSpec('cnnrnnln', 128, 128, 8, 50, feat_dim=10),
    'cnnrnnln small': ModelSpec('cnnrnnln', 128, 128, 3, 20, feat_dim=6),
}


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def compare(
    path: Path,
    spec: ModelSpec,
    *,
    steps: int,
    vmin: float = 0.0,
    vmax: float = 1.0,
    mixing: float | None = None,
    seed: int = 0,
    forms: tuple[str, ...] = FORMS,
) -> None:
    """
    Roll both out; joints must agree to 1e-5 of their range, images to one grey level.

    mixing: None runs the graphs without mixing.
    forms: of the graphs, each against PyTorch.
    """
    weights = random_weights(spec, seed)
    bundle = make_bundle(path, spec, weights, vmin=vmin, vmax=vmax)
    pictures = smooth_pictures(steps, spec.image_height, spec.image_width, seed)
    joints = joint_path(bundle, steps)
    span = bundle.joint_maximum - bundle.joint_minimum
    moved, shades = [], []
    backends = [make_backend(bundle, form, mixing=mixing is not None) for form in forms]
    share = 1.0 if mixing is None else mixing
    for frame, expected in enumerate(rollout(bundle, weights, pictures, joints, share)):
        for backend in backends:
            backend.image[:], backend.joints[:] = pictures[frame], joints[frame]
            backend.run_motion(share if frame else 1.0)
            backend.advance()
            backend.run_image()
            error = np.abs(backend.predicted_joints - expected.joints) / span
            assert error.max() < 1e-5, frame
            error = np.abs(backend.predicted_image.astype(int) - expected.image)
            assert error.max() <= 1, frame
            for name in ('encoder_points', 'decoder_points'):
                found, wanted = getattr(backend, name), getattr(expected, name)
                if wanted is not None:
                    # A sixteenth of a pixel: the temperature blows up rounding (smooth_pictures).
                    np.testing.assert_allclose(found, wanted, rtol=0, atol=5e-4)
        moved.append(expected.joints)
        shades.append(expected.image)
    for backend in backends:
        backend.close()
    # A network that always says the same would agree with anything.
    assert np.ptp(np.array(moved) / span, axis=0).max() > 0.01
    assert np.std(shades) > 1


def make_backend(bundle: Bundle, form: str, *, mixing: bool = False) -> Backend:
    """Run one of `FORMS` of a bundle's graphs, in the place of all others."""
    folder = bundle.path / f'only{form}'
    folder.mkdir()
    shutil.copy(bundle.weights_path, folder)
    files = {}
    for graph in GRAPHS:
        shutil.copy(bundle.path / f'{graph}{form}.onnx', folder / f'{graph}.onnx')
        files[f'{graph}.onnx'] = bundle.files[f'{graph}{form}.onnx']
    only = dataclasses.replace(bundle, path=folder, files=files)
    return load_backend(only, 'onnxruntime', mixing=mixing)


@pytest.mark.parametrize('name', MODELS)
def test_a_rollout_of_the_graphs_equals_the_rollout_in_pytorch(name: str, tmp_path: Path) -> None:
    compare(tmp_path, MODELS[name], steps=STEPS)


@pytest.mark.parametrize('points', range(1, 9))
def test_the_rollouts_are_equal_for_any_number_of_points(points: int, tmp_path: Path) -> None:
    # At 1e-4 six random maps have a frame with two maxima of nearly the same height.
    spec = dataclasses.replace(MODELS['sarnn 64x64'], k_dim=points, temperature=1e-3)
    compare(tmp_path, spec, steps=20)


@pytest.mark.parametrize('name', ['sarnn 48x80', 'cnnrnn', 'cnnrnnln'])
def test_the_rollouts_are_equal_for_another_range_of_normalisation(
    name: str, tmp_path: Path
) -> None:
    compare(tmp_path, MODELS[name], steps=20, vmin=0.1, vmax=0.9)


@pytest.mark.parametrize('mixing', [1.0, 0.8, 0.0])
@pytest.mark.parametrize('name', ['sarnn 64x64', 'cnnrnn', 'cnnrnnln'])
def test_mixing_feeds_back_what_pytorch_feeds_back(
    name: str, mixing: float, tmp_path: Path
) -> None:
    compare(tmp_path, MODELS[name], steps=30, mixing=mixing)


# Even sides rather than odd ones: only then tensor cores take a picture in blocks.
sides = st.one_of(st.integers(20, 40), st.integers(10, 20).map(lambda half: 2 * half))
specs = st.one_of(
    st.builds(
        ModelSpec,
        st.just('sarnn'),
        sides,
        sides,
        st.integers(1, 9),
        st.integers(1, 60),
        k_dim=st.integers(1, 20),
        temperature=st.just(1e-2),  # EIPL's 1e-4 blows up rounding on such small random maps
        heatmap_size=st.just(0.1),
    ),
    st.builds(
        ModelSpec,
        st.sampled_from(['cnnrnn', 'cnnrnnln']),
        st.just(128),
        st.just(128),
        st.integers(1, 9),
        st.integers(1, 60),
        feat_dim=st.integers(1, 20),
    ),
)


@pytest.mark.parametrize('form', FORMS)
@settings(deadline=None, max_examples=12)  # a loaded machine is no bug
@given(specs, st.integers(0, 1000))
def test_a_whole_model_of_any_size_is_the_model_in_pytorch(
    form: str, spec: ModelSpec, seed: int
) -> None:
    weights = random_weights(spec, seed)
    model = build_model(spec).eval()
    model.load_state_dict(weights)
    picture = smooth_pictures(1, spec.image_height, spec.image_width, seed)[0]
    with tempfile.TemporaryDirectory() as folder:
        bundle = make_bundle(Path(folder), spec, weights)
        backend = make_backend(bundle, form)
        backend.image[:] = picture
        backend.joints[:] = (bundle.joint_minimum + bundle.joint_maximum) / 2
        backend.run_motion()
        backend.advance()
        backend.run_image()
        planes = torch.from_numpy(picture.transpose(2, 0, 1)[None].astype(np.float32)) / 255
        with torch.no_grad():
            image, joints, *_, (h, _) = model(planes, torch.full((1, spec.joint_dim), 0.5))
        found = bundle.normalise_joints(backend.predicted_joints)
        np.testing.assert_allclose(found, joints[0].numpy(), atol=1e-4)
        np.testing.assert_allclose(backend.get_state()['h'], h[0].numpy(), atol=1e-4)
        levels = (image[0].clamp(0, 1) * 255).numpy().transpose(1, 2, 0).astype(int)
        assert np.abs(backend.predicted_image - levels).max() <= 1
        backend.close()
