# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Messages by DDS in which all is wrong at once, at an arm that is engaged again and again."""

from __future__ import annotations

import array
import math
import time
from typing import Any

import numpy as np
import pytest
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image, JointState
from std_srvs.srv import SetBool

from eipl_trt_ros.nodes.conversion import set_stamp

COUNT = 1_000
WAVE = 60  # messages of each kind, then a moment without
NAMES = [f'joint{i}' for i in range(1, 8)]
ENCODINGS = ['rgb8', 'bgr8', 'mono8', 'rgba8', '16UC1', '32FC1', 'bayer_rggb8', 'yuv422', '', '?']
VALUES = [math.nan, math.inf, -math.inf, 0.0, -0.0, 1e308, -1e308, 1e-320, 3.0, 0.25]


def bad_stamp(rng: np.random.Generator) -> int:
    """Return a stamp around now, or at the ends of what a stamp can hold."""
    now = time.time_ns()
    ends = [0, 1, (2**31 - 1) * 10**9 + 999_999_999, now - 10**12, now + 10**12]
    return (
        int(rng.choice(ends)) if rng.random() < 0.3 else now + int(rng.integers(-(10**9), 10**9))
    )


def bad_image(rng: np.random.Generator) -> Image:
    height, width = (int(rng.choice([0, 1, 7, 16, 300])) for _ in range(2))
    message = Image(height=height, width=width, encoding=str(rng.choice(ENCODINGS)))
    message.step = int(rng.choice([0, width, 3 * width, 3 * width + 5, 2**32 - 1]))
    size = int(rng.choice([0, 1, height * width, 3 * height * width, message.step % 5000]))
    message.data = array.array('B', rng.bytes(min(size, 300_000)))
    message.is_bigendian = int(rng.integers(0, 256))
    set_stamp(message.header.stamp, bad_stamp(rng))
    return message


def bad_joints(rng: np.random.Generator) -> JointState:
    names = [str(rng.choice([*NAMES, '', 'other', 'gripper'])) for _ in range(rng.integers(0, 12))]
    if rng.random() < 0.5:
        names = [str(name) for name in rng.permutation(NAMES)]
    count = int(rng.choice([0, 1, len(names), len(names) + 3]))
    values = [
        float(rng.choice(VALUES)) if rng.random() < 0.4 else float(rng.normal(0.25, 1.0))
        for _ in range(count)
    ]
    message = JointState(name=names, position=array.array('d', values))
    set_stamp(message.header.stamp, bad_stamp(rng))
    return message


@pytest.mark.parametrize('command_type', ['joint_trajectory', 'float64_multi_array'])
def test_bad_messages_by_dds_crash_nothing_and_give_no_unsafe_command(
    live: Any, world: Any, row: Any, command_type: str
) -> None:
    lively = live(command_type=command_type, recovery_time=0.02)
    lively.engage()
    rng = np.random.default_rng(0)
    robot = world.robot()
    qos = QoSProfile(depth=1000)
    images = robot.create_publisher(Image, 'image', qos)
    joints = robot.create_publisher(JointState, 'joint_states', qos)
    client = robot.create_client(SetBool, 'predictor/engage')
    assert client.wait_for_service(20)
    intake = lively.node._intake
    good = lively.arm.sent

    def arrived() -> int:
        """Count the bad messages that got through: images are dropped where nobody is ready."""
        return intake.images + intake.joint_messages - (lively.arm.sent - good) - before

    def drove() -> int:
        return sum(state == 'driving' for _, state in lively.observer.heard.states)

    before = intake.images + intake.joint_messages
    deadline = time.monotonic() + 120
    while arrived() < COUNT or drove() < 2:  # messages to a resting arm would show little
        assert time.monotonic() < deadline, f'{arrived()} messages, drove {drove()} times'
        for _ in range(WAVE):
            images.publish(bad_image(rng))
            joints.publish(bad_joints(rng))
        time.sleep(0.1)  # let the arm move in between
        client.call_async(SetBool.Request(data=True))
        time.sleep(0.02)
    failed = lively.node._configured.runner.statistics.counts().failed
    told = len(lively.observer.commands)
    count = arrived()
    lively.arm.call_engage(False)
    lively.arm.place(np.full(7, 0.25))
    lively.arm.engage()
    row(
        f'{count:,} messages with everything wrong, by DDS, {command_type}',
        held='where needed',
        said=f'{failed} frames failed; drove {drove()} times, {told} commands, none unsafe',
        then='can be engaged',
    )
