# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Listens, from a program that is no node itself, to nodes that it runs as processes."""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections.abc import Iterator

import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor

from eipl_trt_ros.errors import EiplTrtError
from eipl_trt_ros.nodes.child_process import NodeProcess

START_PATIENCE = 60.0
"""Seconds for a process to come up, and for a transition."""


@contextlib.contextmanager
def listening(domain: int) -> Iterator[tuple[Context, SingleThreadedExecutor]]:
    """Join a ROS domain that only this host's processes see."""
    variable = 'ROS_AUTOMATIC_DISCOVERY_RANGE'
    before = os.environ.get(variable)
    os.environ[variable] = 'LOCALHOST'
    context = Context()
    rclpy.init(context=context, domain_id=domain)
    executor = SingleThreadedExecutor(context=context)
    try:
        yield context, executor
    finally:
        for node in executor.get_nodes():
            node.destroy_node()
        executor.shutdown()
        if before is None:
            del os.environ[variable]
        else:
            os.environ[variable] = before
        context.try_shutdown()


def listen(executor: SingleThreadedExecutor, seconds: float) -> None:
    """Serve callbacks for some seconds."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        executor.spin_once(timeout_sec=left)


def check(process: NodeProcess, kind: type[EiplTrtError], deadline: float = math.inf) -> None:
    """Raise if a process has ended, or the deadline (monotonic time, in seconds) has passed."""
    name = process.module.rsplit('.', 1)[-1]
    if process.exit_code is not None:
        msg = f'{name} ended with exit code {process.exit_code}: {process.last_words()}'
        raise kind(msg)
    if time.monotonic() > deadline:
        msg = f'{name} did not answer within {START_PATIENCE:g} s: {process.last_words()}'
        raise kind(msg)
