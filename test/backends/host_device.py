# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A device in the host's memory, as lazy as a real one, and ONNX Runtime's engines for it."""

from __future__ import annotations

import contextlib
import ctypes
import time
from collections.abc import Callable, Iterator

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from eipl_trt_ros.backends.device import MARKS, byte_count
from eipl_trt_ros.backends.shared_inputs import SharedInputs
from eipl_trt_ros.backends.tensorrt import TensorRTBackend
from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.errors import BackendError


class HostDevice:
    """
    Does nothing until it is waited for, and then everything in order, like a stream.

    What is asked for outside of a ``current`` block, or after `close`, is an error, and so is an
    array that is not page-locked. Several of them are one device's streams: what one has
    allocated, the others reach as long as it is open.
    """

    name = 'host'
    stream = 1

    def __init__(self, *, records: bool = True, beside: HostDevice | None = None) -> None:
        self.depth = 0
        self.open = True
        self.records = records
        self.replays = 0
        self.allocations = 0
        self.broken: str | None = None
        self._queue: list[Callable[[], None]] = []
        self._arrays: dict[int, NDArray] = {} if beside is None else beside._arrays
        self._allocated: list[int] = []
        self.copied_in: list[int] = []
        """Sizes of the copies to the device, in their order."""
        self._times = [0] * MARKS

    @contextlib.contextmanager
    def current(self) -> Iterator[None]:
        assert self.open, 'the device is closed'
        self.depth += 1
        try:
            yield
        finally:
            self.depth -= 1

    def page_locked(self, size: int) -> NDArray:
        return self._keep(np.zeros(size, np.uint8))

    def mapped(self, array: NDArray) -> int:
        assert array.ctypes.data in self._arrays
        return array.ctypes.data

    def allocate(self, size: int) -> int:
        self._allocated.append(self._keep(np.zeros(size, np.uint8)).ctypes.data)
        return self._allocated[-1]

    def _keep(self, array: NDArray) -> NDArray:
        assert self.depth == 1
        self.allocations += 1
        self._arrays[array.ctypes.data] = array
        return array

    def put(self, work: Callable[[], None]) -> None:
        assert self.depth == 1, 'the device is not current'
        self._queue.append(work)

    def copy_in(self, address: int, array: NDArray) -> None:
        self._move(address, array.ctypes.data, array.nbytes)
        self.put(lambda: self.copied_in.append(array.nbytes))

    def copy_out(self, array: NDArray, address: int) -> None:
        self._move(array.ctypes.data, address, array.nbytes)

    def _move(self, target: int, source: int, size: int) -> None:
        for address in (target, source):
            self.array(address, size)
        self.put(lambda: ctypes.memmove(target, source, size) and None)

    def clear(self, address: int, size: int) -> None:
        assert self._arrays[address].nbytes == size
        self.put(lambda: ctypes.memset(address, 0, size) and None)

    def mark(self, index: int) -> None:
        def take() -> None:
            self._times[index] = time.perf_counter_ns()

        self.put(take)

    def elapsed(self, first: int, second: int) -> int:
        assert self.depth == 1
        return self._times[second] - self._times[first]

    def synchronize(self) -> None:
        assert self.depth == 1
        queue, self._queue = self._queue, []
        if self.broken is not None:
            raise BackendError(self.broken)
        for work in queue:
            work()

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        if not self.records:
            msg = 'a frame cannot be recorded: not today'
            raise BackendError(msg)
        before, self._queue = self._queue, []
        work()
        recorded, self._queue = self._queue, before

        def replay() -> None:
            self.replays += 1
            for step in recorded:
                self.put(step)

        return replay

    def array(self, address: int, size: int) -> NDArray:
        """Return so many bytes of what was allocated, and where they are."""
        start = max(place for place in self._arrays if place <= address)
        begin = address - start
        assert begin + size <= self._arrays[start].nbytes
        return self._arrays[start][begin : begin + size]

    def close(self) -> None:
        assert self.depth == 0
        for address in self._allocated:
            self._arrays.pop(address, None)
        self.open = False


class HostEngine:
    """Runs a bundle's graph on addresses of a `HostDevice`."""

    def __init__(self, bundle: Bundle, graph: str, device: HostDevice) -> None:
        self.inputs = bundle.model.graph_inputs(graph)
        self.outputs = bundle.model.graph_outputs(graph)
        self.open = True
        self.fails = False
        self._device = device
        self._places: dict[str, int] = {}
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            str(bundle.cpu_graph_path(graph)), options, providers=['CPUExecutionProvider']
        )

    def set_address(self, name: str, address: int) -> None:
        assert name in {spec.name for spec in (*self.inputs, *self.outputs)}
        self._places[name] = address

    def enqueue(self, stream: int) -> None:
        assert self.open
        assert stream == self._device.stream
        if self.fails:
            msg = 'the engine failed to start'
            raise BackendError(msg)
        places = dict(self._places)

        def run() -> None:
            def view(spec) -> NDArray:
                size = byte_count(spec.shape, spec.dtype)
                found = self._device.array(places[spec.name], size)
                return found.view(spec.dtype).reshape(spec.shape)

            feed = {spec.name: view(spec) for spec in self.inputs}
            names = [spec.name for spec in self.outputs]
            for spec, value in zip(self.outputs, self._session.run(names, feed), strict=True):
                view(spec)[...] = value

        self._device.put(run)

    def close(self) -> None:
        self.open = False


class Rig:
    """A backend on a host device, with its engines at hand."""

    def __init__(
        self,
        bundle: Bundle,
        *,
        mixing: bool = False,
        records: bool = True,
        recorded: bool = True,
        host_memory: str = 'auto',
        shared: SharedInputs | None = None,
        beside: HostDevice | None = None,
    ) -> None:
        self.device = HostDevice(records=records, beside=beside)
        self.engines: dict[str, HostEngine] = {}

        def load(graph: str) -> HostEngine:
            assert self.device.depth == 1
            self.engines[graph] = HostEngine(bundle, graph, self.device)
            return self.engines[graph]

        self.backend = TensorRTBackend(
            bundle,
            'fp32',
            self.device,
            load,
            mixing=mixing,
            recorded=recorded,
            host_memory=host_memory,
            shared=shared,
        )


def joints_at(bundle: Bundle, frame: int) -> NDArray:
    """Return joints that swing inside a bundle's bounds."""
    share = 0.5 + 0.4 * np.sin(frame + np.arange(bundle.model.joint_dim))
    span = bundle.joint_maximum - bundle.joint_minimum
    return (bundle.joint_minimum + share * span).astype(np.float32)
