# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Power straight from the INA3221 sensors of a Jetson board, by the kernel's hwmon files.

It needs no service and no package. Each sensor has up to three channels with a label each;
channels are known by their labels, never by their numbers, which change between boards and boots.
Voltage and current are two reads, a fraction of a millisecond apart.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from eipl_trt_ros.energy.history import PowerSample
from eipl_trt_ros.energy.sources.base import (
    INPUT_RAILS,
    MAXIMUM_W,
    Backoff,
    HealingSource,
    SourceInfo,
    SourceState,
    SourceStatus,
    scope_of_board,
)

_LOG = logging.getLogger(__name__)
_REMEDY = (
    'on a Jetson with JetPack 5 or 6: load the driver (sudo modprobe ina3221), and in a container '
    'mount /sys'
)
_TEMPERATURE_PERIOD_NS = 1_000_000_000  # they are slow, and many files
_SETTINGS = ('samples', 'update_interval')


@dataclass(frozen=True)
class Channel:
    """
    One channel of a sensor.

    Attributes:
        label: name of its rail.
        voltage: file with mV.
        current: file with mA.

    """

    label: str
    voltage: Path
    current: Path

    def power_mw(self) -> float:
        """Read the power, in mW."""
        return int(self.voltage.read_text()) * int(self.current.read_text()) / 1000.0


def find_sensors(root: Path) -> list[Path]:
    """Return the hwmon folders of all INA3221 under a file system's root, in a stable order."""
    folders = []
    for name in sorted((root / 'sys/bus/i2c/devices').glob('*/name')):
        if 'ina3221' in _text(name):
            folders += sorted((name.parent / 'hwmon').glob('hwmon*'))
    return folders


def find_channels(sensor: Path) -> list[Channel]:
    """Return the connected channels of a sensor."""
    channels = []
    for number in (1, 2, 3):  # higher ones are sums of shunt voltages
        label = _text(sensor / f'in{number}_label')
        current = sensor / f'curr{number}_input'
        if label and label != 'NC' and current.exists():
            channels.append(Channel(label, sensor / f'in{number}_input', current))
    return channels


def read_temperatures(root: Path) -> dict[str, float]:
    """Return the temperatures of all zones that are on, in degrees Celsius."""
    temperatures = {}
    for zone in sorted((root / 'sys/class/thermal').glob('thermal_zone*')):
        name, text = _text(zone / 'type'), _text(zone / 'temp')
        if name and text.lstrip('-').isdigit():
            temperatures[name.removesuffix('-thermal')] = int(text) / 1000.0
    return temperatures


class Ina3221Source(HealingSource):
    """
    Reads the sensors whenever it is asked.

    Args:
        interval_s: time between reads, kept by the caller.
        root: root of the file system.
        backoff: waits between looks for sensors that are not there.

    """

    def __init__(
        self, interval_s: float, root: Path = Path('/'), backoff: Backoff | None = None
    ) -> None:
        total, scope = scope_of_board(INPUT_RAILS[0])
        super().__init__(SourceInfo('ina3221', '', total, scope, interval_s, MAXIMUM_W), backoff)
        self._root = root
        self._channels: list[Channel] = []
        self._retry_ns = 0
        self._temperatures: dict[str, float] = {}
        self._temperatures_ns = 0

    def open(self) -> None:
        """Look for the sensors."""
        sensors = find_sensors(self._root)
        self._channels = [channel for sensor in sensors for channel in find_channels(sensor)]
        if not self._channels:
            self._fail('this machine has no INA3221 power sensor')
            return
        labels = [channel.label for channel in self._channels]
        inputs = [rail for rail in INPUT_RAILS if rail in labels]
        total, scope = scope_of_board(inputs[0] if inputs else None)
        settings = {
            f'{sensor.name} {name}': _text(sensor / name)
            for sensor in sensors
            for name in _SETTINGS
            if (sensor / name).exists()
        }
        self._info = replace(self._info, total=total, scope=scope, settings=settings)
        self._status = SourceStatus(SourceState.READY, f'reading {", ".join(labels)}')

    def read(self) -> Sequence[PowerSample]:
        """Read all channels once."""
        if not self._channels:
            if time.monotonic_ns() < self._retry_ns:
                return []
            self.open()
        try:
            begin_ns = time.monotonic_ns()
            powers = {channel.label: channel.power_mw() for channel in self._channels}
            stamp_ns = (begin_ns + time.monotonic_ns()) // 2
        except (OSError, ValueError) as error:
            _LOG.debug('ina3221', exc_info=True)
            self._channels = []  # the sensor may come back under another number
            self._fail(f'an INA3221 cannot be read: {error}')
            return []
        if not powers:
            return []
        self._backoff.reset()
        total = powers.pop(self._info.total, None)
        if total is None:
            total = sum(powers.values())
        if stamp_ns - self._temperatures_ns > _TEMPERATURE_PERIOD_NS:
            self._temperatures = read_temperatures(self._root)
            self._temperatures_ns = stamp_ns
        return [PowerSample(stamp_ns, total, powers, temperatures_c=self._temperatures)]

    def _fail(self, reason: str) -> None:
        self._retry_ns = time.monotonic_ns() + round(self._backoff.next() * 1e9)
        self._status = SourceStatus(SourceState.FAILED, reason, _REMEDY)

    def close(self) -> None:
        """Forget the sensors."""
        self._channels = []


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ''
