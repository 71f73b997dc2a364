# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from builders import SPECS, make_pictures, write_random_bundle

from eipl_trt_ros.backends import load_backend
from eipl_trt_ros.export.plain import PLAIN_INPUTS, export_plain, plain_outputs


@pytest.mark.parametrize('name', SPECS)
def test_the_whole_model_has_eipls_ends_and_predicts_what_our_graphs_predict(
    name: str, tmp_path: Path
) -> None:
    spec = SPECS[name]
    bundle = write_random_bundle(tmp_path / 'bundle', spec)
    export_plain(bundle, tmp_path / 'whole.onnx')
    onnx.checker.check_model(tmp_path / 'whole.onnx', full_check=True)
    session = onnxruntime.InferenceSession(
        tmp_path / 'whole.onnx', providers=['CPUExecutionProvider']
    )
    assert tuple(entry.name for entry in session.get_inputs()) == PLAIN_INPUTS
    assert tuple(entry.name for entry in session.get_outputs()) == plain_outputs(name)

    picture = make_pictures(1, spec.image_height, spec.image_width)[0]
    joints = np.linspace(-0.4, 0.6, spec.joint_dim, dtype=np.float32)
    unit = bundle.normalise_joints(joints).astype(np.float32)
    state = np.zeros((1, spec.rec_dim), np.float32)
    inputs = (picture.transpose(2, 0, 1)[None].astype(np.float32) / 255, unit[None], state, state)
    found = dict(
        zip(
            plain_outputs(name),
            session.run(None, dict(zip(PLAIN_INPUTS, inputs, strict=True))),
            strict=True,
        )
    )

    backend = load_backend(bundle, 'onnxruntime')
    backend.image[:], backend.joints[:] = picture, joints
    backend.run_motion()
    backend.advance()
    np.testing.assert_allclose(
        bundle.normalise_joints(backend.predicted_joints), found['o.joint'][0], atol=1e-5
    )
    np.testing.assert_allclose(backend.get_state()['h'], found['o.state_h'][0], atol=1e-5)
