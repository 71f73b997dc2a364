# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Cores and priorities; every test changes threads or processes of its own only."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from eipl_trt_ros.errors import BackendError
from eipl_trt_ros.scheduling import keep_to

CORES = sorted(os.sched_getaffinity(0))
PRIORITY = """
import os, threading
from eipl_trt_ros.scheduling import take_priority
end = threading.Event()
threading.Thread(target=end.wait, daemon=True).start()
print(take_priority(7))
threading.Thread(target=end.wait, daemon=True).start()
for thread in sorted(os.listdir('/proc/self/task')):
    print(os.sched_getscheduler(int(thread)), os.sched_getparam(int(thread)).sched_priority)
"""


def in_a_thread(function: Callable[[], Any]) -> Any:
    """Call a function in a thread of its own, and return or raise what it does."""
    results: list[Any] = []

    def run() -> None:
        try:
            results.append(function())
        except BackendError as error:
            results.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return results[0]


def test_a_thread_keeps_to_its_cores_as_do_those_that_it_makes_and_no_other() -> None:
    def pinned() -> tuple[set[int], set[int]]:
        keep_to(CORES[-1:])
        return os.sched_getaffinity(0), in_a_thread(lambda: os.sched_getaffinity(0))

    assert in_a_thread(pinned) == ({CORES[-1]}, {CORES[-1]})
    assert os.sched_getaffinity(0) == set(CORES)


@pytest.mark.parametrize('cores', [[4096], [CORES[0], 4096], [-2], [2**40], []])
def test_cores_that_are_not_there_are_refused_and_nothing_changes(cores: list[int]) -> None:
    def refused() -> set[int]:
        with pytest.raises(BackendError, match='set cpu_affinity to some of them'):
            keep_to(cores)
        return os.sched_getaffinity(0)

    assert in_a_thread(refused) == set(CORES)


def take(*before: str) -> list[str]:
    command = [*before, sys.executable, '-c', PRIORITY]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.splitlines()


def test_every_thread_of_the_process_gets_the_priority_or_none_with_the_remedy() -> None:
    said, *threads = take()
    if said == 'None':
        assert threads == ['1 7'] * 3
    else:
        assert "'<user> - rtprio 7'" in said
        assert threads == ['0 0'] * 3


@pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which('setpriv') is None, reason='only root can be made to lack it'
)
def test_a_refused_priority_is_said_with_its_remedy() -> None:
    said, *threads = take('setpriv', '--bounding-set=-sys_nice')
    assert 'priority 7 was refused; the node runs without it' in said
    assert 'rtprio 7' in said
    assert threads == ['0 0'] * 3
