# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Runs our jtop source with a real jetson-stats, in a process of its own, and tells what it reads.

``python jtop_reader.py SOCKET INTERVAL USER``, with the folder of jetson-stats on PYTHONPATH; if
started by root, it gives up its rights where a user is named. Prints a JSON object for every
sample, and one whenever the status changes. Ends with its standard input.
"""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import os
import pwd
import sys
import threading
import time
from typing import Any

import jtop.service

from eipl_trt_ros.energy.sources import Backoff, JtopSource


def say(**what: Any) -> None:
    print(json.dumps({'now_ns': time.monotonic_ns(), **what}), flush=True)


def main(socket: str, interval: float, user: str) -> None:
    multiprocessing.Event()  # imports what jtop needs later, when the rights may be gone
    if user and os.getuid() == 0:
        os.setuid(pwd.getpwnam(user).pw_uid)
    jtop.service.JTOP_PIPE = socket
    source = JtopSource(interval, Backoff(0.1, 0.5))
    source.open()
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    before = None
    while not ended.wait(0.02):
        status = source.status
        for sample in source.read():
            say(sample=dataclasses.asdict(sample))
        if status != before:
            before = status
            info = dataclasses.asdict(source.info)
            say(state=status.state.value, text=str(status), info=info)
    source.close()


if __name__ == '__main__':
    main(sys.argv[1], float(sys.argv[2]), sys.argv[3])
