# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""How long an engine takes on the device that it is for."""

from __future__ import annotations

import logging
import statistics
from collections.abc import Callable
from pathlib import Path

from eipl_trt_ros.backends.device import Device, byte_count
from eipl_trt_ros.engines.automatic import Timer
from eipl_trt_ros.engines.kernels import KernelFile
from eipl_trt_ros.engines.manifest import Manifest
from eipl_trt_ros.engines.runtime import Engine
from eipl_trt_ros.engines.tensorrt_api import TensorRT
from eipl_trt_ros.errors import BackendError, EngineError, MissingPackageError

_log = logging.getLogger(__name__)

_WARM_UP = 20
_RUNS = 200


def engine_time(device: Device, load: Callable[[], Engine]) -> float:
    """
    Measure an engine alone, without copies, as frames run it: recorded where that can be.

    Args:
        device: where; all of its memory is taken and left to its `close`.
        load: gives the engine; called on the device.

    Returns:
        Microseconds, the median of many runs on inputs of zeros.

    Raises:
        EngineError: the engine is refused.
        BackendError: it cannot be run.

    """
    with device.current():
        engine = load()
        try:
            for spec in (*engine.inputs, *engine.outputs):
                size = byte_count(spec.shape, spec.dtype)
                engine.set_address(spec.name, device.allocate(size))
            run = _recorded(device, engine)
            for _ in range(_WARM_UP):
                run()
            device.synchronize()
            times = []
            for _ in range(_RUNS):
                device.mark(0)
                run()
                device.mark(1)
                device.synchronize()
                times.append(device.elapsed(0, 1))
        finally:
            engine.close()
    return statistics.median(times) / 1e3


def make_timer(tensorrt: TensorRT, folder: Path, gpu: int = 0) -> Timer:
    """
    Make what measures the engines of a folder on a GPU, see `engine_time`.

    Where kernels are compiled at load, they are kept beside the plan: what opens the engine next
    need not wait for them. What cannot be measured is told in the log, and its time is unknown.
    """

    def time(manifest: Manifest, plan: bytes) -> float | None:
        from eipl_trt_ros.backends.cuda import CudaDevice  # noqa: PLC0415

        title = f'{manifest.recipe.graph} {manifest.recipe.precision}'
        kernels = KernelFile(folder / manifest.plan)
        try:
            device = CudaDevice(gpu)
            try:
                return engine_time(device, lambda: tensorrt.load(plan, title, kernels))
            finally:
                device.close()
        except (BackendError, EngineError, MissingPackageError) as error:
            _log.warning('the time of %s is unknown: %s', title, error)
            return None

    return time


def _recorded(device: Device, engine: Engine) -> Callable[[], None]:
    def run() -> None:
        engine.enqueue(device.stream)

    run()  # a first run does what must not be recorded
    device.synchronize()
    try:
        return device.record(run)
    except BackendError:
        return run
