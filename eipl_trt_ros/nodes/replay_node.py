#!/usr/bin/env python3
# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Plays a rosbag2 recording onto its topics, and exits when it is done.

It needs no rosbag2 installation, and does what a latency measurement needs and ``ros2 bag play``
does not: stamps that are moved to now. Messages go out as they were serialised; only stamps are
changed, and only where asked for.
"""

from __future__ import annotations

import importlib
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock

from eipl_trt_ros.errors import BagError
from eipl_trt_ros.nodes.conversion import set_stamp
from eipl_trt_ros.nodes.parameters import Setting, declare
from eipl_trt_ros.nodes.process import run_node
from eipl_trt_ros.nodes.replay import Recording, Timed, shift_stamp

SETTINGS = (
    Setting('bag', '', 'Folder of the rosbag2 recording.', read_only=True),
    Setting('topics', '', 'Topics to play, separated by commas; empty for all.', read_only=True),
    Setting(
        'rate', 1.0, 'Speed; 2 is twice as fast as recorded.', low=0.01, high=1e4, read_only=True
    ),
    Setting('loop', False, 'Begin anew after the last message, for ever.', read_only=True),
    Setting(
        'loop_continues_time',
        True,
        'With loop: move the stamps of every further pass on, so that time never goes back; off '
        'repeats the same stamps, which resets the state of a model that listens.',
        read_only=True,
    ),
    Setting(
        'restamp',
        False,
        'Move each stamp by as much as its message is sent later than it was recorded, so that '
        'latencies can be measured; a camera keeps the delay that it had in the recording.',
        read_only=True,
    ),
    Setting(
        'clock',
        0.0,
        'How often to publish the recorded time on /clock, in Hz; 0 is never.',
        low=0.0,
        high=10_000.0,
        read_only=True,
    ),
    Setting(
        'wait_for_subscribers',
        10.0,
        'How long to wait until every topic has its subscribers, in seconds; 0 starts at once.',
        low=0.0,
        high=3600.0,
        read_only=True,
    ),
    Setting(
        'subscribers',
        1,
        'How many subscribers every topic waits for.',
        low=1,
        high=100,
        read_only=True,
    ),
)
_DEPTH = 100  # messages that a slow reliable subscriber may be behind
_ACKNOWLEDGE = Duration(seconds=5)
_SETTLED = 0.3  # seconds without a new subscriber: several come one after the other


@dataclass(frozen=True)
class ReplaySettings:
    """The values of `SETTINGS`."""

    bag: str
    topics: str
    rate: float
    loop: bool
    loop_continues_time: bool
    restamp: bool
    clock: float
    wait_for_subscribers: float
    subscribers: int


@dataclass
class _Output:
    """One topic that is played."""

    publisher: Publisher
    stamped: bool
    sent: int = 0


class ReplayNode(Node):
    """
    Publishes a recording; see `SETTINGS` for its parameters.

    Raises:
        BagError: the recording cannot be read, or none of its message types is installed.

    """

    def __init__(self, **settings: Any) -> None:
        super().__init__('replay', **settings)
        declare(self, SETTINGS)
        names = [field.name for field in fields(ReplaySettings)]
        values = {name: self.get_parameter(name).value for name in names}
        self._settings = ReplaySettings(**values)
        self._stop = threading.Event()
        self.context.on_shutdown(self._stop.set)
        if not self._settings.bag:
            msg = "the parameter 'bag' is empty: set it to the folder of a recording"
            raise BagError(msg)
        topics = [topic.strip() for topic in self._settings.topics.split(',') if topic.strip()]
        self._recording = Recording(Path(self._settings.bag), topics)
        self._outputs = self._make_outputs()
        self._clock_publisher = self.create_publisher(Clock, '/clock', 10)
        self._clock_message = Clock()

    def _make_outputs(self) -> dict[str, _Output]:
        outputs = {}
        for topic, kind in self._recording.types.items():
            message = _message_class(kind)
            if message is None:
                self.get_logger().warning(f'{topic} is left out: {kind} is not installed')
                self._recording.drop(topic)
                continue
            latched = self._recording.latched(topic)
            durability = 'TRANSIENT_LOCAL' if latched else 'VOLATILE'
            qos = QoSProfile(
                depth=_DEPTH,
                reliability=ReliabilityPolicy.RELIABLE,
                durability=getattr(DurabilityPolicy, durability),
            )
            stamped = (
                next(iter(message.get_fields_and_field_types().values())) == 'std_msgs/Header'
            )
            outputs[topic] = _Output(self.create_publisher(message, topic, qos), stamped)
        if not outputs:
            msg = f'{self._settings.bag}: none of its message types is installed'
            raise BagError(msg)
        return outputs

    def play(self) -> dict[str, int]:
        """
        Play the recording to its end, or until ROS shuts down.

        Returns:
            How many messages were sent on each topic.

        """
        self._wait_for_subscribers()
        begin_ns = time.monotonic_ns()
        now_ns = self.get_clock().now().nanoseconds
        for message in self._recording.messages(loop=self._settings.loop):
            due_ns = round(message.elapsed_ns / self._settings.rate)
            if not self._sleep_until(begin_ns, due_ns, message, now_ns):
                break
            self._publish(message, now_ns + due_ns)
        for output in self._outputs.values():
            if not self._stop.is_set():
                output.publisher.wait_for_all_acked(_ACKNOWLEDGE)
        sent = {topic: output.sent for topic, output in self._outputs.items()}
        texts = [f'{count} on {topic}' for topic, count in sent.items()]
        self.get_logger().info(f'sent {sum(sent.values())} messages: {", ".join(texts)}')
        return sent

    def _wait_for_subscribers(self) -> None:
        """Wait until each topic has its subscribers and, for a moment, no further ones come."""
        wanted = self._settings.subscribers
        deadline = time.monotonic() + self._settings.wait_for_subscribers
        counts: dict[str, int] = {}
        unchanged_since = time.monotonic()
        while not self._stop.is_set() and time.monotonic() < deadline:
            before, counts = counts, self._subscribers()
            if counts != before:
                unchanged_since = time.monotonic()
            enough = all(count >= wanted for count in counts.values())
            if enough and time.monotonic() - unchanged_since > _SETTLED:
                return
            self._stop.wait(0.02)
        missing = [topic for topic, count in counts.items() if count < wanted]
        if missing:
            who = 'nobody is' if wanted == 1 else f'fewer than {wanted} are'
            self.get_logger().warning(f'{who} subscribed to {", ".join(missing)}')

    def _subscribers(self) -> dict[str, int]:
        return {
            topic: output.publisher.get_subscription_count()
            for topic, output in self._outputs.items()
        }

    def _sleep_until(self, begin_ns: int, due_ns: int, message: Timed, now_ns: int) -> bool:
        """Sleep until a message is due, with the clock ticking; False if told to stop."""
        clock = self._settings.clock
        while True:
            elapsed = time.monotonic_ns() - begin_ns
            left = due_ns - elapsed
            if clock > 0:
                self._publish_clock(message, now_ns, due_ns - max(0, left))
                left = min(left, round(1e9 / clock))
            if left <= 0:
                return not self._stop.is_set()
            if self._stop.wait(left / 1e9):
                return False

    def _publish_clock(self, message: Timed, now_ns: int, elapsed_ns: int) -> None:
        """Publish the time that is recorded, ``elapsed_ns`` of ours after the start."""
        until_due = message.elapsed_ns / self._settings.rate - elapsed_ns
        if self._settings.restamp:
            time_ns = now_ns + elapsed_ns
        else:
            time_ns = message.log_ns + self._offset(message, 0)
            time_ns -= round(until_due * self._settings.rate)
        set_stamp(self._clock_message.clock, time_ns)
        self._clock_publisher.publish(self._clock_message)

    def _offset(self, message: Timed, due_ros_ns: int) -> int:
        """Return by how much a message's stamp is moved, in nanoseconds."""
        if self._settings.restamp:
            return due_ros_ns - message.log_ns
        if self._settings.loop_continues_time:
            return message.shift_ns
        return 0

    def _publish(self, message: Timed, due_ros_ns: int) -> None:
        output = self._outputs[message.topic]
        raw = message.raw
        if output.stamped:
            offset = self._offset(message, due_ros_ns)
            if offset:
                raw = shift_stamp(raw, offset)
        output.publisher.publish(raw)
        output.sent += 1

    def destroy_node(self) -> None:
        """Close the recording and destroy the node."""
        self._recording.close()
        super().destroy_node()


def _message_class(kind: str) -> Any:
    """Return the Python class of a type such as sensor_msgs/msg/Image; None if not installed."""
    package, _, name = kind.split('/')
    try:
        return getattr(importlib.import_module(f'{package}.msg'), name, None)
    except ImportError:
        return None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the node; the entry point of ``ros2 run eipl_trt_ros replay_node``."""
    return run_node(ReplayNode, ReplayNode.play, arguments)


if __name__ == '__main__':
    sys.exit(main())
