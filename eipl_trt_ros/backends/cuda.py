# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
A GPU through pycuda, on its primary context, which TensorRT uses as well.

The context is made current for a call and taken off again, whatever happens: another thread's
calls fail without one. Frames do this by the driver. pycuda has a stack of contexts of its own,
where its objects look for theirs, and aborts the process when a thread ends that has one on it; a
daemon thread may end in any frame. So one is there only while pycuda's objects are made or freed.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import gc
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eipl_trt_ros.backends import driver
from eipl_trt_ros.backends.device import MARKS
from eipl_trt_ros.backends.driver import Driver, find_driver
from eipl_trt_ros.errors import BackendError, require


class CudaDevice:
    """
    See `eipl_trt_ros.backends.device.Device`.

    Waiting for the stream is left to the driver's own choice (CU_CTX_SCHED_AUTO): on a computer
    it looks again and again, which burns no more than the frame's own time and wakes up at once.

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
            context = _primary_context(index)
        except self._cuda.Error as error:
            msg = f'there is no usable GPU: {error}'
            raise BackendError(msg) from None
        self._driver = find_driver()
        self._context = int(context.handle)
        self._current = _Current(self._driver, self._context, self._cuda.Error)
        self._of_pycuda = _OfPycuda(self._cuda, context)
        self._memory: list[Any] = []
        self._recordings: list[ctypes.c_void_p] = []
        self._recording = False
        self._open = True
        self._events = [ctypes.c_void_p() for _ in range(MARKS)]
        self._milliseconds = ctypes.c_float()
        self._synchronize = self._driver['cuStreamSynchronize']
        with self._current, self._of_pycuda:
            self.name: str = self._cuda.Context.get_device().name()
            self._stream = self._cuda.Stream()
            self.stream = int(self._stream.handle)
            for event in self._events:
                self._driver.call('cuEventCreate', ctypes.byref(event), 0)

    def current(self) -> AbstractContextManager[None]:
        """See `Device`."""
        return self._current

    def page_locked(self, size: int) -> NDArray[np.uint8]:
        """See `Device`."""
        place = ctypes.c_void_p()
        flags = driver.HOST_PORTABLE_AND_MAPPED
        self._driver.call('cuMemHostAlloc', ctypes.byref(place), size, flags)
        buffer = (ctypes.c_uint8 * size).from_address(place.value or 0)
        # not at `close`: somebody may still look at an array then, in whatever thread
        freeing = weakref.finalize(buffer, _free_host, self._driver, self._context, place)
        freeing.atexit = False
        array: NDArray[np.uint8] = np.ctypeslib.as_array(buffer)
        array[:] = 0
        return array

    def mapped(self, array: NDArray[np.uint8]) -> int:
        """See `Device`."""
        address = ctypes.c_uint64()
        place = array.ctypes.data
        self._driver.call('cuMemHostGetDevicePointer_v2', ctypes.byref(address), place, 0)
        return address.value

    def allocate(self, size: int) -> int:
        """See `Device`."""
        with self._of_pycuda:
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
        flags = driver.RECORD_EXTERNAL if self._recording else 0
        self._driver.call('cuEventRecordWithFlags', self._events[index], self.stream, flags)

    def elapsed(self, first: int, second: int) -> int:
        """See `Device`."""
        events = self._events[first], self._events[second]
        self._driver.call('cuEventElapsedTime', ctypes.byref(self._milliseconds), *events)
        return round(self._milliseconds.value * 1e6)

    def synchronize(self) -> None:
        """See `Device`."""
        result = self._synchronize(self.stream)
        if result != 0:
            raise self._driver.failure('cuStreamSynchronize', result)

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        """See `Device`."""
        with _no_collection():
            graph = self._capture(work)
        recording = ctypes.c_void_p()
        try:
            self._driver.call('cuGraphInstantiateWithFlags', ctypes.byref(recording), graph, 0)
        finally:
            self._driver['cuGraphDestroy'](graph)
        self._recordings.append(recording)
        self._driver.call('cuGraphUpload', recording, self.stream)
        launch, stream, failure = self._driver['cuGraphLaunch'], self.stream, self._driver.failure

        def replay() -> None:
            result = launch(recording, stream)
            if result != 0:
                raise failure('cuGraphLaunch', result)

        return replay

    def _capture(self, work: Callable[[], None]) -> ctypes.c_void_p:
        graph = ctypes.c_void_p()
        end = self._driver['cuStreamEndCapture']
        self._driver.call('cuStreamBeginCapture_v2', self.stream, driver.CAPTURE_THREAD_LOCAL)
        self._recording = True
        try:
            work()
        except BaseException as error:
            if end(self.stream, ctypes.byref(graph)) == 0:
                self._driver['cuGraphDestroy'](graph)
            if isinstance(error, (BackendError, self._cuda.Error)):
                msg = f'a frame cannot be recorded: {error}'
                raise BackendError(msg) from error
            raise
        finally:
            self._recording = False
        result = end(self.stream, ctypes.byref(graph))
        if result != 0:
            msg = (
                f'a frame cannot be recorded: {self._driver.failure("cuStreamEndCapture", result)}'
            )
            raise BackendError(msg)
        return graph

    def close(self) -> None:
        """See `Device`; goes on where the GPU has failed, which then refuses each of these."""
        if not self._open:
            return
        self._open = False
        with self._current, self._of_pycuda:
            with contextlib.suppress(BackendError):
                self.synchronize()
            for recording in self._recordings:
                self._driver['cuGraphExecDestroy'](recording)
            for event in self._events:
                self._driver['cuEventDestroy_v2'](event)
            for memory in self._memory:
                memory.free()
            self._memory.clear()
            self._stream = None


class _Current:
    """
    Makes a context the thread's own for a block; may be entered again, and by any thread.

    Args:
        calls: the driver.
        context: the context's handle.
        error: pycuda's, which comes out of the block as a BackendError.

    """

    def __init__(self, calls: Driver, context: int, error: type[Exception]) -> None:
        self._push, self._pop = calls['cuCtxPushCurrent_v2'], calls['cuCtxPopCurrent_v2']
        self._context, self._popped = context, ctypes.byref(ctypes.c_void_p())
        self._failure, self._error = calls.failure, error

    def __enter__(self) -> None:
        result = self._push(self._context)
        if result != 0:
            raise self._failure('cuCtxPushCurrent', result)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._pop(self._popped)
        if error is not None and isinstance(error, self._error):
            raise BackendError(' '.join(str(error).split())) from error


class _OfPycuda:
    """Has a context on pycuda's own stack for a block, too, which its objects ask for theirs."""

    def __init__(self, cuda: Any, context: Any) -> None:
        self._push, self._pop = context.push, cuda.Context.pop

    def __enter__(self) -> None:
        self._push()

    def __exit__(self, *_: object) -> None:
        self._pop()


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """
    Keep Python's collector still.

    It would free page-locked memory of what is unreachable, which a recording does not survive.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@functools.cache
def _primary_context(index: int) -> Any:
    """
    Return pycuda's handle of a GPU's primary context; the same object at every call.

    It is kept for the life of the process, as the CUDA runtime under TensorRT keeps the context
    itself, so that giving it back would free nothing. And pycuda could not give it back: it
    pushes a context that is not current to do so, and takes it for granted that this pops it
    again, which is not so for a primary context.
    """
    cuda = require('pycuda.driver', install='pip install pycuda', needed_for='a GPU')
    cuda.init()
    return cuda.Device(index).retain_primary_context()


def _free_host(calls: Driver, context: int, place: ctypes.c_void_p) -> None:
    """Free page-locked memory that nobody looks at any more."""
    if calls['cuCtxPushCurrent_v2'](context) == 0:
        calls['cuMemFreeHost'](place)
        calls['cuCtxPopCurrent_v2'](ctypes.byref(ctypes.c_void_p()))
