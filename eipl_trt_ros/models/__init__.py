# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The three networks of EIPL in PyTorch; an EIPL checkpoint loads with strict=True."""

from __future__ import annotations

from eipl_trt_ros.models.cnnrnn import CNNRNN, CNNRNNLN
from eipl_trt_ros.models.sarnn import SARNN
from eipl_trt_ros.spec import ModelSpec

Model = SARNN | CNNRNN | CNNRNNLN

_CLASSES: dict[str, type[SARNN] | type[CNNRNN] | type[CNNRNNLN]] = {
    'sarnn': SARNN,
    'cnnrnn': CNNRNN,
    'cnnrnnln': CNNRNNLN,
}

__all__ = ['CNNRNN', 'CNNRNNLN', 'SARNN', 'Model', 'build_model', 'count_parameters']


def build_model(spec: ModelSpec) -> Model:
    """
    Make a network with freshly drawn weights, in float32 on the CPU.

    Args:
        spec: type and sizes.

    """
    return _CLASSES[spec.type](spec)


def count_parameters(model: Model) -> int:
    """Count trainable numbers; buffers such as SARNN's position grids do not count."""
    return sum(parameter.numel() for parameter in model.parameters())
