# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from rclpy.duration import Duration
from rclpy.qos import QoSProfile, ReliabilityPolicy
from ros_world import PATIENCE, World, until
from std_msgs.msg import Int64, String

from eipl_trt_ros.nodes.reader import Reader

RELIABLE = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
BEST_EFFORT = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)


class Listener:
    """A reader of two topics that keeps what came, with the thread that it came in."""

    def __init__(self, world: World) -> None:
        self.robot = world.robot()
        self.heard: queue.Queue[tuple[Any, str]] = queue.Queue()
        self.alarms: queue.Queue[int] = queue.Queue()
        self.reader = Reader(self.robot, lambda: self.alarms.put(time.monotonic_ns()))
        self.numbers = self.robot.create_publisher(Int64, 'number', RELIABLE)
        self.texts = self.robot.create_publisher(String, 'text', RELIABLE)
        self.reader.subscribe(Int64, 'number', self.hear, RELIABLE)
        self.topic = self.reader.subscribe(String, 'text', self.hear, RELIABLE)

    def hear(self, message: Int64 | String) -> None:
        self.heard.put((message.data, threading.current_thread().name))
        if message.data == 13:
            msg = 'that was the wrong number'
            raise ZeroDivisionError(msg)

    def meet(self) -> None:
        for publisher in (self.numbers, self.texts):
            until(publisher.get_subscription_count, publisher.topic_name)

    def start(self) -> None:
        self.meet()
        self.reader.start()

    def next(self) -> Any:
        return self.heard.get(timeout=PATIENCE)[0]


@pytest.fixture
def listener(world: World) -> Iterator[Listener]:
    made = Listener(world)
    yield made
    made.reader.close()


def test_messages_come_in_the_readers_thread_and_the_first_subscription_goes_first(
    listener, world
):
    listener.meet()
    for count in range(3):
        listener.texts.publish(String(data=f'text {count}'))
        listener.numbers.publish(Int64(data=count))
    for publisher in (listener.texts, listener.numbers):
        assert publisher.wait_for_all_acked(Duration(seconds=PATIENCE))
    assert listener.heard.empty()  # the executor leaves them alone
    listener.reader.start()
    heard = [listener.heard.get(timeout=PATIENCE) for _ in range(6)]
    assert [text for text, _ in heard] == [0, 'text 0', 1, 'text 1', 2, 'text 2']
    assert {thread for _, thread in heard} == {'intake'}
    assert listener.topic == f'{world.namespace}/text'


def test_an_error_in_a_callback_is_logged_and_the_next_message_comes(listener, capfd):
    listener.start()
    for number in (13, 14):
        listener.numbers.publish(Int64(data=number))
        assert listener.next() == number
    until(lambda: 'ZeroDivisionError: that was the wrong number' in capfd.readouterr().err)


def test_bytes_that_are_no_message_are_passed_over(listener):
    listener.start()
    listener.texts.publish(b'\0\1\0\0\xff\xff\xff\x7fgarbage')
    listener.numbers.publish(Int64(data=1))
    assert listener.next() == 1
    listener.texts.publish(String(data='whole'))
    assert listener.next() == 'whole'


def test_the_alarm_comes_once_and_not_before_it_is_due(listener):
    listener.start()
    listener.numbers.publish(Int64(data=1))
    assert listener.next() == 1
    due = time.monotonic_ns() + 50_000_000
    listener.reader.alarm_ns = due
    listener.numbers.publish(Int64(data=2))  # as a callback does it: the thread is awake
    assert listener.alarms.get(timeout=PATIENCE) >= due
    assert listener.reader.alarm_ns is None
    assert listener.alarms.empty()


def test_a_publisher_that_is_less_reliable_is_warned_of(listener, capfd):
    listener.start()
    listener.robot.create_publisher(String, 'text', BEST_EFFORT)
    until(lambda: 'incompatible QoS' in capfd.readouterr().err)


def test_after_closing_nothing_is_left(listener):
    listener.start()
    listener.reader.close()
    listener.reader.close()
    assert 'intake' not in [thread.name for thread in threading.enumerate()]
    until(lambda: not listener.texts.get_subscription_count(), 'the end of the subscription')


def test_a_reader_that_never_began_can_be_closed(listener):
    listener.reader.close()
    until(lambda: not listener.texts.get_subscription_count(), 'the end of the subscription')


def test_the_thread_ends_when_ros_is_shut_down(listener, world):
    listener.start()
    world.context.try_shutdown()
    until(lambda: 'intake' not in [thread.name for thread in threading.enumerate()])
