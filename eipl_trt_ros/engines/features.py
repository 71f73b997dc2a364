# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
How TensorRT's versions differ.

What a version can do is told by the names that it has, never by its number: the same flag has the
value 1 in TensorRT 10 and 0 in TensorRT 11, and names came and went in the middle of a series.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Features:
    """
    What an installed version can do.

    Attributes:
        strong_typing: networks whose tensors have the types that the ONNX graph says (10.0 on).
        precision_flags: the builder's own choice of fp16 and int8, by flags (up to 10.x).
        layer_precisions: holding single layers to a precision, for networks with flags.
        calibrators: int8 ranges found by TensorRT itself (up to 10.x).
        timing_cache: a cache of measured kernels that shortens the next build; in TensorRT-RTX
            the calls are there but do nothing, because kernels are chosen when a graph is run.
        profiling_verbosity: whether an engine can be told to keep each layer's precision.
        normalisation: a layer for layer normalisation (8.6 on).
        kernels_at_load: kernels are chosen and compiled when an engine is loaded (TensorRT-RTX),
            and can be kept in a file.

    """

    strong_typing: bool
    precision_flags: bool
    layer_precisions: bool
    calibrators: bool
    timing_cache: bool
    profiling_verbosity: bool
    normalisation: bool
    kernels_at_load: bool


def detect_features(trt: Any) -> Features:
    """Tell by its names what a TensorRT module can do."""
    flags, config = trt.BuilderFlag, trt.IBuilderConfig
    kernels_at_load = hasattr(getattr(trt, 'IRuntimeConfig', None), 'create_runtime_cache')
    return Features(
        strong_typing=hasattr(trt.NetworkDefinitionCreationFlag, 'STRONGLY_TYPED'),
        precision_flags=hasattr(flags, 'FP16') and hasattr(flags, 'INT8'),
        layer_precisions=hasattr(trt.ILayer, 'precision')
        and hasattr(flags, 'OBEY_PRECISION_CONSTRAINTS'),
        calibrators=hasattr(trt, 'IInt8EntropyCalibrator2') and hasattr(config, 'int8_calibrator'),
        timing_cache=hasattr(config, 'create_timing_cache') and not kernels_at_load,
        profiling_verbosity=hasattr(trt, 'ProfilingVerbosity'),
        normalisation=hasattr(trt, 'INormalizationLayer'),
        kernels_at_load=kernels_at_load,
    )


def network_flags(trt: Any, *, strong: bool) -> int:
    """
    Give the argument of ``create_network``.

    Args:
        trt: the module.
        strong: whether the network shall be strongly typed where that is a choice.

    """
    names = ['EXPLICIT_BATCH', *(['STRONGLY_TYPED'] if strong else [])]
    kinds = trt.NetworkDefinitionCreationFlag
    return sum(1 << int(getattr(kinds, name)) for name in names if hasattr(kinds, name))
