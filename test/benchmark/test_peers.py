# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What is timed against us must compute the same as we do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from builders import SPECS, write_random_bundle

pytest.importorskip('torch', reason='the peers need torch')

from eipl_trt_ros.benchmark.cases import CASES, COMPILED, is_ours
from eipl_trt_ros.benchmark.measure import make_inputs
from eipl_trt_ros.errors import MissingPackageError
from eipl_trt_ros.predictor import open_predictor

PEERS = [name for name in CASES if not is_ours(name) and name != COMPILED]


@pytest.mark.parametrize('peer', PEERS)
@pytest.mark.parametrize('model', SPECS)
def test_a_peer_predicts_what_the_predictor_predicts(
    tmp_path: Path, model: str, peer: str
) -> None:
    bundle = write_random_bundle(tmp_path, SPECS[model], gripper=False)
    bounds = bundle.joint_minimum, bundle.joint_maximum
    pictures, joints = make_inputs(3, (128, 128), bounds)
    try:
        case = CASES[peer](peer, bundle, 1)
    except MissingPackageError as error:
        pytest.skip(str(error))
    with open_predictor(bundle) as predictor:
        for picture, now in zip(pictures, joints, strict=True):
            predicted, image = case.frame(picture, now)  # type: ignore[misc]
            motion = predictor.step(picture, now)
            np.testing.assert_allclose(predicted, motion.joints, atol=1e-4)
            apart = np.abs(image.astype(int) - predictor.predicted_image())
            assert apart.max() <= 1  # truncation at the edge of a grey level
    assert case.name == peer
    assert 0 < case.overhead() < 1
    case.close()
