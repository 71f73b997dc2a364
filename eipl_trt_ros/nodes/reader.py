# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Receives messages in a thread of its own, past the executor.

An rclpy executor looks at every service, timer and publisher of its node for each message that it
passes on. Between the arrival of an image and its command that is most of what Python does, and
it goes on beside the inference. This thread waits for its few subscriptions alone, with the wait
set that rclpy's own `wait_for_message` uses.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.guard_condition import GuardCondition
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.node import Node
from rclpy.qos import QoSProfile

_LONGEST_WAIT_NS = 500_000_000  # then look whether ROS was shut down


class _Apart(CallbackGroup):
    """What belongs to this group is left alone by every executor."""

    def can_execute(self, entity: Any) -> bool:  # noqa: ARG002
        return False

    def beginning_execution(self, entity: Any) -> bool:  # noqa: ARG002
        return False

    def ending_execution(self, entity: Any) -> None:
        """Nothing ever begins."""


class Reader:
    """
    Waits for messages and calls back, one after the other, in its thread.

    Of several subscriptions that have a message, the one made first goes first. An error in a
    callback is logged, and the thread goes on.

    Args:
        node: to subscribe with.
        on_alarm: called in the thread when `alarm_ns` is due.

    """

    def __init__(self, node: Node, on_alarm: Callable[[], None]) -> None:
        self._node = node
        self._on_alarm = on_alarm
        self.alarm_ns: int | None = None
        """When to call ``on_alarm``, on the monotonic clock; None for never. For callbacks."""
        self._group = _Apart()
        self._subscriptions: list[Any] = []
        self._waker = GuardCondition(None, self._group, context=node.context)
        self._closing = False
        self._thread = threading.Thread(target=self._run, name='intake', daemon=True)

    def subscribe(
        self, kind: Any, topic: str, callback: Callable[[Any], None], qos: QoSProfile
    ) -> str:
        """Subscribe to a topic, before `start`; returns its full name."""
        made = self._node.create_subscription(
            kind, topic, callback, qos, callback_group=self._group
        )
        self._subscriptions.append(made)
        return str(made.topic_name)

    def start(self) -> None:
        """Begin to receive."""
        self._thread.start()

    def close(self) -> None:
        """End the thread and the subscriptions. A second call does nothing."""
        if self._closing:
            return
        self._closing = True
        self._waker.trigger()
        if self._thread.ident is not None:
            self._thread.join()
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._waker.destroy()

    def _run(self) -> None:
        events = [event for made in self._subscriptions for event in made.event_handlers]
        wait_set = rclpy_implementation.WaitSet(
            len(self._subscriptions), 1, 0, 0, 0, len(events), self._node.context.handle
        )
        while not self._closing and self._node.context.ok():
            wait_set.clear_entities()
            for subscription in self._subscriptions:
                wait_set.add_subscription(subscription.handle)
            wait_set.add_guard_condition(self._waker.handle)
            for event in events:
                event.add_to_wait_set(wait_set)
            wait_set.wait(self._patience_ns())
            for index, subscription in enumerate(self._subscriptions):
                if not self._closing and wait_set.is_ready('subscription', index):
                    self._attempt(_take, subscription)
            for event in events:
                if event.is_ready(wait_set):
                    self._attempt(_tell, event)
            if self.alarm_ns is not None and time.monotonic_ns() >= self.alarm_ns:
                self.alarm_ns = None
                self._attempt(self._on_alarm)

    def _patience_ns(self) -> int:
        if self.alarm_ns is None:
            return _LONGEST_WAIT_NS
        return min(max(self.alarm_ns - time.monotonic_ns(), 0), _LONGEST_WAIT_NS)

    def _attempt(self, step: Callable[..., None], *arguments: Any) -> None:
        try:
            step(*arguments)
        except Exception:  # one message must not end the thread
            if self._node.context.ok():
                self._node.get_logger().error(
                    f'while receiving: {traceback.format_exc()}', throttle_duration_sec=5.0
                )


def _take(subscription: Any) -> None:
    taken = subscription.handle.take_message(subscription.msg_type, subscription.raw)
    if taken is not None:  # else another subscriber's message woke the thread
        subscription.callback(taken[0])


def _tell(event: Any) -> None:
    """Pass on what the middleware has to say, such as a publisher of another reliability."""
    found = event.take_data()
    if found is not None:
        event.callback(found)
