# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What engines are built by and for."""

from __future__ import annotations

from dataclasses import dataclass

from eipl_trt_ros.engines.gpu import Gpu, find_gpu
from eipl_trt_ros.engines.tensorrt_api import TensorRT, find_tensorrt


@dataclass(frozen=True)
class Machine:
    """What builds and runs engines here; ``gpu`` is None where there is none."""

    tensorrt: str
    """``TensorRT`` or ``TensorRT-RTX``."""
    version: str
    gpu: Gpu | None = None


def this_machine(tensorrt: TensorRT | None = None, gpu: int = 0) -> Machine:
    """
    Tell what builds and runs engines here.

    Args:
        tensorrt: the TensorRT to use; the installed one if None.
        gpu: which GPU.

    Raises:
        MissingPackageError: there is no TensorRT.
        EngineError: it cannot be loaded.

    """
    found = tensorrt or find_tensorrt()
    return Machine(found.flavour, found.version, find_gpu(gpu))
