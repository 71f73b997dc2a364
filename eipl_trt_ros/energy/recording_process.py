# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
The process behind `PowerRecorder`: writes a source's samples to a file until its input ends.

``python -m eipl_trt_ros.energy.recording_process FILE SETTINGS``; the settings are a JSON object
with the arguments of `PowerRecorder`. Every line of the file is a JSON object: either ``sample``,
a `PowerSample`, or, whenever one of these changes, ``state``, ``reason``, ``info`` and
``refused``, with ``now_ns``. The end of the standard input, so also the end of the process that
began it, ends it.
"""

from __future__ import annotations

import dataclasses
import json
import select
import sys
import threading
import time
from pathlib import Path
from typing import IO, Any

from eipl_trt_ros.energy.history import PowerSample
from eipl_trt_ros.energy.sampler import Sampler
from eipl_trt_ros.energy.sources import (
    PowerSource,
    SourceInfo,
    SourceState,
    SourceStatus,
    make_source,
)
from eipl_trt_ros.errors import EiplTrtError

_LOOK = 0.05  # seconds between looks at the source's state


class _Writer:
    """Writes lines from two threads."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._lock = threading.Lock()

    def write(self, **what: Any) -> None:
        with self._lock:
            self._file.write(json.dumps(what) + '\n')
            self._file.flush()

    def sample(self, sample: PowerSample) -> None:
        self.write(sample=dataclasses.asdict(sample))

    def state(self, info: SourceInfo, status: SourceStatus, refused: dict[str, int]) -> None:
        self.write(
            now_ns=time.monotonic_ns(),
            state=status.state.value,
            reason=str(status),
            info=dataclasses.asdict(info),
            refused=refused,
        )


def record(file: IO[str], settings: dict[str, Any], ended: IO[str]) -> None:
    """
    Record until an input ends.

    Raises:
        EnergyError, MissingPackageError: the source cannot be used as asked.

    """
    writer = _Writer(file)
    source: PowerSource = make_source(
        settings['source'],
        interval_s=settings['interval_s'],
        recording=settings['recording'],
        gpu=settings['gpu'],
    )
    sampler = Sampler(
        source,
        interval_s=settings['interval_s'],
        jitter=settings['jitter'],
        maximum_w=settings['maximum_w'],
        take=writer.sample,
    )
    told = None
    try:
        sampler.start()
        while True:
            now = source.info, source.status, dict(sampler.plausibility.refused)
            if now != told:
                told = now
                writer.state(*now)
            if select.select([ended], [], [], _LOOK)[0]:
                break
    finally:
        sampler.close()


def main(path: str, settings: str) -> int:
    """Record; the exit code is 2 where the source cannot be used."""
    with Path(path).open('x', encoding='utf-8') as file:
        try:
            record(file, json.loads(settings), sys.stdin)
        except EiplTrtError as error:
            status = SourceStatus(SourceState.FAILED, str(error))
            _Writer(file).state(SourceInfo('', '', '', '', 1.0, 0.0), status, {})
            return 2
    return 0


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
