# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Which cores a thread may use, and what goes before what on a busy machine (Linux)."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

from eipl_trt_ros.errors import BackendError

_THREADS = Path('/proc/self/task')


def keep_to(cores: Sequence[int]) -> None:
    """
    Let the calling thread, and those that it will make, use these cores only.

    Args:
        cores: their numbers, from 0.

    Raises:
        BackendError: a core does not exist or is not for this process; nothing has changed then.

    """
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, cores)
    except (OSError, ValueError, OverflowError):  # none of them exists, or one is no core at all
        kept: set[int] = set()
    else:
        kept = os.sched_getaffinity(0)
    missing = sorted(set(cores) - kept)
    if missing or not cores:
        os.sched_setaffinity(0, before)
        there = ', '.join(map(str, sorted(before)))
        msg = f'the inference thread cannot be kept to the cores {list(cores)}: this process has '
        msg += f'the cores {there}; set cpu_affinity to some of them, or to [-1] for any'
        raise BackendError(msg)


def take_priority(priority: int) -> str | None:
    """
    Run every thread of this process, and those to come, at a real-time priority (SCHED_FIFO).

    All of them, because Python runs one thread at a time: whichever holds its lock, be it only to
    answer a service, must not be put aside by another program while a frame waits for it. And the
    middleware's threads receive the image in the first place.

    Args:
        priority: 1 to 99; the kernel's own threads that serve devices mostly have 50.

    Returns:
        None, or why the system refused and how to allow it; nothing has changed then.

    """
    wanted = os.sched_param(priority)
    try:
        # this thread first: those that it makes from now on inherit it
        os.sched_setscheduler(0, os.SCHED_FIFO, wanted)
    except PermissionError:
        return (
            f'the real-time priority {priority} was refused; the node runs without it. To allow '
            f"it, put the line '<user> - rtprio {priority}' into /etc/security/limits.conf and "
            f'log in again (in a container: --ulimit rtprio={priority}; in a systemd service: '
            f'LimitRTPRIO={priority})'
        )
    for thread in _THREADS.iterdir():
        with contextlib.suppress(ProcessLookupError):  # it has just ended
            os.sched_setscheduler(int(thread.name), os.SCHED_FIFO, wanted)
    return None
