# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the TensorRT backend needs of a device: memory, one stream, and replay of recorded work."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class Device(Protocol):
    """
    A device with one stream, on which everything below is done in order.

    All calls but `current` and `close` are made inside a ``with device.current()`` block.
    """

    name: str
    """What it is, for people."""
    stream: int
    """Handle of the stream."""

    def current(self) -> AbstractContextManager[None]:
        """Make the device the calling thread's, for the block; restored whatever happens."""

    def page_locked(self, size: int) -> NDArray[np.uint8]:
        """Return so many zeroed bytes of the host that the device can reach on its own."""

    def mapped(self, array: NDArray[np.uint8]) -> int:
        """Return the address under which the device reaches what `page_locked` gave."""

    def allocate(self, size: int) -> int:
        """Return the address of new zeroed device memory of so many bytes."""

    def copy_in(self, address: int, array: NDArray[Any]) -> None:
        """Put a copy from a page-locked array on the stream."""

    def copy_out(self, array: NDArray[Any], address: int) -> None:
        """Put a copy to a page-locked array on the stream."""

    def clear(self, address: int, size: int) -> None:
        """Put a filling with zeros on the stream."""

    def mark(self, index: int) -> None:
        """Put the taking of a time on the stream; in `MARKS` places, written again each time."""

    def elapsed(self, first: int, second: int) -> int:
        """Nanoseconds between two marks that were passed."""

    def synchronize(self) -> None:
        """Wait until the stream is done; raises BackendError if something on it failed."""

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        """
        Record what a function puts on the stream, to put all of it there again in one call.

        Raises:
            BackendError: the work cannot be recorded; the stream is usable as before.

        """

    def close(self) -> None:
        """Release all memory and recordings. A second call does nothing."""


MARKS = 6


def byte_count(shape: tuple[int, ...], dtype: str) -> int:
    """Return the size of an array."""
    return int(np.prod(shape)) * np.dtype(dtype).itemsize
