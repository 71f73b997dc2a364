# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Messages damaged field by field, in the callbacks of a node that drives, and byte by byte, by DDS.

Every message is a good one with one field changed. A position that is wrong but plausible is left
out: nobody can tell it from a right one.
"""

from __future__ import annotations

import array
import math
import random
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from builders import make_pictures
from live_arm import LiveWorld
from rclpy.serialization import serialize_message
from ros_world import image_message, until
from sensor_msgs.msg import Image, JointState

from eipl_trt_ros.bundle import Bundle, write_bundle
from eipl_trt_ros.nodes.conversion import set_stamp

COUNT = 10_500
BURST = 25
SPACING = 0.0015  # seconds between messages, so that images are not overtaken by newer ones
RATE = 400.0  # Hz; of a model in a hurry, so that images are not between two of its ticks
RAW = 600
NAMES = [f'joint{i}' for i in range(1, 8)]
GOOD = image_message(make_pictures(1, 16, 16)[0])
WORDS = ['', '?', 'rgb8 ', 'RGB8', 'bgr8', 'rgba8', 'mono8', 'mono16', '16UC1', '32FC1', '64UC9']
WORDS += ['bayer_rggb8', 'yuv422', 'nv12', '8UC0', '\N{SNOWMAN}', 'joint1', 'x' * 5000, '/', '\0']
NUMBERS = [0, 1, 2, 15, 17, 48, 255, 256, 65_535, 2**31 - 1, 2**31, 2**32 - 1]
FLOATS = [math.nan, math.inf, -math.inf, 1e308, -1e308, 1e30, 50.0, -50.0]
SECONDS = [-(2**31), -1, 0, 1, 2**31 - 1]


def good_image(_: list[float]) -> Image:
    message = Image(height=16, width=16, encoding='rgb8', step=48, data=GOOD.data)
    set_stamp(message.header.stamp, time.time_ns())
    return message


def good_joints(position: list[float]) -> JointState:
    message = JointState(name=list(NAMES), position=array.array('d', position))
    set_stamp(message.header.stamp, time.time_ns())
    return message


def damage_stamp(message: Any, rng: random.Random) -> None:
    stamp = message.header.stamp
    if rng.random() < 0.5:
        stamp.nanosec = rng.choice(NUMBERS)
    else:
        stamp.sec = rng.choice([*SECONDS, stamp.sec + 1, stamp.sec - 1, stamp.sec - 5])


def damage_names(message: JointState, rng: random.Random) -> None:
    names = list(message.name)
    change = rng.randrange(4)
    if change == 0:
        names[rng.randrange(7)] = rng.choice(WORDS)
    elif change == 1:
        del names[rng.randrange(7) :]
    elif change == 2:
        names += [rng.choice(WORDS) for _ in range(rng.randrange(1, 50))]
    else:
        names = ['joint9'] * 7
    message.name = names


def damage_positions(message: JointState, rng: random.Random) -> None:
    positions = message.position
    change = rng.randrange(3)
    if change == 0:
        positions[rng.randrange(7)] = rng.choice(FLOATS)
    elif change == 1:
        del positions[rng.randrange(7) :]
    else:
        positions.extend(rng.choice(FLOATS) for _ in range(rng.randrange(1, 50)))


def damage_others(message: JointState, rng: random.Random) -> None:
    values = array.array('d', [rng.choice(FLOATS) for _ in range(rng.randrange(20))])
    message.velocity = message.effort = values


def damage_data(message: Image, rng: random.Random) -> None:
    length = rng.choice([0, 1, 47, 48, 767, 769, 5000])
    message.data = array.array('B', rng.randbytes(length))


def setter(field: str, values: list[Any]) -> Callable[[Any, random.Random], None]:
    return lambda message, rng: setattr(message, field, rng.choice(values))


IMAGE_DAMAGES: dict[str, Callable[[Image, random.Random], None]] = {
    'stamp': damage_stamp,
    'height': setter('height', NUMBERS),
    'width': setter('width', NUMBERS),
    'step': setter('step', NUMBERS),
    'encoding': setter('encoding', WORDS),
    'is_bigendian': setter('is_bigendian', [1, 2, 255]),
    'data': damage_data,
}
JOINT_DAMAGES: dict[str, Callable[[JointState, random.Random], None]] = {
    'stamp': damage_stamp,
    'name': damage_names,
    'position': damage_positions,
    'velocity, effort': damage_others,
}


@pytest.fixture
def hurried(bundle: Bundle, tmp_path: Path) -> Bundle:
    path = shutil.copytree(bundle.path, tmp_path / 'b')
    return write_bundle(replace(bundle, path=path, rate_hz=RATE))


@pytest.mark.parametrize('command_type', ['joint_trajectory', 'float64_multi_array'])
def test_no_message_with_a_damaged_field_crashes_a_node_or_makes_it_unsafe(
    live: Any, row: Any, hurried: Bundle, command_type: str
) -> None:
    settings = {'command_type': command_type, 'recovery_time': 0.02, 'hold_time': 0.1}
    lively = live(bundle=hurried, **settings)
    lively.drive(3)
    rng = random.Random(7)  # noqa: S311
    kinds = [*((good_image, *one) for one in IMAGE_DAMAGES.items())]
    kinds += [*((good_joints, *one) for one in JOINT_DAMAGES.items())]
    done: Counter[str] = Counter()
    drove = 0

    def send(make: Callable[..., Any], damage: Callable[[Any, random.Random], None]) -> None:
        """Give the node a burst, in the thread that receives, as if it had arrived."""
        intake, position = lively.node._intake, lively.arm.position.tolist()
        take = intake._on_image if make is good_image else intake._on_joints
        for _ in range(BURST):
            message = make(position)
            damage(message, rng)
            take(message)
            time.sleep(SPACING)

    threads = psutil.Process().num_threads()
    while done.total() < COUNT // 2:
        make, field, damage = kinds[done.total() // BURST % len(kinds)]
        drove += drives(lively)
        received(lively.node._intake, lambda make=make, damage=damage: send(make, damage))
        done[f'{make.__name__} {field}'] += BURST
        time.sleep(0.01)
    assert psutil.Process().num_threads() <= threads
    assert len(done) == len(kinds)
    counts = lively.node._configured.runner.statistics.counts()
    assert counts.failed > 500
    assert drove > 5
    lively.arm.call_engage(False)
    recovers(lively)
    row(
        f'{done.total():,} messages with one damaged field, {command_type}',
        held='where needed',
        said=f'{counts.failed} frames failed; stopped and engaged anew {drove} times, '
        f'{len(lively.observer.commands)} commands, none unsafe',
        then='can be engaged',
    )


def received(intake: Any, function: Callable[[], None]) -> None:
    """Call a function in the thread that receives messages, and wait for its end."""
    reader, done = intake._reader, threading.Event()
    usual = reader._on_alarm

    def once() -> None:
        reader._on_alarm = usual
        function()
        done.set()

    reader._on_alarm = once
    reader.alarm_ns = 0
    reader._waker.trigger()
    assert done.wait(20)


def drives(lively: LiveWorld) -> bool:
    """Engage again where the arm was stopped, as soon as that is allowed."""
    if lively.observer.state.startswith(('driving', 'holding')):
        return False
    until(lambda: lively.arm.call_engage().success, 'to be engaged')
    return True


def recovers(lively: LiveWorld) -> None:
    """Engage and drive once the stamps from the future are past."""
    time.sleep(1.5)
    lively.drive(5)


def damage_bytes(good: bytes, rng: random.Random) -> bytes:
    """Cut, change or lengthen what goes over the wire: lengths and texts are in it too."""
    raw = bytearray(good)
    change = rng.random()
    if change < 0.3:
        del raw[rng.randrange(len(raw)) :]
    elif change < 0.6:
        place = 4 * rng.randrange(1, len(raw) // 4)
        raw[place : place + 4] = rng.choice([b'\xff\xff\xff\xff', b'\xff\xff\xff\x7f', b'\0\0\0@'])
    elif change < 0.9:
        for _ in range(rng.randrange(1, 4)):
            raw[rng.randrange(min(len(raw), 160))] = rng.randrange(256)
    else:
        raw += rng.randbytes(rng.randrange(200))
    return bytes(raw)


def test_no_bytes_on_the_wire_crash_a_node_or_make_it_unsafe(
    live: Any, row: Any, tmp_path: Path
) -> None:
    lively = live(log=tmp_path / 'log', recovery_time=0.02, hold_time=0.1)
    lively.drive(3)
    rng = random.Random(11)  # noqa: S311
    arm = lively.arm
    engaged = 0
    for _ in range(RAW // 2):
        position = arm.position.tolist()
        image, joints = good_image(position), good_joints(position)
        arm._image_publisher.publish(damage_bytes(serialize_message(image), rng))
        arm._joint_publisher.publish(damage_bytes(serialize_message(joints), rng))
        time.sleep(0.005)
        engaged += drives(lively)
    assert engaged > 0
    assert lively.process.poll() is None
    arm.call_engage(False)
    recovers(lively)
    until(lambda: lively.observer.state == 'driving', 'driving')
    assert 'Traceback' not in lively.log.read_text()
    row(
        f'{RAW} messages with damaged bytes, by DDS',
        held='where needed',
        said=f'stopped and engaged anew {engaged} times; what cannot be deserialised does not '
        'arrive: the middleware says so',
        then='can be engaged',
    )
