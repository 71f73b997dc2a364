# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The kernels that TensorRT-RTX compiles when it loads an engine, kept beside the plan."""

from __future__ import annotations

import hashlib
import logging
import os
from pathlib import Path

from eipl_trt_ros.files import atomic_write

SUFFIX = '.kernels'
TF32_SWITCH = 'NVIDIA_TF32_OVERRIDE'

_log = logging.getLogger(__name__)


class KernelFile:
    """
    A file of compiled kernels, which shortens the next load of an engine from seconds to tenths.

    It begins with a checksum over the kernels and what they were chosen under, so that what was
    cut off, altered or compiled under another setting is not even shown to TensorRT. Where it
    cannot be written, kernels are compiled anew at every load.

    Args:
        plan: the engine's file.

    """

    def __init__(self, plan: Path) -> None:
        self._path = plan.with_name(plan.name + SUFFIX)

    def read(self) -> bytes:
        """Return the kernels; nothing if there are none that may be used."""
        try:
            content = self._path.read_bytes()
        except OSError:
            return b''
        size = hashlib.sha256().digest_size
        checksum, kernels = content[:size], content[size:]
        return kernels if checksum == _checksum(kernels) else b''

    def write(self, kernels: bytes) -> None:
        """Keep the kernels."""
        try:
            with atomic_write(self._path) as file:
                file.write(_checksum(kernels) + kernels)
        except OSError as error:
            _log.info('%s cannot be written: %s', self._path, error.strerror)


def _checksum(kernels: bytes) -> bytes:
    setting = os.environ.get(TF32_SWITCH, '')
    return hashlib.sha256(f'{TF32_SWITCH}={setting}\n'.encode() + kernels).digest()
