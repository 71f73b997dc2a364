# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Which GPU this machine has, asked from the CUDA driver itself, so that no package is needed."""

from __future__ import annotations

import ctypes
import logging
from dataclasses import dataclass

_LIBRARY = 'libcuda.so.1'
# CUdevice_attribute of cuda.h
_CAPABILITY_MAJOR, _CAPABILITY_MINOR = 75, 76

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Gpu:
    """A GPU as engines know it: its name, and its compute capability such as ``'8.7'``."""

    name: str
    compute_capability: str

    def __str__(self) -> str:
        return f'{self.name} (compute capability {self.compute_capability})'


def find_gpu(index: int = 0) -> Gpu | None:
    """
    Ask the CUDA driver for a GPU.

    Args:
        index: which one; CUDA_VISIBLE_DEVICES is respected by the driver.

    Returns:
        The GPU, or None where there is no driver or no such GPU; the reason goes to the log.

    """
    try:
        cuda = ctypes.CDLL(_LIBRARY)
    except OSError as error:
        _log.info('no CUDA driver: %s', error)
        return None
    device = ctypes.c_int()
    for call, result in (
        ('cuInit', cuda.cuInit(0)),
        ('cuDeviceGet', cuda.cuDeviceGet(ctypes.byref(device), index)),
    ):
        if result != 0:
            _log.info('no GPU: %s gave CUDA error %d', call, result)
            return None
    name = ctypes.create_string_buffer(256)
    major, minor = ctypes.c_int(), ctypes.c_int()
    cuda.cuDeviceGetName(name, len(name), device)
    cuda.cuDeviceGetAttribute(ctypes.byref(major), _CAPABILITY_MAJOR, device)
    cuda.cuDeviceGetAttribute(ctypes.byref(minor), _CAPABILITY_MINOR, device)
    return Gpu(name.value.decode(), f'{major.value}.{minor.value}')
