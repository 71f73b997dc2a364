# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Makes bundles with random weights for the tests, torch-free."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from eipl_trt_ros.bundle import WEIGHTS_NAME, Bundle, write_bundle
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


def write_weights_only_bundle(
    path: Path,
    spec: ModelSpec = SPECS['cnnrnn'],
    *,
    camera: CameraSpec = PLAIN_CAMERA,
    gripper: bool = True,
) -> Bundle:
    """Write a bundle without graphs; its weights have the right names and shapes."""
    path.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    weights = {
        name: (0.1 * rng.standard_normal(shape)).astype(np.float32)
        for name, shape in spec.expected_shapes().items()
    }
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
