# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Listens, from a program that is no node itself, to nodes that it runs as processes."""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections.abc import Iterator
from typing import Any

import rclpy
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from eipl_trt_ros.errors import BackendError, EiplTrtError
from eipl_trt_ros.nodes.child_process import NodeProcess

START_PATIENCE = 60.0
"""Seconds for a process to come up, and for a transition."""
_REPLY_PATIENCE = 5.0  # seconds for a reply, before the node is asked what became of the request
_LOOKS = 2  # at a state: the first may have been answered before the request
_GOALS = {
    Transition.TRANSITION_CONFIGURE: State.PRIMARY_STATE_INACTIVE,
    Transition.TRANSITION_ACTIVATE: State.PRIMARY_STATE_ACTIVE,
}


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
    The lifecycle services of a predictor node.

    Args:
        node: to call with.
        executor: that serves it.
        predictor: the process of the predictor node.
        name: of the predictor node, such as ``'/predictor'``.

    """

    def __init__(
        self, node: Node, executor: SingleThreadedExecutor, predictor: NodeProcess, name: str
    ) -> None:
        self._executor = executor
        self._predictor = predictor
        self._change = node.create_client(ChangeState, f'{name}/change_state')
        self._state = node.create_client(GetState, f'{name}/get_state')

    def change(self, transition: int) -> None:
        """
        Wait for the node, and have it be configured or activated.

        Raises:
            BackendError: it cannot; the text ends with its last words.

        """
        deadline = time.monotonic() + START_PATIENCE
        while not (self._change.service_is_ready() and self._state.service_is_ready()):
            check(self._predictor, BackendError, deadline)
            listen(self._executor, 0.05)
        if not self._succeeds(transition, deadline):
            msg = f'the predictor node cannot be brought up: {self._predictor.last_words()}'
            raise BackendError(msg)

    def _succeeds(self, transition: int, deadline: float) -> bool:
        """Ask for a transition; by its reply or, where that was lost, by the node's state."""
        request = ChangeState.Request(transition=Transition(id=transition))
        asked = self._change.call_async(request)
        looks = 0
        while not self._answered(asked, deadline):
            # a busy machine's middleware may lose the reply to a client that has just come up
            look = self._state.call_async(GetState.Request())
            if self._answered(look, deadline):
                state = look.result().current_state.id
                if state == _GOALS[transition]:
                    return True
                looks += state < State.TRANSITION_STATE_CONFIGURING  # the node rests in it
                if looks == _LOOKS:
                    return False
        return bool(asked.result().success)

    def _answered(self, future: Any, deadline: float) -> bool:
        """Wait for a reply, and tell whether it came."""
        patience = time.monotonic() + _REPLY_PATIENCE
        while not future.done() and time.monotonic() < patience:
            check(self._predictor, BackendError, deadline)
            self._executor.spin_until_future_complete(future, timeout_sec=0.1)
        return bool(future.done())
