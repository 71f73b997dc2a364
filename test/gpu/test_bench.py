# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What is timed on a GPU computes the same, whoever computes it."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest

from eipl_trt_ros.backends import load_backend
from eipl_trt_ros.benchmark.gpu import GPU_CASES
from eipl_trt_ros.errors import BackendError, MissingPackageError
from eipl_trt_ros.predictor import Predictor

pytestmark = pytest.mark.gpu

# largest difference of a joint from ONNX Runtime in fp32, as a share of its range
JOINTS = {'fp32': 1e-3, 'fp16': 5e-3, 'int8': 5e-2}


@pytest.mark.parametrize('name', GPU_CASES)
@pytest.mark.parametrize('model', ['sarnn', 'cnnrnn', 'cnnrnnln'])
def test_a_case_predicts_what_onnx_runtime_predicts(model, name, gpu, measured) -> None:
    bundle, demonstration = gpu.bundle(model), gpu.demonstration(model)
    precision = next((one for one in JOINTS if name.endswith(one)), 'fp32')
    span = bundle.joint_maximum - bundle.joint_minimum
    joints, images = 0.0, []
    try:
        case = GPU_CASES[name](name, bundle, 1)
    except (MissingPackageError, BackendError) as error:
        pytest.skip(str(error))
    backend = load_backend(bundle, 'onnxruntime', threads=2)
    with contextlib.closing(case), Predictor(bundle, backend) as reference:
        for picture, now in zip(demonstration.images[:20], demonstration.joints, strict=False):
            found = case.frame(picture, now)
            wanted = reference.step(picture, now).joints
            if 'motion only' not in name:
                image = found[1] if isinstance(found, tuple) else found
                images.append(np.abs(image.astype(int) - reference.predicted_image()).mean())
            if 'motion and image' not in name:
                given = found[0] if isinstance(found, tuple) else found
                joints = max(joints, float(np.max(np.abs(given - wanted) / span)))
    shown = f', image by {np.mean(images):.3f} levels' if images else ''
    measured(f'joints off by {joints:.1e} of their range{shown}')
    assert joints < JOINTS[precision]
    assert not images or np.mean(images) < 2
