# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
A service that speaks to jtop's clients, and serves what it is told: no Jetson, no jtop.

It is a program of its own: ``python jtop_service.py SOCKET VERSION AUTHKEY``. Every line on its
standard input is a JSON object that changes what is served: ``power`` and ``temperature`` as
jtop has them, ``mode`` (name of the power mode), ``silent`` (true: no new samples).
"""

from __future__ import annotations

import json
import queue
import sys
import threading
import time
from multiprocessing.managers import SyncManager
from typing import Any

_SERVED: dict[str, Any] = {}
_COMMANDS: queue.Queue[dict[str, Any]] = queue.Queue()
_NEWS = threading.Event()


class Service:
    """What stands behind the socket."""

    def __init__(self, version: str) -> None:
        self._version = version
        self._told: dict[str, Any] = {'power': {}, 'temperature': {}, 'mode': 'MAXN'}
        self._interval = 1.0
        self._greeted = threading.Event()

    def listen(self) -> None:
        for line in sys.stdin:
            self._told.update(json.loads(line))

    def answer(self) -> None:
        """Answer clients that say hello with how the board is set up."""
        while True:
            command = _COMMANDS.get()
            if 'init' in command:  # our own answer, which a client has yet to take
                _COMMANDS.put(command)
                time.sleep(0.01)
            elif 'interval' in command:
                self._interval = command['interval']
                self._greeted.set()
                _COMMANDS.put({'init': self._setup()})

    def _setup(self) -> dict[str, Any]:
        return {
            'version': self._version,
            'board': {'hardware': {}},
            'interval': self._interval,
            'memory': '',
            'fan': {},
            'jc': False,
            'nvpmodel': {'models': ['MAXN', '7W'], 'default': {'id': 0, 'name': 'MAXN'}},
        }

    def sample(self) -> None:
        self._greeted.wait()  # the first client sets the interval
        while True:
            if not self._told.get('silent'):
                _SERVED.update(self._sample())
                _NEWS.set()
            time.sleep(self._interval)

    def _sample(self) -> dict[str, Any]:
        with open('/proc/uptime', encoding='ascii') as file:  # noqa: PTH123
            uptime = float(file.read().split()[0])
        mode = {'id': 0, 'name': self._told['mode']}
        return {
            'power': self._told['power'],
            'temperature': self._told['temperature'],
            'uptime': uptime,
            'nvp': {'status': [], 'thread': False, 'model': mode},
            'gpu': {},
            'mem': {},
            'fan': {},
        }


def main(socket: str, version: str, authkey: str) -> None:
    class Manager(SyncManager):
        pass

    Manager.register('get_queue', callable=lambda: _COMMANDS)
    Manager.register('sync_data', callable=lambda: _SERVED)
    Manager.register('sync_event', callable=lambda: _NEWS)
    service = Service(version)
    for work in (service.listen, service.answer, service.sample):
        threading.Thread(target=work, daemon=True).start()
    server = Manager(address=socket, authkey=authkey.encode()).get_server()
    print('serving', flush=True)
    server.serve_forever()


if __name__ == '__main__':
    main(*sys.argv[1:])
