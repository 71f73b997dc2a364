# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A node is brought up also where the middleware loses a reply."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
pytest.importorskip('rclpy', reason='rclpy is not installed')

from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.context import Context
from rclpy.executors import MultiThreadedExecutor
from rclpy.node import Node

from eipl_trt_ros.errors import BackendError
from eipl_trt_ros.nodes import listening as module
from eipl_trt_ros.nodes.child_process import own_domain
from eipl_trt_ros.nodes.listening import Lifecycle, listening

_NAMESPACE = f'/silent_{os.getpid()}'


class Silent:
    """A node that makes a transition, or does not, and never replies; its state can be asked."""

    def __init__(self, context: Context, *, states: list[int]) -> None:
        self.states = states
        self.released = threading.Event()
        self.node = Node('predictor', namespace=_NAMESPACE, context=context)
        group = ReentrantCallbackGroup()
        self.node.create_service(ChangeState, '~/change_state', self._change, callback_group=group)
        self.node.create_service(GetState, '~/get_state', self._tell, callback_group=group)
        self.executor = MultiThreadedExecutor(4, context=context)
        self.executor.add_node(self.node)
        self.thread = threading.Thread(target=self.executor.spin)
        self.thread.start()

    def _change(self, _: Any, response: ChangeState.Response) -> ChangeState.Response:
        self.released.wait()
        return response

    def _tell(self, _: Any, response: GetState.Response) -> GetState.Response:
        response.current_state = State(id=self.states[0])
        if len(self.states) > 1:
            del self.states[0]
        return response

    def close(self) -> None:
        self.released.set()
        self.executor.shutdown()
        self.thread.join()
        self.node.destroy_node()


@pytest.fixture
def asking(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Context, Lifecycle]]:
    monkeypatch.setattr(module, '_REPLY_PATIENCE', 0.3)
    running = SimpleNamespace(module='predictor_node', exit_code=None, last_words=lambda: 'oh')
    with listening(own_domain()) as (context, executor):
        node = Node('asking', context=context)
        executor.add_node(node)
        yield context, Lifecycle(node, executor, running, f'{_NAMESPACE}/predictor')  # type: ignore[arg-type]


@pytest.mark.parametrize(
    'before',
    [[], [State.PRIMARY_STATE_UNCONFIGURED], [State.TRANSITION_STATE_CONFIGURING] * 3],
    ids=['at once', 'asked too early', 'while it takes its time'],
)
def test_a_node_whose_reply_is_lost_is_believed_by_its_state(before, asking) -> None:
    context, lifecycle = asking
    silent = Silent(context, states=[*before, State.PRIMARY_STATE_INACTIVE])
    try:
        lifecycle.change(Transition.TRANSITION_CONFIGURE)
    finally:
        silent.close()


def test_a_node_that_stays_as_it_was_and_whose_reply_is_lost_has_failed(asking) -> None:
    context, lifecycle = asking
    silent = Silent(context, states=[State.PRIMARY_STATE_UNCONFIGURED])
    try:
        with pytest.raises(BackendError, match='cannot be brought up: oh'):
            lifecycle.change(Transition.TRANSITION_CONFIGURE)
    finally:
        silent.close()
