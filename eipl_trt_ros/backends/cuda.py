# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
A GPU through pycuda, on its primary context, which TensorRT uses as well.

The context is made current for a call and taken off again, whatever happens: a context that is
left on a thread's stack aborts the process at exit, and another thread's calls fail without one.
pycuda has no calls for recording a stream, and its events tell no handle to record them with, so
those go to the CUDA driver's library directly.
"""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eipl_trt_ros.backends.device import MARKS
from eipl_trt_ros.errors import BackendError, require

_LIBRARY = 'libcuda.so.1'
_CAPTURE_THREAD_LOCAL = 1  # CU_STREAM_CAPTURE_MODE_THREAD_LOCAL: other threads may call CUDA
_RECORD_EXTERNAL = 1  # CU_EVENT_RECORD_EXTERNAL: the recorded work takes the time at each replay


class CudaDevice:
    """
    See `eipl_trt_ros.backends.device.Device`.

    Args:
        index: which GPU.

    Raises:
        MissingPackageError: pycuda is not installed.
        BackendError: there is no such GPU.

    """

    def __init__(self, index: int = 0) -> None:
        self._cuda: Any = require(
            'pycuda.driver', install='pip install pycuda', needed_for='the tensorrt backend'
        )
        try:
            self._cuda.init()
            device = self._cuda.Device(index)
            self._context = device.retain_primary_context()
        except self._cuda.Error as error:
            msg = f'there is no usable GPU: {error}'
            raise BackendError(msg) from None
        self.name = device.name()
        self._driver = ctypes.CDLL(_LIBRARY)
        self._memory: list[Any] = []
        self._recordings: list[ctypes.c_void_p] = []
        self._recording = False
        self._open = True
        self._events = [ctypes.c_void_p() for _ in range(MARKS)]
        with self.current():
            self._stream = self._cuda.Stream()
            for event in self._events:
                self._call('cuEventCreate', ctypes.byref(event), 0)
        self.stream = int(self._stream.handle)

    @contextlib.contextmanager
    def current(self) -> Iterator[None]:
        """See `Device`."""
        self._context.push()
        try:
            yield
        except self._cuda.Error as error:
            msg = f'{self.name}: {error}'
            raise BackendError(msg) from error
        finally:
            self._cuda.Context.pop()

    def page_locked(self, shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
        """See `Device`."""
        array: NDArray[Any] = self._cuda.pagelocked_zeros(shape, np.dtype(dtype))
        return array

    def allocate(self, size: int) -> int:
        """See `Device`."""
        memory = self._cuda.mem_alloc(size)
        self._memory.append(memory)
        self.clear(int(memory), size)
        return int(memory)

    def copy_in(self, address: int, array: NDArray[Any]) -> None:
        """See `Device`."""
        self._cuda.memcpy_htod_async(address, array, self._stream)

    def copy_out(self, array: NDArray[Any], address: int) -> None:
        """See `Device`."""
        self._cuda.memcpy_dtoh_async(array, address, self._stream)

    def clear(self, address: int, size: int) -> None:
        """See `Device`."""
        self._cuda.memset_d8_async(address, 0, size, self._stream)

    def mark(self, index: int) -> None:
        """See `Device`."""
        flags = _RECORD_EXTERNAL if self._recording else 0
        stream = ctypes.c_void_p(self.stream)
        self._call('cuEventRecordWithFlags', self._events[index], stream, flags)

    def elapsed(self, first: int, second: int) -> int:
        """See `Device`."""
        milliseconds = ctypes.c_float()
        events = self._events[first], self._events[second]
        self._call('cuEventElapsedTime', ctypes.byref(milliseconds), *events)
        return round(milliseconds.value * 1e6)

    def synchronize(self) -> None:
        """See `Device`."""
        self._stream.synchronize()

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        """See `Device`."""
        stream, graph = ctypes.c_void_p(self.stream), ctypes.c_void_p()
        self._call('cuStreamBeginCapture_v2', stream, _CAPTURE_THREAD_LOCAL)
        self._recording = True
        try:
            work()
        except (BackendError, self._cuda.Error) as error:
            self._driver.cuStreamEndCapture(stream, ctypes.byref(graph))
            msg = f'a frame cannot be recorded: {error}'
            raise BackendError(msg) from error
        finally:
            self._recording = False
        self._call('cuStreamEndCapture', stream, ctypes.byref(graph))
        recording = ctypes.c_void_p()
        try:
            self._call(
                'cuGraphInstantiateWithFlags',
                ctypes.byref(recording),
                graph,
                ctypes.c_ulonglong(0),
            )
        finally:
            self._driver.cuGraphDestroy(graph)
        self._recordings.append(recording)
        launch = self._driver.cuGraphLaunch

        def replay() -> None:
            result = launch(recording, stream)
            if result != 0:
                msg = f'{self.name}: cuGraphLaunch gave CUDA error {result}'
                raise BackendError(msg)

        return replay

    def _call(self, function: str, *arguments: Any) -> None:
        result = getattr(self._driver, function)(*arguments)
        if result != 0:
            msg = f'{self.name}: {function} gave CUDA error {result}'
            raise BackendError(msg)

    def close(self) -> None:
        """See `Device`."""
        if not self._open:
            return
        self._open = False
        with self.current():
            for recording in self._recordings:
                self._driver.cuGraphExecDestroy(recording)
            for event in self._events:
                self._driver.cuEventDestroy_v2(event)
            for memory in self._memory:
                memory.free()
            self._stream = None
