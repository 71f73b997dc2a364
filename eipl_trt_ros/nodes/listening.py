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
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from eipl_trt_ros.errors import BackendError, EiplTrtError
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


class Lifecycle:
    """
    The lifecycle service of a predictor node.

    Args:
        node: to call with.
        executor: that serves it.
        predictor: the process of the predictor node.
        service: its name.

    """

    def __init__(
        self,
        node: Node,
        executor: SingleThreadedExecutor,
        predictor: NodeProcess,
        service: str,
    ) -> None:
        self._executor = executor
        self._predictor = predictor
        self._client = node.create_client(ChangeState, service)

    def change(self, transition: int) -> None:
        """
        Wait for the node, and have it make a transition.

        Raises:
            BackendError: it cannot; the text ends with its last words.

        """
        deadline = time.monotonic() + START_PATIENCE
        while not self._client.service_is_ready():
            check(self._predictor, BackendError, deadline)
            listen(self._executor, 0.05)
        request = ChangeState.Request(transition=Transition(id=transition))
        future = self._client.call_async(request)
        while not future.done():
            check(self._predictor, BackendError, deadline)
            self._executor.spin_until_future_complete(future, timeout_sec=0.1)
        response = future.result()
        if response is None or not response.success:
            msg = f'the predictor node cannot be brought up: {self._predictor.last_words()}'
            raise BackendError(msg)
