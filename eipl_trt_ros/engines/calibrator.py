# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
TensorRT's own int8 calibration, the way of the paper, for the versions that have it (8.5 to 10).

TensorRT runs the graph in fp32 on the frames of demonstrations and finds the ranges of its values
itself. A frame has the LSTM's state that the fp32 model has there, from a rollout on the CPU.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from eipl_trt_ros.backends.device import Device, byte_count
from eipl_trt_ros.spec import TensorSpec

_log = logging.getLogger(__name__)


class Batches(Protocol):
    """What TensorRT calibrates with."""

    def following(self, names: Sequence[str]) -> list[int]:
        """Return where the next frame's inputs lie on the device; nothing after the last."""

    def read_cache(self) -> bytes:
        """Return what an earlier calibration found; empty if there was none."""

    def write_cache(self, found: bytes) -> None:
        """Keep what was found."""


class DeviceBatches:
    """
    Puts frames on a device, one at a time, each in the place of the one before.

    Args:
        device: where; the memory is left to its `close`.
        inputs: of the graph.
        frames: the inputs of each frame by name.
        cache: what an earlier calibration found.
        keep: called with what this one finds.

    """

    def __init__(
        self,
        device: Device,
        inputs: Sequence[TensorSpec],
        frames: Iterable[Mapping[str, NDArray[Any]]],
        cache: bytes,
        keep: Callable[[bytes], None],
    ) -> None:
        self._device = device
        self._frames = iter(frames)
        self._cache = cache
        self._keep = keep
        self._places: dict[str, tuple[NDArray[Any], NDArray[np.uint8], int]] = {}
        with device.current():
            for spec in inputs:
                size = byte_count(spec.shape, spec.dtype)
                host = device.page_locked(size)
                view = host.view(spec.dtype).reshape(spec.shape)
                self._places[spec.name] = view, host, device.allocate(size)
            device.synchronize()

    def following(self, names: Sequence[str]) -> list[int]:
        """See `Batches`."""
        frame = next(self._frames, None)
        if frame is None:
            return []
        with self._device.current():
            for name, (view, host, address) in self._places.items():
                np.copyto(view, frame[name])
                self._device.copy_in(address, host)
            self._device.synchronize()
        return [self._places[name][2] for name in names]

    def read_cache(self) -> bytes:
        """See `Batches`."""
        return self._cache

    def write_cache(self, found: bytes) -> None:
        """See `Batches`."""
        self._keep(found)


def make_calibrator(trt: Any, batches: Batches) -> Any:
    """
    Make what TensorRT asks for batches while it builds.

    Nothing may be raised into TensorRT: its calls cannot take an exception, and the process would
    end. What is raised ends the batches instead, and is kept in ``failure`` to be raised after
    the build.

    Args:
        trt: TensorRT's module, one that has calibrators.
        batches: what to calibrate with.

    Returns:
        An ``IInt8EntropyCalibrator2`` with the attribute ``failure``, at first None.

    """

    class Calibrator(trt.IInt8EntropyCalibrator2):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            trt.IInt8EntropyCalibrator2.__init__(self)
            self.failure: BaseException | None = None

        def get_batch_size(self) -> int:
            return 1

        def get_batch(self, names: Sequence[str]) -> list[int] | None:
            return self._guarded(lambda: batches.following(names) or None)

        def read_calibration_cache(self) -> bytes | None:
            return self._guarded(lambda: batches.read_cache() or None)

        def write_calibration_cache(self, cache: Any) -> None:
            self._guarded(lambda: batches.write_cache(bytes(cache)))

        def _guarded(self, work: Callable[[], Any]) -> Any:
            if self.failure is not None:
                return None
            try:
                return work()
            except BaseException as error:  # see above
                self.failure = error
                _log.info('calibration ends: %s', error)
                return None

    return Calibrator()
