# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
The calls of the CUDA driver that pycuda lacks, or that a frame cannot wait for pycuda to make.

pycuda has none for recording a stream, its events tell no handle to record them with, and its
page-locked memory can be freed only by the thread that made the context. Names and constants are
those of ``cuda.h``; all calls are in CUDA 11.4 (JetPack 5) already.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from typing import Any

from eipl_trt_ros.errors import BackendError

CAPTURE_THREAD_LOCAL = 1  # CU_STREAM_CAPTURE_MODE_THREAD_LOCAL: other threads may call CUDA
RECORD_EXTERNAL = 1  # CU_EVENT_RECORD_EXTERNAL: recorded work takes the time at each replay
HOST_PORTABLE_AND_MAPPED = 3  # CU_MEMHOSTALLOC_PORTABLE | CU_MEMHOSTALLOC_DEVICEMAP

_LIBRARY = 'libcuda.so.1'
_HANDLE, _OUT = ctypes.c_void_p, ctypes.c_void_p
_SHORT_CALLS: dict[str, tuple[Any, ...]] = {
    'cuCtxPushCurrent_v2': (_HANDLE,),
    'cuCtxPopCurrent_v2': (_OUT,),
    'cuCtxGetCurrent': (_OUT,),
    'cuEventCreate': (_OUT, ctypes.c_uint),
    'cuEventDestroy_v2': (_HANDLE,),
    'cuEventRecordWithFlags': (_HANDLE, _HANDLE, ctypes.c_uint),
    'cuEventElapsedTime': (_OUT, _HANDLE, _HANDLE),
    'cuGraphDestroy': (_HANDLE,),
    'cuGraphExecDestroy': (_HANDLE,),
    'cuGraphInstantiateWithFlags': (_OUT, _HANDLE, ctypes.c_ulonglong),
    'cuGraphLaunch': (_HANDLE, _HANDLE),
    'cuGraphUpload': (_HANDLE, _HANDLE),
    'cuMemFreeHost': (_HANDLE,),
    'cuMemHostAlloc': (_OUT, ctypes.c_size_t, ctypes.c_uint),
    'cuMemHostGetDevicePointer_v2': (_OUT, _HANDLE, ctypes.c_uint),
    'cuStreamBeginCapture_v2': (_HANDLE, ctypes.c_int),
    'cuStreamEndCapture': (_HANDLE, _OUT),
}
_WAITING_CALLS: dict[str, tuple[Any, ...]] = {'cuStreamSynchronize': (_HANDLE,)}


class Driver:
    """
    The driver's functions, ready to be called; those that wait let other Python threads run.

    The others keep Python's lock: giving it up and asking for it again, several times a frame,
    would let every thread in between.

    Raises:
        BackendError: there is no driver, or it lacks a call.

    """

    def __init__(self) -> None:
        try:
            waiting, short = ctypes.CDLL(_LIBRARY), ctypes.PyDLL(_LIBRARY)
            self._functions = {
                name: _bound(library, name, arguments)
                for library, calls in ((waiting, _WAITING_CALLS), (short, _SHORT_CALLS))
                for name, arguments in calls.items()
            }
            self._error_name = _bound(short, 'cuGetErrorName', (ctypes.c_int, _OUT))
        except (OSError, AttributeError) as error:
            msg = f'the CUDA driver cannot be used: {error}'
            raise BackendError(msg) from None

    def __getitem__(self, function: str) -> Callable[..., int]:
        """Return a function as it is, for calls whose result is looked at elsewhere."""
        return self._functions[function]

    def call(self, function: str, *arguments: Any) -> None:
        """
        Call a function.

        Raises:
            BackendError: it failed.

        """
        result = self._functions[function](*arguments)
        if result != 0:
            raise self.failure(function, result)

    def failure(self, function: str, result: int) -> BackendError:
        """Return the error for a result that is not 0."""
        name = ctypes.c_char_p()
        self._error_name(result, ctypes.byref(name))
        return BackendError(f'{function} gave {(name.value or b"error").decode()} ({result})')


def _bound(library: Any, name: str, arguments: tuple[Any, ...]) -> Callable[..., int]:
    function: Callable[..., int] = getattr(library, name)
    function.argtypes, function.restype = arguments, ctypes.c_int  # type: ignore[attr-defined]
    return function


@functools.cache
def find_driver() -> Driver:
    """Return the driver of this machine; the same object at every call."""
    return Driver()
