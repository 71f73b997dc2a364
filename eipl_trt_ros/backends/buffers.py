# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Where the inputs and outputs of engines lie, on the host and on the device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from eipl_trt_ros.backends.device import Device, byte_count
from eipl_trt_ros.spec import TensorSpec

_ALIGNMENT = 256  # of the address of an engine's input or output, in bytes


class Block:
    """
    Values that cross the bus together: side by side in page-locked memory and on the device.

    One copy moves all of them, and each copy that is spared spares its start. An engine may also
    be given their place in the host's memory, which the device then reads and writes itself.

    Args:
        device: is current.
        specs: the values.

    """

    def __init__(self, device: Device, specs: Sequence[TensorSpec]) -> None:
        self._device = device
        starts, size = [], 0
        for spec in specs:
            starts.append(size)
            length = byte_count(spec.shape, spec.dtype)
            size += -(-length // _ALIGNMENT) * _ALIGNMENT
        self._memory = device.page_locked(size)
        self._address = device.allocate(size)
        mapped = device.mapped(self._memory)
        names = [spec.name for spec in specs]
        self.addresses = dict(zip(names, (self._address + start for start in starts), strict=True))
        """Of each value on the device."""
        self.mapped_addresses = dict(zip(names, (mapped + start for start in starts), strict=True))
        """Under which the device reaches each value in the host's memory."""
        self.arrays: dict[str, NDArray[Any]] = {
            spec.name: self._view(spec, start) for spec, start in zip(specs, starts, strict=True)
        }
        """Each value in the host's memory."""

    def _view(self, spec: TensorSpec, start: int) -> NDArray[Any]:
        end = start + byte_count(spec.shape, spec.dtype)
        return self._memory[start:end].view(spec.dtype).reshape(spec.shape)

    def copy_in(self) -> None:
        """Put a copy of all values to the device on the stream."""
        self._device.copy_in(self._address, self._memory)

    def copy_out(self) -> None:
        """Put a copy of all values to the host on the stream."""
        self._device.copy_out(self._memory, self._address)


class Inputs(Block):
    """
    What a frame takes in: the image, and behind it what is small.

    Backends that run one after another may use the same place. Then an image is copied in only by
    the first of them that runs on it, and the others copy what is small.

    Args:
        device: is current.
        specs: the image first.
        shared: whether several backends use it.

    """

    def __init__(self, device: Device, specs: Sequence[TensorSpec], *, shared: bool) -> None:
        super().__init__(device, specs)
        self.shared = shared
        self.image_copied = False
        """Whether the image as it is now was copied in for all that share it."""
        rest = self.addresses[specs[1].name]
        start = rest - self.addresses[specs[0].name]
        self._whole, self._rest = (self._address, self._memory), (rest, self._memory[start:])

    def put(self, device: Device, *, image: bool) -> None:
        """Put a copy of all values, or of all but the image, on the stream of a device."""
        address, memory = self._whole if image else self._rest
        device.copy_in(address, memory)


class Carried:
    """
    A value that a frame takes from the frame before.

    Args:
        device: is current.
        spec: the value.
        count: in how many places it lies in turn.

    """

    def __init__(self, device: Device, spec: TensorSpec, count: int) -> None:
        self.size = byte_count(spec.shape, spec.dtype)
        self.addresses = tuple(device.allocate(self.size) for _ in range(count))
        self._memory = device.page_locked(self.size)
        self.array: NDArray[Any] = self._memory.view(spec.dtype).reshape(spec.shape)
        """The value on the host, when somebody asks for it or sets it."""
        self._device = device

    def copy_in(self, place: int) -> None:
        """Put a copy to one of its places on the stream."""
        self._device.copy_in(self.addresses[place], self._memory)

    def copy_out(self, place: int) -> None:
        """Put a copy from one of its places on the stream."""
        self._device.copy_out(self._memory, self.addresses[place])

    def clear(self, place: int) -> None:
        """Put a filling with zeros on the stream."""
        self._device.clear(self.addresses[place], self.size)
