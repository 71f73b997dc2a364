# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The graphs against PyTorch, over rollouts that carry the state."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from references import joint_path, make_bundle, random_weights, rollout, smooth_pictures

from eipl_trt_ros.backends import Backend, load_backend
from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.spec import GRAPHS, ModelSpec

STEPS = 100

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
    forms: tuple[str, ...] = ('', '.cpu'),
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


def make_backend(bundle: Bundle, form: str, *, mixing: bool) -> Backend:
    """Run one form of a bundle's graphs, '' or '.cpu'."""
    names = {f'{graph}{form}.onnx' for graph in GRAPHS}
    files = {name: entry for name, entry in bundle.files.items() if name in names}
    return load_backend(dataclasses.replace(bundle, files=files), 'onnxruntime', mixing=mixing)


@pytest.mark.parametrize('name', MODELS)
def test_a_rollout_of_the_graphs_equals_the_rollout_in_pytorch(name: str, tmp_path: Path) -> None:
    compare(tmp_path, MODELS[name], steps=STEPS)


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
