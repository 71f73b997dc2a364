# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import subprocess
import sys
import time
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rclpy
from hypothesis import given
from hypothesis import strategies as st
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message, serialize_message
from recordings import START_NS, STORE, demonstration
from ros_world import until
from rosbags.rosbag2 import StoragePlugin
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image, JointState

from eipl_trt_ros.errors import BagError
from eipl_trt_ros.nodes.conversion import nanoseconds, set_stamp
from eipl_trt_ros.nodes.replay import LOOP_GAP_NS, Recording, shift_stamp
from eipl_trt_ros.nodes.replay_node import ReplayNode

NAMES = ('joint1', 'joint2')
SECONDS = 2**31 - 1


@pytest.fixture(params=[StoragePlugin.MCAP, StoragePlugin.SQLITE3])
def bag(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    writer = demonstration(NAMES, seconds=0.5, storage_plugin=request.param)
    return writer.write(tmp_path / 'bag')


@given(
    stamp_ns=st.integers(0, SECONDS * 10**9),
    target_ns=st.integers(0, SECONDS * 10**9),
    frame=st.text('abc/', max_size=9),
)
def test_a_stamp_is_moved_in_a_serialised_message_and_nothing_else(stamp_ns, target_ns, frame):
    message = JointState(name=list(NAMES), position=[0.1, 0.2])
    message.header.frame_id = frame
    set_stamp(message.header.stamp, stamp_ns)
    moved = deserialize_message(
        shift_stamp(serialize_message(message), target_ns - stamp_ns), JointState
    )
    assert nanoseconds(moved.header.stamp) == target_ns
    set_stamp(message.header.stamp, target_ns)
    assert moved == message


def test_big_endian_messages_keep_their_byte_order():
    message = STORE.types['std_msgs/msg/Header'](
        stamp=STORE.types['builtin_interfaces/msg/Time'](sec=5, nanosec=7), frame_id='x'
    )
    raw = bytes(STORE.serialize_cdr(message, 'std_msgs/msg/Header', little_endian=False))
    moved = STORE.deserialize_cdr(shift_stamp(raw, 10**9 - 1), 'std_msgs/msg/Header')
    assert (moved.stamp.sec, moved.stamp.nanosec) == (6, 6)
    assert moved.frame_id == 'x'


def test_messages_come_in_the_order_of_the_log(bag):
    with Recording(bag) as recording:
        messages = list(recording.messages())
        assert set(recording.types) == {'/camera/image_raw', '/joint_states'}
    assert len(messages) == 5 + 70
    assert all(a.log_ns <= b.log_ns for a, b in pairwise(messages))
    assert all(m.elapsed_ns == m.log_ns - messages[0].log_ns for m in messages)


def test_further_passes_come_later_by_the_length_of_the_recording(bag):
    with Recording(bag, ['/camera/image_raw']) as recording:
        first, second, third = (
            list(islice(messages, 5)) for messages in [recording.messages(loop=True)] * 3
        )
        length = second[0].elapsed_ns - first[0].elapsed_ns
        assert length >= first[-1].elapsed_ns - first[0].elapsed_ns + LOOP_GAP_NS
        for a, b, c in zip(first, second, third, strict=True):
            assert a.raw == b.raw == c.raw
            assert (b.shift_ns, c.shift_ns) == (length, 2 * length)
            assert b.elapsed_ns - a.elapsed_ns == c.elapsed_ns - b.elapsed_ns == length


def test_a_topic_that_is_not_there_is_named_together_with_those_that_are(bag):
    with pytest.raises(BagError, match=r'/depth.*found /camera/image_raw, /joint_states'):
        Recording(bag, ['/depth'])


class Listener:
    """Keeps what arrives on the topics of a replay, with the time of arrival."""

    def __init__(self, world: Any, **kinds: Any) -> None:
        self.node = world.add(rclpy.create_node('listener', **world.settings()))
        qos = QoSProfile(depth=1000, reliability=ReliabilityPolicy.RELIABLE)
        self.received: dict[str, list[tuple[int, Any]]] = {name: [] for name in kinds}
        topics = {'images': '/camera/image_raw', 'joints': '/joint_states', 'clock': '/clock'}
        for name, kind in kinds.items():
            inbox = self.received[name]
            self.node.create_subscription(
                kind,
                world.namespace + topics[name],
                lambda message, inbox=inbox: inbox.append((time.time_ns(), message)),
                qos,
            )

    def stamps(self, name: str) -> list[int]:
        return [nanoseconds(message.header.stamp) for _, message in self.received[name]]


def replay(world: Any, bag: Path, **parameters: Any) -> dict[str, int]:
    """Play a recording into the world's own topics."""
    settings = world.settings(bag=str(bag), **parameters)
    remaps = [f'{topic}:={world.namespace}{topic}' for topic in (*TOPICS, '/clock')]
    cli_args = ['--ros-args', *(part for remap in remaps for part in ('-r', remap))]
    node = ReplayNode(**settings, cli_args=cli_args)
    try:
        return node.play()
    finally:
        node.destroy_node()


TOPICS = ('/camera/image_raw', '/joint_states')


def test_a_recording_is_played_as_it_was_at_its_own_pace(world, bag):
    listener = Listener(world, images=Image, joints=JointState)
    sent = replay(world, bag)
    assert sent == {'/camera/image_raw': 5, '/joint_states': 70}
    until(lambda: len(listener.received['images']) == 5)
    until(lambda: len(listener.received['joints']) == 70)
    assert listener.stamps('images') == [START_NS + 10**8 * (1 + i) for i in range(5)]
    assert listener.stamps('joints') == [START_NS + 10**7 * i for i in range(70)]
    begin, end = (listener.received['joints'][i][0] for i in (0, -1))
    assert 0.6e9 < end - begin < 3e9
    with Recording(bag) as recording:
        raw = next(m.raw for m in recording.messages() if m.topic == TOPICS[0])
    assert deserialize_message(raw, Image) == listener.received['images'][0][1]


def test_a_recording_can_be_played_faster(world, bag):
    Listener(world, images=Image, joints=JointState)
    begin = time.monotonic()
    replay(world, bag, rate=1000.0, wait_for_subscribers=0.0)
    assert time.monotonic() - begin < 0.6


def test_stamps_are_moved_to_now_with_the_cameras_delay_kept(world, bag):
    listener = Listener(world, images=Image, joints=JointState)
    replay(world, bag, restamp=True)
    until(lambda: len(listener.received['images']) == 5)
    until(lambda: len(listener.received['joints']) == 70)
    for name, delay in (('images', 20_000_000), ('joints', 1_000_000)):
        stamps = listener.stamps(name)
        arrivals = [arrived for arrived, _ in listener.received[name]]
        late = np.array(arrivals) - stamps
        assert late.min() >= delay
        assert np.median(late) < delay + 200_000_000
    steps = np.diff(listener.stamps('images'))
    assert np.abs(steps - 10**8).max() <= 1
    assert listener.stamps('images')[0] - listener.stamps('joints')[0] == pytest.approx(1e8, abs=2)


@pytest.mark.parametrize('continues', [True, False])
def test_a_loop_continues_time_unless_told_not_to(world, bag, continues):
    listener = Listener(world, images=Image)
    settings = world.settings(
        bag=str(bag),
        topics='/camera/image_raw',
        loop=True,
        loop_continues_time=continues,
        rate=20.0,
    )
    remap = f'/camera/image_raw:={world.namespace}/camera/image_raw'
    node = ReplayNode(**settings, cli_args=['--ros-args', '-r', remap])
    publish, stop = node._publish, node._stop

    def counted(*arguments: Any) -> None:
        publish(*arguments)
        if node._outputs['/camera/image_raw'].sent == 12:
            stop.set()

    node._publish = counted
    node.play()
    node.destroy_node()
    until(lambda: len(listener.received['images']) == 12)
    stamps = listener.stamps('images')
    if continues:
        assert all(a < b for a, b in pairwise(stamps))
    else:
        assert stamps[:5] == stamps[5:10]


def test_the_recorded_time_is_published_as_the_clock(world, bag):
    listener = Listener(world, images=Image, joints=JointState, clock=Clock)
    replay(world, bag, clock=200.0)
    until(lambda: len(listener.received['images']) == 5)
    times = [nanoseconds(message.clock) for _, message in listener.received['clock']]
    assert len(times) > 50
    assert all(a <= b for a, b in pairwise(times))
    assert START_NS <= times[0] <= START_NS + 10**8
    assert abs(times[-1] - (START_NS + 691 * 10**6)) < 10**8


def test_topics_of_unknown_types_are_left_out(world, tmp_path, capfd):
    bag = demonstration(NAMES, seconds=0.2, image_topic=None)
    foreign = 'nowhere_msgs/msg/Thing'
    STORE.register({foreign: ([], [('value', (1, ('uint8', 0)))])})
    bag.add(START_NS, '/thing', foreign, STORE.types[foreign](value=1))
    Listener(world, joints=JointState)
    sent = replay(world, bag.write(tmp_path / 'bag'))
    assert sent == {'/joint_states': 40}
    assert '/thing is left out: nowhere_msgs/msg/Thing is not installed' in capfd.readouterr().err


def test_topics_without_a_subscriber_are_named(world, bag, capfd):
    Listener(world, joints=JointState)
    replay(world, bag, rate=100.0, wait_for_subscribers=1.0)
    assert 'nobody is subscribed to /camera/image_raw' in capfd.readouterr().err


def test_the_process_says_what_it_sent_and_exits(bag):
    command = [sys.executable, '-m', 'eipl_trt_ros.nodes.replay_node', '--ros-args']
    command += ['-p', f'bag:={bag}', '-p', 'rate:=100.0', '-p', 'wait_for_subscribers:=0.0']
    done = subprocess.run(
        command,
        env={**os.environ, 'ROS_DOMAIN_ID': '87'},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0
    assert 'sent 75 messages: 5 on /camera/image_raw, 70 on /joint_states' in done.stderr


def test_the_process_explains_a_missing_recording(tmp_path):
    command = [sys.executable, '-m', 'eipl_trt_ros.nodes.replay_node', '--ros-args']
    command += ['-p', f'bag:={tmp_path / "nothing"}']
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert 'no such bag' in done.stderr
    assert 'Traceback' not in done.stderr
