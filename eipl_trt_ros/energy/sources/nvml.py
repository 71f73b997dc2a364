# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Power of an NVIDIA GPU by NVML (the package nvidia-ml-py).

Where the GPU has an energy counter (Volta and newer), energy is its difference. Its power comes in
two kinds: *instant*, where the driver tells it, and nvmlDeviceGetPowerUsage, which on an H200 is
the mean of the second before: it lags behind a load that begins or ends, so it is only taken where
there is no other. A GPU's power does not hold the host's.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import ModuleType
from typing import Any

from eipl_trt_ros.energy.history import PowerSample
from eipl_trt_ros.energy.sources.base import (
    Backoff,
    HealingSource,
    SourceInfo,
    SourceState,
    SourceStatus,
)
from eipl_trt_ros.errors import require

_LOG = logging.getLogger(__name__)
_MAXIMUM_W = 1500.0
_REMEDY = 'check that nvidia-smi works here; in a container, ask for the GPU'


class NvmlSource(HealingSource):
    """
    Reads a GPU whenever it is asked.

    Args:
        interval_s: time between reads, kept by the caller.
        gpu: index of the GPU.
        backoff: waits between tries to reach the driver.

    """

    def __init__(self, interval_s: float, gpu: int = 0, backoff: Backoff | None = None) -> None:
        name = f'GPU {gpu}'
        super().__init__(SourceInfo('nvml', '', name, name, interval_s, _MAXIMUM_W), backoff)
        self._gpu = gpu
        self._nvml: ModuleType | None = None
        self._handle: Any = None
        self._retry_ns = 0

    def open(self) -> None:
        """
        Reach the driver.

        Raises:
            MissingPackageError: nvidia-ml-py is not installed.

        """
        self._nvml = require(
            'pynvml', install='pip install nvidia-ml-py', needed_for='the power source nvml'
        )
        self._connect(self._nvml)

    def _connect(self, nvml: ModuleType) -> None:
        try:
            nvml.nvmlInit()
            handle = nvml.nvmlDeviceGetHandleByIndex(self._gpu)
            name = str(nvml.nvmlDeviceGetName(handle))
            version = str(nvml.nvmlSystemGetDriverVersion())
        except nvml.NVMLError as error:
            with contextlib.suppress(nvml.NVMLError):
                nvml.nvmlShutdown()
            self._fail(f'NVML cannot reach GPU {self._gpu}: {error}')
            return
        self._handle = handle
        scope = f'GPU {self._gpu} ({name}) without its host'
        self._info = replace(self._info, version=version, scope=scope)
        self._status = SourceStatus(SourceState.READY, f'reading {name}')

    def read(self) -> Sequence[PowerSample]:
        """Read power, energy counter and temperature once."""
        nvml = self._nvml
        if nvml is None:
            return []
        if self._handle is None:
            if time.monotonic_ns() < self._retry_ns:
                return []
            self._connect(nvml)
            if self._handle is None:
                return []
        try:
            return self._sample(nvml)
        except nvml.NVMLError as error:
            _LOG.debug('nvml', exc_info=True)
            self._disconnect()
            self._fail(f'GPU {self._gpu} cannot be read: {error}')
            return []

    def _sample(self, nvml: ModuleType) -> Sequence[PowerSample]:
        begin_ns = time.monotonic_ns()
        energy = _supported(nvml, nvml.nvmlDeviceGetTotalEnergyConsumption, self._handle)
        stamp_ns = (begin_ns + time.monotonic_ns()) // 2
        power = _instant_power(nvml, self._handle)
        kind = 'instant'
        if power is None:
            power = _supported(nvml, nvml.nvmlDeviceGetPowerUsage, self._handle)
            kind = 'nvmlDeviceGetPowerUsage, the mean of up to a second'
        if power is not None and self._info.settings.get('power') != kind:
            self._info = replace(self._info, settings={'power': kind})
        heat = _supported(
            nvml, nvml.nvmlDeviceGetTemperature, self._handle, nvml.NVML_TEMPERATURE_GPU
        )
        if power is None and energy is None:
            self._disconnect()
            self._fail(f'GPU {self._gpu} tells neither its power nor its energy')
            return []
        self._backoff.reset()
        temperatures = {} if heat is None else {'GPU': heat}
        return [PowerSample(stamp_ns, power, energy_mj=energy, temperatures_c=temperatures)]

    def _fail(self, reason: str) -> None:
        self._retry_ns = time.monotonic_ns() + round(self._backoff.next() * 1e9)
        self._status = SourceStatus(SourceState.FAILED, reason, _REMEDY)

    def _disconnect(self) -> None:
        if self._nvml is not None and self._handle is not None:
            with contextlib.suppress(self._nvml.NVMLError):
                self._nvml.nvmlShutdown()
        self._handle = None

    def close(self) -> None:
        """Let the driver go."""
        self._disconnect()
        self._nvml = None


def _instant_power(nvml: ModuleType, handle: Any) -> float | None:
    """Return the power now, in mW; None where the GPU or its driver does not tell it."""
    try:
        (field,) = nvml.nvmlDeviceGetFieldValues(handle, [nvml.NVML_FI_DEV_POWER_INSTANT])
    except (nvml.NVMLError, AttributeError):  # an older driver, or an older nvidia-ml-py
        return None
    return float(field.value.uiVal) if field.nvmlReturn == nvml.NVML_SUCCESS else None


def _supported(nvml: ModuleType, read: Callable[..., int], *arguments: Any) -> float | None:
    """Return a reading; None where this GPU does not offer it."""
    try:
        return float(read(*arguments))
    except nvml.NVMLError as error:
        if error.value == nvml.NVML_ERROR_NOT_SUPPORTED:
            return None
        raise
