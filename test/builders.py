# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Makes bundles with random weights, and pictures to feed them, for the tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from eipl_trt_ros.bundle import WEIGHTS_NAME, Bundle, write_bundle
from eipl_trt_ros.export.graphs import write_graphs
from eipl_trt_ros.robot import CameraSpec, JointSpec
from eipl_trt_ros.spec import ModelSpec

SPECS = {
    'sarnn': ModelSpec('sarnn', 128, 128, 8, 50, k_dim=5, temperature=1e-4, heatmap_size=0.1),
    'cnnrnn': ModelSpec('cnnrnn', 128, 128, 8, 50, feat_dim=10),
    'cnnrnnln': ModelSpec('cnnrnnln', 128, 128, 8, 50, feat_dim=10),
}
PLAIN_CAMERA = CameraSpec('rgb8', 1, None, 'none')


def make_joints(count: int, *, gripper: bool = True) -> tuple[JointSpec, ...]:
    """Return joints named joint1, joint2, ...; the last is a gripper that is fed back."""
    joints = [
        JointSpec(f'joint{i + 1}', -1.0 - 0.1 * i, 1.5 + 0.1 * i, 'joint_states', 'position')
        for i in range(count)
    ]
    if gripper:
        joints[-1] = JointSpec(
            'gripper',
            0.0,
            1.0,
            'prediction',
            'open_close',
            initial=0.0,
            close_above=0.7,
            open_below=0.3,
        )
    return tuple(joints)


def _position_grids(spec: ModelSpec) -> dict[str, NDArray[np.float32]]:
    """Return SARNN's buffers: the place of each cell of its feature maps, in 0..1."""
    y, x = np.mgrid[0 : 1 : spec.map_height * 1j, 0 : 1 : spec.map_width * 1j].astype(np.float32)
    return {
        'issm.pos_xy': np.stack([x, y]),
        'pos_encoder.6.pos_x': x.ravel(),
        'pos_encoder.6.pos_y': y.ravel(),
    }


def make_pictures(count: int, height: int, width: int) -> NDArray[np.uint8]:
    """Return smooth pictures (count, height, width, 3) in which a blob wanders."""
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    phase = np.linspace(0, 2 * np.pi, count, endpoint=False)[:, None, None, None]
    centre_x, centre_y = 0.5 + 0.3 * np.cos(phase), 0.5 + 0.3 * np.sin(phase)
    distance = (x[None, :, :, None] - centre_x) ** 2 + (y[None, :, :, None] - centre_y) ** 2
    blob = np.exp(-distance / np.array([0.01, 0.03, 0.09]))
    return (40 + 200 * blob).astype(np.uint8)


def write_random_bundle(
    path: Path,
    spec: ModelSpec = SPECS['cnnrnn'],
    *,
    camera: CameraSpec = PLAIN_CAMERA,
    gripper: bool = True,
    change: Callable[[dict[str, NDArray[np.float32]]], object] | None = None,
) -> Bundle:
    """Write a whole bundle, graphs included; ``change`` may alter the random weights."""
    bundle = write_weights_only_bundle(path, spec, camera=camera, gripper=gripper, change=change)
    write_graphs(bundle)
    return write_bundle(bundle)


def write_weights_only_bundle(
    path: Path,
    spec: ModelSpec = SPECS['cnnrnn'],
    *,
    camera: CameraSpec = PLAIN_CAMERA,
    gripper: bool = True,
    change: Callable[[dict[str, NDArray[np.float32]]], object] | None = None,
) -> Bundle:
    """Write a bundle without graphs; its weights have the right names and shapes."""
    path.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    weights = {
        name: (0.1 * rng.standard_normal(shape)).astype(np.float32)
        for name, shape in spec.expected_shapes().items()
    }
    if spec.type == 'sarnn':
        weights.update(_position_grids(spec))
    if change is not None:
        change(weights)
    save_file(weights, path / WEIGHTS_NAME)
    bundle = Bundle(
        path=path,
        name=f'random {spec.type}',
        model=spec,
        camera=camera,
        vmin=0.0,
        vmax=1.0,
        joints=make_joints(spec.joint_dim, gripper=gripper),
        rate_hz=10.0,
        provenance={'training': 'none, random weights'},
    )
    return write_bundle(bundle)
