# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One place for the inputs of models that run side by side on a GPU."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence

from eipl_trt_ros.backends.buffers import Inputs
from eipl_trt_ros.backends.cuda import CudaDevice
from eipl_trt_ros.backends.device import Device
from eipl_trt_ros.closing import Closing
from eipl_trt_ros.robot import CameraSpec
from eipl_trt_ros.spec import TensorSpec


class SharedInputs(Closing):
    """
    Gives backends that take the same picture the same inputs, on the host and on the device.

    The backends run one after another, on one thread: each fills what is its own before it runs,
    and of the picture, which all see, there is one copy a frame.

    Args:
        open_device: gives what owns the memory: the inputs stay while any backend is open, so
            none of the backends' own devices will do. They can all reach it.

    """

    def __init__(self, open_device: Callable[[], Device] = CudaDevice) -> None:
        self._open_device = open_device
        self._devices = contextlib.ExitStack()
        self._found: dict[tuple[CameraSpec, tuple[TensorSpec, ...]], Inputs] = {}

    def find(self, camera: CameraSpec, specs: Sequence[TensorSpec]) -> Inputs:
        """
        Return the inputs of all that shape a picture alike, made at the first call.

        Args:
            camera: how the picture is shaped.
            specs: the inputs, the image first.

        """
        wanted = camera, tuple(specs)
        if wanted not in self._found:
            device = self._open_device()
            self._devices.callback(device.close)
            with device.current():
                self._found[wanted] = Inputs(device, specs, shared=True)
                device.synchronize()
        return self._found[wanted]

    def close(self) -> None:
        """Release the inputs, once all that use them are closed. A second call does nothing."""
        self._devices.close()
