# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The whole model as EIPL exports it: the baseline of benchmarks, not part of a bundle."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch

from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.export.builder import OPSET
from eipl_trt_ros.export.weights import WeightFile
from eipl_trt_ros.models import build_model

PLAIN_INPUTS = ('i.image', 'i.joint', 'i.state_h', 'i.state_c')


def plain_outputs(model_type: str) -> tuple[str, ...]:
    """Return the names of the whole model's outputs, which are EIPL's."""
    points = ('o.enc_pts', 'o.dec_pts') if model_type == 'sarnn' else ()
    return ('o.image', 'o.joint', *points, 'o.state_h', 'o.state_c')


def export_plain(bundle: Bundle, path: Path) -> None:
    """
    Export a bundle's model with PyTorch's exporter, whole, as EIPL's export_onnx.py does.

    Images and joints are normalised float32 at both ends, (1, 3, H, W) and (1, D); pre- and
    post-processing are left to the caller. Weights are inside the file.

    Args:
        bundle: the model; only its weights are used.
        path: the ONNX file to write.

    Raises:
        ExportError: the weights cannot be read.

    """
    spec = bundle.model
    weights = WeightFile(bundle.weights_path)
    weights.check(spec.expected_shapes())
    model = build_model(spec).eval()
    model.load_state_dict(
        {name: torch.from_numpy(weights[name].values.copy()) for name in spec.expected_shapes()}
    )
    state = (torch.zeros(1, spec.rec_dim), torch.zeros(1, spec.rec_dim))
    inputs = (
        torch.zeros(1, 3, spec.image_height, spec.image_width),
        torch.zeros(1, spec.joint_dim),
        state,
    )
    with warnings.catch_warnings():
        # The exporter through TorchScript, which EIPL used, warns that it is the old one.
        warnings.simplefilter('ignore')
        torch.onnx.export(
            model,
            inputs,
            path,
            input_names=list(PLAIN_INPUTS),
            output_names=list(plain_outputs(spec.type)),
            opset_version=OPSET,
            dynamo=False,
        )
