# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Power as jtop (the package jetson-stats) tells it: the paper's way.

jtop's client talks to the service jtop.service, which reads the board's sensors. Behaviour of the
client that this module is built around, seen with 4.2.12, 4.3.2 and 7.2.2: it reports a lost
service by exceptions of many kinds; ``ok()`` returns False, without a word, when no sample came
for three intervals, but may also hand out the last sample again; a client cannot be started
twice. Samples bear no stamp, but ``uptime`` is the kernel's uptime when the service read them.
The service's own running average (``avg``) depends on its interval and is not used.

The package is under the AGPL: it is imported only when this source is opened, and 7.x then sets
the process's start method of multiprocessing.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import ModuleType
from typing import Any

from eipl_trt_ros.energy.history import PowerSample
from eipl_trt_ros.energy.sources.base import (
    INPUT_RAILS,
    Backoff,
    SourceInfo,
    SourceState,
    SourceStatus,
    scope_of_board,
)
from eipl_trt_ros.errors import EnergyError, require

MAXIMUM_W = 200.0
"""No Jetson module draws more; the largest is sold for 130 W."""

_LOG = logging.getLogger(__name__)
_INSTALL = "sudo pip3 install jetson-stats, in the version of the board's jtop.service"
_SILENT_INTERVALS = 3
_KEPT = 1000  # samples that wait to be read
_JOIN = 2.0  # seconds; a client that hangs in a read is left behind


class _SilentError(Exception):
    """The service is there and sends nothing new."""


class JtopSource:
    """
    Reads jtop.service in a thread of its own, and connects again when it is lost.

    Args:
        interval_s: asked-for time between samples; the first client of the service sets it for
            all, so the true one is in `info` once connected.
        backoff: waits between tries to connect.

    """

    def __init__(self, interval_s: float, backoff: Backoff | None = None) -> None:
        self._interval_s = interval_s
        self._backoff = backoff or Backoff()
        self._inbox: deque[PowerSample] = deque(maxlen=_KEPT)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._last_uptime = -1.0
        total, scope = scope_of_board(INPUT_RAILS[0])
        self._info = SourceInfo('jtop', '', total, scope, interval_s, MAXIMUM_W)
        self._status = SourceStatus(SourceState.WAITING, 'not opened')

    @property
    def info(self) -> SourceInfo:
        """What is measured; total and interval are the service's once connected."""
        return self._info

    @property
    def status(self) -> SourceStatus:
        """How the connection stands."""
        return self._status

    def open(self) -> None:
        """
        Import jtop and begin to connect.

        Raises:
            MissingPackageError: jetson-stats is not installed.

        """
        module = require('jtop', install=_INSTALL, needed_for='the power source jtop')
        version = str(getattr(module, '__version__', ''))
        self._info = replace(self._info, version=version)
        self._status = SourceStatus(SourceState.WAITING, 'connecting to jtop.service')
        self._thread = threading.Thread(
            target=self._run, args=(module,), name='jtop reader', daemon=True
        )
        self._thread.start()

    def read(self) -> Sequence[PowerSample]:
        """Return the samples that came since the last call."""
        samples = []
        while self._inbox:
            samples.append(self._inbox.popleft())
        return samples

    def close(self) -> None:
        """End the thread; one that hangs in the client is left to the process's end."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(_JOIN)

    def _run(self, module: ModuleType) -> None:
        while not self._stop.is_set():
            try:
                self._session(module)
            except Exception as error:  # the client lets through whatever its service caused
                _LOG.debug('jtop', exc_info=True)
                self._status = _explain(error, self._info.version)
            if self._stop.wait(self._backoff.next()):
                return

    def _session(self, module: ModuleType) -> None:
        """Follow one client until it is lost."""
        client = module.jtop(interval=self._interval_s)
        try:
            client.start()
            self._info = replace(self._info, interval_s=float(client.interval))
            self._follow(client)
        finally:
            client.close()

    def _follow(self, client: Any) -> None:
        patience = _SILENT_INTERVALS * max(self._info.interval_s, self._interval_s)
        heard = time.monotonic()
        while not self._stop.is_set():
            alive = client.ok()
            uptime = client.uptime.total_seconds()
            if alive and uptime != self._last_uptime:
                self._take(client, uptime)
                self._last_uptime = uptime
                heard = time.monotonic()
            elif not alive or time.monotonic() - heard > patience:
                raise _SilentError

    def _take(self, client: Any, uptime: float) -> None:
        total, sample = parse_power(client.power, _monotonic(uptime))
        name, scope = scope_of_board(total)
        if name != self._info.total:
            self._info = replace(self._info, total=name, scope=scope)
        mode = client.nvpmodel
        self._inbox.append(
            replace(
                sample,
                temperatures_c=_temperatures(client.temperature),
                power_mode=None if mode is None else str(mode.name),
            )
        )
        self._backoff.reset()
        self._status = SourceStatus(SourceState.READY, 'jtop.service delivers')


def parse_power(power: Mapping[str, Any], stamp_ns: int) -> tuple[str | None, PowerSample]:
    """
    Read what jtop calls power.

    Args:
        power: ``rail``, a mapping from names to readings, and ``tot``, a reading; in each,
            ``power`` in mW.
        stamp_ns: the sample's stamp.

    Returns:
        The name of the total, None where jtop added up the rails; and the sample.

    Raises:
        EnergyError: there is no power in it.

    """
    total = power.get('tot') if power else None
    if not total or 'power' not in total:
        msg = 'jtop.service knows no power sensor on this board'
        raise EnergyError(msg)
    rails = {
        name: float(reading['power'])
        for name, reading in power.get('rail', {}).items()
        if reading.get('online', True) and 'power' in reading
    }
    return total.get('name'), PowerSample(stamp_ns, float(total['power']), rails)


def _temperatures(temperature: Mapping[str, Any]) -> dict[str, float]:
    return {
        name: float(reading['temp'])
        for name, reading in temperature.items()
        if reading.get('online', True) and 'temp' in reading
    }


def _monotonic(uptime: float) -> int:
    """Return an uptime, which goes on during suspend, on the monotonic clock, which does not."""
    suspended = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.monotonic_ns()
    return round(uptime * 1e9) - suspended


def _explain(error: Exception, version: str) -> SourceStatus:
    """Return in one line why the service is lost, and what helps."""
    text = ' '.join(str(error).split())
    cause = error.__context__
    if isinstance(error, (_SilentError, queue.Empty)):
        reason = 'jtop.service is there and sends no samples'
        remedy = 'sudo systemctl restart jtop.service'
    elif isinstance(error, EnergyError):
        reason, remedy = text, ''
    elif isinstance(cause, PermissionError) or isinstance(error, PermissionError):
        reason = 'no permission to talk to jtop.service'
        remedy = 'sudo usermod -aG jtop $USER, and log in again'
    elif isinstance(cause, FileNotFoundError):
        reason = 'there is no jtop.service: its socket does not exist'
        remedy = 'sudo systemctl start jtop.service; in a container, mount /run/jtop.sock'
    elif 'ersion' in text:
        reason = f'jtop.service is of another version than this jetson-stats {version}: {text}'
        remedy = 'install the same jetson-stats on both sides'
    else:
        reason = f'jtop.service was lost: {type(error).__name__}: {text}'
        remedy = 'sudo systemctl restart jtop.service'
    return SourceStatus(SourceState.FAILED, reason, remedy)
