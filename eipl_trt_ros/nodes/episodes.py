# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Lets the predictor try one grasp after another on the simulated robot."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from typing import Any, Protocol

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from std_srvs.srv import SetBool, Trigger

from eipl_trt_ros.errors import BackendError

_PERIOD = 0.05  # seconds between two looks at how things stand
_AGAIN = 0.2  # seconds until the predictor is asked again
_PATIENCE = 60.0  # seconds for the predictor to come up, and for it to agree to be engaged

Script = Generator[None, None, Any]


class Stage(Protocol):
    """The simulated robot, as far as it matters here."""

    judged: bool
    """Whether the episode is over."""

    def begin_episode(self) -> None:
        """Put everything back, with the cube at its next place."""


class Episodes:
    """
    Per episode: disengage the predictor, reset the robot, reset the predictor, engage it, wait.

    Args:
        node: whose executor serves this; the services are ``predictor/engage`` and
            ``predictor/reset`` beside it.
        stage: the robot, in its first episode.
        count: how many.
        done: called after the last.

    """

    def __init__(self, node: Node, stage: Stage, count: int, done: Callable[[], None]) -> None:
        self._node = node
        self._stage = stage
        self._count = count
        self._done = done
        self._engage = node.create_client(SetBool, 'predictor/engage')
        self._reset = node.create_client(Trigger, 'predictor/reset')
        self._script = self._run()
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = node.create_timer(_PERIOD, self._go_on, clock=steady)

    def _go_on(self) -> None:
        next(self._script, None)

    def _run(self) -> Script:
        for episode in range(self._count):
            yield from self._call(self._engage, SetBool.Request(data=False))
            if episode:
                self._stage.begin_episode()
            yield from self._call(self._reset, Trigger.Request())
            yield from self._engage_at_last()
            while not self._stage.judged:
                yield
        yield from self._call(self._engage, SetBool.Request(data=False))
        self._timer.cancel()
        self._done()

    def _engage_at_last(self) -> Script:
        deadline = time.monotonic() + _PATIENCE
        while True:
            answer = yield from self._call(self._engage, SetBool.Request(data=True))
            if answer.success:
                return
            if time.monotonic() > deadline:
                msg = f'the predictor refuses to be engaged: {answer.message}'
                raise BackendError(msg)
            again = time.monotonic() + _AGAIN
            while time.monotonic() < again:
                yield

    def _call(self, client: Any, request: Any) -> Script:
        deadline = time.monotonic() + _PATIENCE
        while not client.service_is_ready():
            if time.monotonic() > deadline:
                msg = f'nobody serves {client.srv_name}: is the predictor running and active?'
                raise BackendError(msg)
            yield
        future = client.call_async(request)
        while not future.done():
            yield
        return future.result()
