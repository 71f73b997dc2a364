# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The narrow seam through which an engine enters a frame, and TensorRT behind it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Protocol

from eipl_trt_ros.errors import BackendError
from eipl_trt_ros.spec import TensorSpec


class Engine(Protocol):
    """A graph that is ready to run on a device."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    def set_address(self, name: str, address: int) -> None:
        """Tell where an input or output lies in the device's memory, from the next run on."""

    def enqueue(self, stream: int) -> None:
        """
        Put a run on a stream; returns before it is done.

        Raises:
            BackendError: it cannot be put there.

        """

    def close(self) -> None:
        """Release everything. A second call does nothing."""


class TensorRTEngine:
    """
    A deserialised plan with one execution context.

    Args:
        trt: TensorRT's module.
        engine: the deserialised engine.
        context: its execution context; None where TensorRT could not make one.
        title: what it is, for errors.
        last_errors: gives TensorRT's own last words.

    Raises:
        BackendError: there is not enough memory for a context, or a type is none of ours.

    """

    def __init__(
        self, trt: Any, engine: Any, context: Any, title: str, last_errors: Callable[[], str]
    ) -> None:
        self._title, self._last_errors = title, last_errors
        self._engine = engine
        self._context = context
        if self._context is None:
            raise self._failure('cannot be made ready to run')
        # not nptype(): in TensorRT 8 it asks numpy for a name that numpy has no more
        types: dict[Any, Literal['uint8', 'float32']]
        types = {trt.float32: 'float32', trt.uint8: 'uint8'}
        ends: dict[Any, list[TensorSpec]] = {
            mode: [] for mode in (trt.TensorIOMode.INPUT, trt.TensorIOMode.OUTPUT)
        }
        for name in (engine.get_tensor_name(index) for index in range(engine.num_io_tensors)):
            dtype = engine.get_tensor_dtype(name)
            if dtype not in types:
                msg = f'{title}: {name!r} is {dtype}, expected float32 or uint8'
                raise BackendError(msg)
            spec = TensorSpec(name, types[dtype], tuple(engine.get_tensor_shape(name)))
            ends[engine.get_tensor_mode(name)].append(spec)
        self.inputs, self.outputs = (tuple(specs) for specs in ends.values())

    def set_address(self, name: str, address: int) -> None:
        """See `Engine`."""
        if not self._context.set_tensor_address(name, address):
            raise self._failure(f'does not take an address for {name!r}')

    def enqueue(self, stream: int) -> None:
        """See `Engine`."""
        if not self._context.execute_async_v3(stream):
            raise self._failure('failed to start')

    def close(self) -> None:
        """See `Engine`; the context goes before the engine that it belongs to."""
        self._context = None
        self._engine = None

    def _failure(self, what: str) -> BackendError:
        return BackendError(f'{self._title}: the engine {what}: {self._last_errors()}')
