# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
The structure of the paper's code (IPSJ SIG 2024-ARC-256 No. 23, section 4), on a processor.

Five steps: inputs are normalised into float arrays; each is copied to where the device reads it;
the whole model runs; each output is copied back, the LSTM's state among them; images and joints
are brought back to their scale and copies of what is to be shown are kept, and of the state for
the next frame. There a device is a GPU; here it is a second set of arrays.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from eipl_trt_ros.benchmark.loop import Array, WholeModelCase
from eipl_trt_ros.benchmark.plain import plain_session
from eipl_trt_ros.bundle import Bundle


class PaperCase(WholeModelCase):
    """
    EIPL's ONNX export in ONNX Runtime, with the data paths of the paper's code.

    Args:
        name: of the case.
        bundle: the model; its weights are exported to a temporary file.
        threads: CPU threads for one inference.

    """

    def __init__(self, name: str, bundle: Bundle, threads: int) -> None:
        super().__init__(name, bundle)
        self._session: Any = plain_session(bundle, threads)
        self._binding = self._session.io_binding()
        self._taken = _bound(self._session.get_inputs(), self._binding.bind_input)
        self._given = _bound(self._session.get_outputs(), self._binding.bind_output)
        self._host = [np.zeros_like(array) for array in self._given]
        self._kept: list[Array] = []

    def infer(self, image: Array, joints: Array) -> tuple[Array, Array]:
        """Copy in, run, copy out, keep; see `WholeModelCase`."""
        *_, h, c = self._host
        for device, host in zip(self._taken, (image, joints, h, c), strict=True):
            np.copyto(device, host)
        self._session.run_with_iobinding(self._binding)
        for host, device in zip(self._host, self._given, strict=True):
            np.copyto(host, device)
        self._kept = [array.copy() for array in self._host[:-2]]
        return self._host[0], self._host[1]

    def close(self) -> None:
        """Let the session go; see `Case`."""
        self._session = self._binding = None


def _bound(ends: Any, bind: Any) -> list[Array]:
    arrays = [np.zeros(end.shape, np.float32) for end in ends]
    for end, array in zip(ends, arrays, strict=True):
        bind(end.name, 'cpu', 0, np.float32, list(array.shape), array.ctypes.data)
    return arrays
