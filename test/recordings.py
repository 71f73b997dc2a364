# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Writes small real recordings for the tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

STORE = get_typestore(Stores.ROS2_JAZZY)
IMAGE = 'sensor_msgs/msg/Image'
COMPRESSED = 'sensor_msgs/msg/CompressedImage'
JOINTS = 'sensor_msgs/msg/JointState'
START_NS = 1_700_000_000_000_000_000
CAMERA_LATENCY_NS = 20_000_000


def header(stamp_ns: int):
    time = STORE.types['builtin_interfaces/msg/Time']
    stamp = time(sec=stamp_ns // 1_000_000_000, nanosec=stamp_ns % 1_000_000_000)
    return STORE.types['std_msgs/msg/Header'](stamp=stamp, frame_id='camera')


def image_message(picture: NDArray[np.uint8], stamp_ns: int, encoding='rgb8', padding=0):
    height, width = picture.shape[:2]
    rows = np.ascontiguousarray(picture).reshape(height, -1)
    padded = np.pad(rows, ((0, 0), (0, padding)))
    return STORE.types[IMAGE](
        header=header(stamp_ns),
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=0,
        step=padded.shape[1],
        data=padded.reshape(-1),
    )


def compressed_message(picture: NDArray[np.uint8], stamp_ns: int):
    """Compress an RGB picture without loss."""
    png = cv2.imencode('.png', cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1]
    return STORE.types[COMPRESSED](header=header(stamp_ns), format='png', data=png.reshape(-1))


def joint_message(names: Sequence[str], positions: Sequence[float], stamp_ns: int):
    empty = np.zeros(0)
    return STORE.types[JOINTS](
        header=header(stamp_ns),
        name=list(names),
        position=np.asarray(positions, np.float64),
        velocity=empty,
        effort=empty,
    )


def picture_at(seconds: float, side: int = 32) -> NDArray[np.uint8]:
    """Draw a bright square that wanders over a gradient."""
    rows, columns = np.mgrid[0:side, 0:side]
    picture = np.stack([rows, columns, rows + columns], axis=-1) * (127.0 / side)
    at = int(side / 2 + side / 4 * np.sin(2 * seconds))
    picture[at - 3 : at + 3, at - 3 : at + 3] = (230, 200, 40)
    return picture.astype(np.uint8)


def joints_at(seconds: float, count: int) -> NDArray[np.float64]:
    """Move each joint along a sine of its own phase."""
    return 0.4 * np.sin(1.5 * seconds + np.arange(count))


class BagWriter:
    """Collects messages and writes them in the order of their log times."""

    def __init__(self, **writer_options) -> None:
        self._options = {'version': 9, 'storage_plugin': StoragePlugin.MCAP} | writer_options
        self.messages: list[tuple[int, str, str, object]] = []

    def add(self, log_ns: int, topic: str, kind: str, message: object) -> None:
        self.messages.append((log_ns, topic, kind, message))

    def write(self, path: Path, configure: Callable[[Writer], None] = lambda _: None) -> Path:
        writer = Writer(path, **self._options)
        configure(writer)
        with writer:
            connections = {}
            for log_ns, topic, kind, message in sorted(self.messages, key=lambda m: m[0]):
                if topic not in connections:
                    connections[topic] = writer.add_connection(topic, kind, typestore=STORE)
                writer.write(connections[topic], log_ns, STORE.serialize_cdr(message, kind))
        return path


def demonstration(
    names: Sequence[str],
    *,
    seconds: float = 1.0,
    image_hz: float = 10.0,
    joint_hz: float = 100.0,
    side: int = 32,
    image_topic: str | None = '/camera/image_raw',
    joint_topic: str | None = '/joint_states',
    compressed: bool = False,
    **writer_options,
) -> BagWriter:
    """Prepare a short movement: images and joints as a robot would record them."""
    bag = BagWriter(**writer_options)
    if image_topic is not None:
        for index in range(round(seconds * image_hz)):
            at = 0.1 + index / image_hz
            stamp = START_NS + round(at * 1e9)
            if compressed:
                kind, message = COMPRESSED, compressed_message(picture_at(at, side), stamp)
            else:
                kind, message = IMAGE, image_message(picture_at(at, side), stamp)
            bag.add(stamp + CAMERA_LATENCY_NS, image_topic, kind, message)
    if joint_topic is not None:
        for index in range(round((seconds + 0.2) * joint_hz)):
            at = index / joint_hz
            stamp = START_NS + round(at * 1e9)
            message = joint_message(names, joints_at(at, len(names)), stamp)
            bag.add(stamp + 1_000_000, joint_topic, JOINTS, message)
    return bag
