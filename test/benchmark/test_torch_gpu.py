# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What is timed against us on a GPU computes what we compute; on a processor, where it can."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from builders import SPECS, write_random_bundle

pytest.importorskip('torch', reason='the peers need torch')

import torch

from eipl_trt_ros.benchmark.gpu import GPU_CASES
from eipl_trt_ros.benchmark.measure import make_inputs, time_bundle
from eipl_trt_ros.benchmark.torch_gpu import GraphCase, PaperTorchCase, TorchCase
from eipl_trt_ros.errors import BackendError
from eipl_trt_ros.predictor import open_predictor


@pytest.mark.parametrize('kind', [TorchCase, PaperTorchCase])
@pytest.mark.parametrize('model', SPECS)
def test_a_peer_predicts_what_the_predictor_predicts(tmp_path: Path, model: str, kind) -> None:
    bundle = write_random_bundle(tmp_path, SPECS[model], gripper=False)
    bounds = bundle.joint_minimum, bundle.joint_maximum
    pictures, joints = make_inputs(3, (128, 128), bounds)
    case = kind('peer', bundle, 'cpu')
    with open_predictor(bundle) as predictor:
        for picture, now in zip(pictures, joints, strict=True):
            predicted, image = case.frame(picture, now)
            motion = predictor.step(picture, now)
            np.testing.assert_allclose(predicted, motion.joints, atol=1e-4)
            assert np.abs(image.astype(int) - predictor.predicted_image()).max() <= 1
    case.close()


@pytest.mark.skipif(torch.cuda.is_available(), reason='PyTorch sees a GPU')
def test_without_a_gpu_each_case_is_left_out_with_its_reason(tmp_path: Path) -> None:
    bundle = write_random_bundle(tmp_path, SPECS['cnnrnn'])
    with pytest.raises(BackendError, match='PyTorch sees no GPU'):
        GraphCase('recorded', bundle)
    peers = {name: make for name, make in GPU_CASES.items() if 'PyTorch' in name}
    with pytest.raises(BackendError, match=r'nothing can be timed here: .*CUDA graph: PyTorch'):
        time_bundle(bundle, frames=1, threads=1, makers=peers)
