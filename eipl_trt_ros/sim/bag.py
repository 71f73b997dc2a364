# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Writes a demonstration as a rosbag2 recording (MCAP), as if it came off a robot."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eipl_trt_ros.errors import BagError, require
from eipl_trt_ros.sim.demonstrations import Demonstration, Request, record
from eipl_trt_ros.sim.environment import FRAME_SECONDS, PandaEnvironment
from eipl_trt_ros.sim.kinematics import Vector
from eipl_trt_ros.sim.scene import INSTALL, JOINT_NAMES

IMAGE_TOPIC = '/camera/image_raw'
JOINT_TOPIC = '/joint_states'
START_NS = 1_700_000_000 * 10**9  # stamp of the first picture; fixed, so that a bag is repeatable

JOINT_STEPS = 5  # physics steps between two joint samples: 100 Hz
JOINT_PHASE = 2  # physics steps after a picture at which the next joint sample is taken
LEAD_IN = 5  # joint samples before the first picture, the arm at rest
IMAGE_LATENCY_NS = 20_000_000
JOINT_LATENCY_NS = 1_000_000


@dataclass(frozen=True)
class Recording:
    """
    A demonstration with the joint samples of a robot's own, faster clock.

    Attributes:
        demonstration: pictures and joints at 10 Hz.
        sample_ns: int64 (S,), when each joint sample was taken, from the first picture on.
        samples: float64 (S, 8), radians and the gripper's command.

    """

    demonstration: Demonstration
    sample_ns: NDArray[np.int64]
    samples: Vector


def record_samples(environment: PandaEnvironment, request: Request) -> Recording:
    """
    Record a demonstration and the joints at 100 Hz.

    Args:
        environment: the robot.
        request: what to record.

    """
    step_ns = round(environment.settings.physics_step * 1e9)
    times: list[int] = []
    samples: list[Vector] = []

    def observe(seconds: float, joints: Vector) -> None:
        index = round(seconds / environment.settings.physics_step)
        if index % JOINT_STEPS == JOINT_PHASE:
            times.append(index * step_ns)
            samples.append(joints)

    demonstration = record(environment, request, observer=observe)
    period = JOINT_STEPS * step_ns
    lead = [times[0] - period * index for index in range(LEAD_IN, 0, -1)]
    rest = [demonstration.joints[0].astype(np.float64)] * LEAD_IN
    return Recording(demonstration, np.array(lead + times), np.array(rest + samples))


def write_bag(path: Path, recording: Recording) -> None:
    """
    Write a recording as a rosbag2 folder with zstd-compressed MCAP chunks.

    A picture is logged 20 ms after its stamp, as a camera's exposure and transfer make it, and a
    joint sample 1 ms after its own, so joints newer than a picture are in the log before it.

    Args:
        path: the folder to write; it must not exist.
        recording: what to write.

    Raises:
        BagError: the folder exists.
        MissingPackageError: rosbags is not installed.

    """
    rosbag2 = require('rosbags.rosbag2', install=INSTALL, needed_for='writing a bag')
    typesys = require('rosbags.typesys', install=INSTALL, needed_for='writing a bag')

    if path.exists():
        msg = f'{path} exists already: remove it or choose another folder'
        raise BagError(msg)
    store = typesys.get_typestore(typesys.Stores.ROS2_HUMBLE)
    # Version 8 of the metadata is read by Humble and by Jazzy.
    writer = rosbag2.Writer(path, version=8, storage_plugin=rosbag2.StoragePlugin.MCAP)
    writer.set_compression(rosbag2.CompressionMode.STORAGE, rosbag2.CompressionFormat.ZSTD)
    with writer:
        topics = {
            name: writer.add_connection(name, kind, typestore=store)
            for name, kind in (
                (IMAGE_TOPIC, 'sensor_msgs/msg/Image'),
                (JOINT_TOPIC, 'sensor_msgs/msg/JointState'),
            )
        }
        for log_ns, topic, message in sorted(_messages(store, recording), key=lambda row: row[0]):
            connection = topics[topic]
            writer.write(connection, log_ns, store.serialize_cdr(message, connection.msgtype))


def _messages(store: Any, recording: Recording) -> list[tuple[int, str, Any]]:
    """Make all messages, each with its log time and topic."""
    types = store.types
    rows: list[tuple[int, str, Any]] = []

    def header(stamp_ns: int, frame: str) -> Any:
        seconds, nanoseconds = divmod(stamp_ns, 10**9)
        time = types['builtin_interfaces/msg/Time'](sec=seconds, nanosec=nanoseconds)
        return types['std_msgs/msg/Header'](stamp=time, frame_id=frame)

    for index, picture in enumerate(recording.demonstration.images):
        stamp = START_NS + index * round(FRAME_SECONDS * 1e9)
        height, width, channels = picture.shape
        image = types['sensor_msgs/msg/Image'](
            header=header(stamp, 'camera'),
            height=height,
            width=width,
            encoding='rgb8',
            is_bigendian=0,
            step=width * channels,
            data=picture.reshape(-1),
        )
        rows.append((stamp + IMAGE_LATENCY_NS, IMAGE_TOPIC, image))
    nothing = np.zeros(0)
    for since_first, positions in zip(
        recording.sample_ns.tolist(), recording.samples, strict=True
    ):
        stamp = START_NS + since_first
        joints = types['sensor_msgs/msg/JointState'](
            header=header(stamp, 'panda_link0'),
            name=list(JOINT_NAMES),
            position=positions,
            velocity=nothing,
            effort=nothing,
        )
        rows.append((stamp + JOINT_LATENCY_NS, JOINT_TOPIC, joints))
    return rows
