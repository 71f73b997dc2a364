# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Power as jtop (the package jetson-stats) tells it: the paper's way.

jtop's client talks to the service jtop.service, which reads the board's sensors. Behaviour of the
client that this module is built around, seen with 4.2.12, 4.3.2 and 7.2.2: it reports a lost
service by exceptions of many kinds, some of them the sockets' own; where the service sends no
samples it hands out the last one again, or gives up without a word; it cannot be started twice.
Samples bear no stamp, but ``uptime`` is the kernel's uptime when the service read them. The
service's own running average (``avg``) depends on its interval and is not used.

The package is under the AGPL: it is imported only when this source is opened, and 7.x then sets
the process's start method of multiprocessing.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import ModuleType
from typing import Any

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
from eipl_trt_ros.errors import EnergyError, require

_LOG = logging.getLogger(__name__)
_INSTALL = "sudo pip3 install jetson-stats, in the version of the board's jtop.service"
_SILENT_INTERVALS = 3
_PATIENCE = 2.0  # seconds without a sample, where the interval is short
_LOOK = 0.1  # seconds between looks at the client
_KEPT = 1000  # samples that wait to be read
_SILENT = SourceStatus(
    SourceState.FAILED,
    'jtop.service is there and sends no samples',
    'sudo systemctl restart jtop.service',
)
_JOIN = 2.0  # seconds; a client that hangs in a read is left behind


class _Session(threading.Thread):
    """
    One client, from its connection to its loss.

    Each has a thread of its own because multiprocessing keeps one connection per thread and
    address: in the thread of a lost client, the next one would talk into the dead connection.

    Args:
        module: jtop.
        interval_s: asked-for time between samples.
        take: is called with the client for every sample.

    """

    def __init__(self, module: ModuleType, interval_s: float, take: Callable[[Any], None]) -> None:
        super().__init__(name='jtop session', daemon=True)
        self._module = module
        self._asked_s = interval_s
        self._take = take
        self._ended = threading.Event()
        self.interval_s: float | None = None
        """The service's interval, once connected."""
        self.error: Exception | None = None
        """What ended the session; None where it was told to end."""

    def end(self) -> None:
        """Tell the session to end."""
        self._ended.set()

    def run(self) -> None:
        """Follow the client."""
        try:
            client = self._module.jtop(interval=self._asked_s)
            client.attach(self._take)
            try:
                client.start()
                self.interval_s = float(client.interval)
                while not self._ended.wait(_LOOK):
                    client.ok(spin=True)  # raises what the client's own thread met
            finally:
                client.detach(self._take)
                client.close()
        except Exception as error:  # the client lets through whatever its service caused
            _LOG.debug('jtop', exc_info=True)
            self.error = error


class JtopSource(HealingSource):
    """
    Reads jtop.service in threads of its own, and connects again when it is lost.

    Args:
        interval_s: asked-for time between samples; the first client of the service sets it for
            all, so the true one is in `info` once connected.
        backoff: waits between tries to connect.

    """

    def __init__(self, interval_s: float, backoff: Backoff | None = None) -> None:
        total, scope = scope_of_board(INPUT_RAILS[0])
        super().__init__(SourceInfo('jtop', '', total, scope, interval_s, MAXIMUM_W), backoff)
        self._interval_s = interval_s
        self._inbox: deque[PowerSample] = deque(maxlen=_KEPT)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._last_uptime = -1.0
        self._heard = 0.0

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
            session = _Session(module, self._interval_s, self._take)
            session.start()
            self._watch(session)
            session.end()
            if self._stop.wait(self._backoff.next()):
                return

    def _watch(self, session: _Session) -> None:
        """Wait until a session is over; one that hangs in the client is waited for, too."""
        self._heard = time.monotonic()
        while session.is_alive():
            if self._stop.wait(_LOOK):
                return
            if session.interval_s not in (None, self._info.interval_s):
                self._info = replace(self._info, interval_s=session.interval_s)
            patience = max(_SILENT_INTERVALS * self._info.interval_s, _PATIENCE)
            if time.monotonic() - self._heard > patience:
                self._status = _SILENT
                session.end()
        if session.error is not None:
            self._status = _explain(session.error, self._info.version)

    def _take(self, client: Any) -> None:
        """Keep a sample; called by the client's own thread, with all of its readings at rest."""
        uptime = client.uptime.total_seconds()
        if uptime == self._last_uptime:
            return  # the client hands out the last sample again where the service sends none
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
        self._last_uptime = uptime
        self._heard = time.monotonic()
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
        EnergyError: there is no power in it, or something else.

    """
    total = power.get('tot') if power else None
    if not total:
        msg = 'jtop.service knows no power sensor on this board'
        raise EnergyError(msg)
    try:
        rails = {
            name: float(reading['power'])
            for name, reading in power.get('rail', {}).items()
            if reading.get('online', True) and 'power' in reading
        }
        return total.get('name'), PowerSample(stamp_ns, float(total['power']), rails)
    except (AttributeError, KeyError, TypeError, ValueError):
        msg = f'jtop.service tells a power that cannot be read: {power}'
        raise EnergyError(msg) from None


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
    if isinstance(error, queue.Empty):  # it answered no hello
        return _SILENT
    if isinstance(error, EnergyError):
        reason, remedy = text, ''
    elif isinstance(cause, PermissionError) or isinstance(error, PermissionError):
        reason = 'no permission to talk to jtop.service'
        remedy = 'sudo usermod -aG jtop $USER, and log in again'
    elif isinstance(cause, FileNotFoundError):
        reason = 'there is no jtop.service: its socket does not exist'
        remedy = 'sudo systemctl start jtop.service; in a container, mount /run/jtop.sock'
    elif isinstance(cause, ConnectionRefusedError):
        reason = 'jtop.service does not run: it left its socket behind'
        remedy = 'sudo systemctl restart jtop.service'
    elif 'Mismatch version' in text:
        reason = f'jtop.service is of another version than the jetson-stats {version} here'
        remedy = f'install the same version on both sides; jtop says: {text}'
    else:
        reason = f'jtop.service was lost: {type(error).__name__}: {text}'
        remedy = 'sudo systemctl restart jtop.service'
    return SourceStatus(SourceState.FAILED, reason, remedy)
