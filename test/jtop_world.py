# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
The real client of jtop in three versions, each in a folder and a process of its own.

jetson-stats is under the AGPL. It is installed as it is, from its package, by the tests only;
nothing of it is imported into the tests' process or copied from it.
"""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

VERSIONS = ('4.2.12', '4.3.2', '7.2.2')
PATIENCE = 30.0  # seconds; only waited for in a failure
_HERE = Path(__file__).parent
_ROOT = _HERE.parent
_CACHE = Path(sys.prefix) / 'share' / 'eipl_trt_ros-tests'
_KEY = 'from jtop.core.common import get_key; print(get_key())'


def install(version: str) -> Path:
    """Return a folder with jetson-stats; skips the test where it cannot be installed."""
    folder = _CACHE / f'jetson-stats-{version}'
    if folder.is_dir():
        return folder
    try:
        _CACHE.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(dir=_CACHE, prefix='.unfinished-'))
    except OSError as error:
        pytest.skip(f'jetson-stats {version} cannot be installed: {error}')
    unfinished.chmod(0o755)
    requirements = _ROOT / 'requirements' / f'jtop-{version}.txt'
    command = [sys.executable, '-m', 'pip', 'install', '--quiet', '--no-deps', '--no-compile']
    command += ['--target', str(unfinished), '--requirement', str(requirements)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    except subprocess.TimeoutExpired:
        pytest.skip(f'jetson-stats {version} could not be installed in 120 s')
    if done.returncode != 0:
        reason = done.stderr.strip().splitlines()[-1:]
        pytest.skip(f'jetson-stats {version} cannot be installed: {reason}')
    try:
        unfinished.rename(folder)
    except OSError:  # another process of the tests was faster
        shutil.rmtree(unfinished)
    return folder


def environment(version: str) -> dict[str, str]:
    paths = [str(install(version)), str(_ROOT)]
    return {**os.environ, 'PYTHONPATH': os.pathsep.join(paths)}


class Program:
    """One of the two programs beside this file, which answers in lines of JSON."""

    def __init__(self, script: str, *arguments: str, **settings: Any) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(_HERE / script), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            bufsize=1,
            **settings,
        )
        self.lines: queue.Queue[str] = queue.Queue()
        self.errors: list[str] = []
        for stream, take in [
            (self.process.stdout, self.lines.put),
            (self.process.stderr, self.errors.append),
        ]:
            threading.Thread(target=self._pump, args=(stream, take), daemon=True).start()

    @staticmethod
    def _pump(stream: Any, take: Any) -> None:
        for line in stream:
            take(line)

    def next_line(self) -> str:
        try:
            return self.lines.get(timeout=PATIENCE)
        except queue.Empty:
            pytest.fail(f'nothing came in {PATIENCE} s: {"".join(self.errors)}')

    def __enter__(self) -> Any:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.process.kill()
        self.process.wait()


class Service(Program):
    """The service; it serves what it is told."""

    def __init__(self, socket: Path, version: str, client: str | None = None) -> None:
        key = subprocess.run(
            [sys.executable, '-c', _KEY],
            env=environment(client or version),
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        super().__init__('jtop_service.py', str(socket), version, key)
        assert self.next_line() == 'serving\n'

    def tell(self, **what: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(what) + '\n')
        self.process.stdin.flush()


class Reader(Program):
    """Our source with a real jtop."""

    def __init__(self, socket: Path, version: str, user: str = '') -> None:
        super().__init__('jtop_reader.py', str(socket), '0.1', user, env=environment(version))

    def until(self, **wanted: Any) -> dict[str, Any]:
        """Return the next message with these values."""
        deadline = time.monotonic() + PATIENCE
        seen = []
        while time.monotonic() < deadline:
            message: dict[str, Any] = json.loads(self.next_line())
            seen.append(message)
            if all(message.get(name) == value for name, value in wanted.items()):
                return message
        pytest.fail(f'{wanted} did not come; the last messages were {seen[-3:]}')

    def until_total(self, milliwatts: float) -> dict[str, Any]:
        """Return the next sample with this total, and when it was read."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            message = json.loads(self.next_line())
            if message.get('sample', {}).get('total_mw') == milliwatts:
                return {'read_ns': message['now_ns'], **message['sample']}
        pytest.fail(f'no sample of {milliwatts} mW came')


def power_of(total: Any, name: str | None = 'VDD_IN', **rails: Any) -> dict[str, Any]:
    """Return a power as jtop tells it."""
    readings = {
        rail: {'volt': 5000, 'curr': 1, 'power': power, 'avg': 1, 'online': True}
        for rail, power in rails.items()
    }
    whole: dict[str, Any] = {'power': total, 'avg': 1}
    if name is not None:
        whole['name'] = name
    return {'rail': readings, 'tot': whole}
