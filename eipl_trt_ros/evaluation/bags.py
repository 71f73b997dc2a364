# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Reads the pictures and the joint angles of a rosbag2 recording, in the order of its log.

The `rosbags` package reads sqlite3 and MCAP storage, split and compressed recordings alike, with
no ROS installation; so what is evaluated on a robot can be evaluated on any desk.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eipl_trt_ros.closing import Closing
from eipl_trt_ros.errors import BagError, require
from eipl_trt_ros.image_message import picture_of

IMAGE_TYPES = ('sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage')
JOINT_TYPES = ('sensor_msgs/msg/JointState',)


@dataclass(frozen=True)
class JointsEvent:
    """
    One ``sensor_msgs/JointState`` of the bag.

    Attributes:
        log_ns: when it was recorded, in nanoseconds.
        stamp_ns: when it was measured (its header), in nanoseconds.
        names: the joints it holds.
        positions: float64, one a name; radians for revolute joints.

    """

    log_ns: int
    stamp_ns: int
    names: tuple[str, ...]
    positions: NDArray[np.float64]


@dataclass(frozen=True)
class ImageEvent:
    """
    One ``sensor_msgs/Image`` or ``CompressedImage`` of the bag, not decoded yet.

    Attributes:
        log_ns: when it was recorded, in nanoseconds.
        stamp_ns: when it was taken (its header), in nanoseconds.
        topic: where it was recorded from, for errors.
        message: the deserialised message.

    """

    log_ns: int
    stamp_ns: int
    topic: str
    message: Any

    def picture(self, encoding: str) -> NDArray[np.uint8]:
        """
        Decode the picture.

        Args:
            encoding: ``'rgb8'`` or ``'bgr8'``.

        Returns:
            uint8 (height, width, 3); a view of the message where no conversion is needed.

        Raises:
            BagError: the picture cannot be decoded.

        """
        try:
            return picture_of(self.message, encoding)
        except ValueError as error:
            msg = f'{self.topic}: the image with stamp {self.stamp_ns} ns: {error}'
            raise BagError(msg) from error


@dataclass(frozen=True)
class Topic:
    """A topic of a bag: its name, its message type and how many messages it holds."""

    name: str
    type: str
    count: int


class Bag(Closing):
    """
    An open rosbag2 recording of which one image topic and one joint topic are read.

    Args:
        path: the folder of the recording, or one of its storage files.
        joint_names: names that the joint topic must hold.
        image_topic: which topic holds the pictures; ``None``: the only one of an image type.
        joint_topic: which topic holds the joints; ``None``: the only one of type ``JointState``
            or, among several, the only one that holds ``joint_names``.

    Raises:
        BagError: the recording cannot be read, or does not hold what is needed.

    """

    def __init__(
        self,
        path: Path,
        *,
        joint_names: Sequence[str],
        image_topic: str | None = None,
        joint_topic: str | None = None,
    ) -> None:
        self.path = path
        self._reader = open_reader(path)
        try:
            self.topics = tuple(
                Topic(name, info.msgtype or 'several types', info.msgcount)
                for name, info in sorted(self._reader.topics.items())
            )
            self.image_topic = self._choose(IMAGE_TYPES, image_topic, 'image', '--image-topic')
            self.joint_topic = self._choose_joints(joint_topic, joint_names)
        except BaseException:
            self._reader.close()
            raise

    def close(self) -> None:
        """Let go of the recording's files."""
        self._reader.close()

    @property
    def duration(self) -> float:
        """Seconds from the first message of the recording to the last."""
        return max(0, self._reader.duration - 1) / 1e9

    @property
    def image_count(self) -> int:
        """How many images were recorded on the image topic."""
        return next(topic.count for topic in self.topics if topic.name == self.image_topic)

    def events(self) -> Iterator[JointsEvent | ImageEvent]:
        """
        Yield what was recorded on the two topics, in the order of the log.

        Yields:
            Joint samples and images; images are not decoded yet.

        Raises:
            BagError: the recording is damaged.

        """
        for topic, log_ns, message in self._messages(self.image_topic, self.joint_topic):
            stamp_ns = message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec
            if topic == self.image_topic:
                yield ImageEvent(log_ns, stamp_ns, topic, message)
            else:
                positions = np.asarray(message.position, np.float64)
                yield JointsEvent(log_ns, stamp_ns, tuple(message.name), positions)

    def _messages(self, *topics: str) -> Iterator[tuple[str, int, Any]]:
        connections = [c for c in self._reader.connections if c.topic in topics]
        try:
            for connection, log_ns, raw in self._reader.messages(connections=connections):
                message = self._reader.deserialize(raw, connection.msgtype)
                yield connection.topic, log_ns, message
        except Exception as error:  # a damaged file makes the parsers fail in many ways
            msg = f'{self.path}: damaged: {_text(error)}; record it again or repair it with '
            msg += "'ros2 bag reindex'"
            raise BagError(msg) from error

    def _choose(self, types: Sequence[str], wanted: str | None, what: str, option: str) -> str:
        candidates = [t.name for t in self.topics if t.type in types and t.count > 0]
        if wanted is not None:
            if wanted in candidates:
                return wanted
            msg = f'{self.path}: expected messages of type {" or ".join(types)} on {wanted}, '
            msg += f'found {self.contents()}'
            raise BagError(msg)
        if len(candidates) == 1:
            return candidates[0]
        if candidates:
            msg = f'{self.path}: expected one {what} topic, found {len(candidates)} '
            msg += f'({", ".join(candidates)}): choose one with {option}'
            raise BagError(msg)
        msg = f'{self.path}: no {what} topic: expected one of type {" or ".join(types)}, '
        msg += f'found {self.contents()}'
        raise BagError(msg)

    def _choose_joints(self, wanted: str | None, names: Sequence[str]) -> str:
        candidates = [t.name for t in self.topics if t.type in JOINT_TYPES and t.count > 0]
        if wanted is not None or len(candidates) < 2:
            candidates = [self._choose(JOINT_TYPES, wanted, 'joint', '--joint-topic')]
        found = {topic: self._joint_names(topic, names) for topic in candidates}
        complete = [topic for topic, held in found.items() if held.issuperset(names)]
        if len(complete) == 1:
            return complete[0]
        if complete:
            msg = f'{self.path}: the joints are on {len(complete)} topics '
            msg += f'({", ".join(complete)}): choose one with --joint-topic'
            raise BagError(msg)
        held = '; '.join(f'{topic} holds {", ".join(sorted(s))}' for topic, s in found.items())
        missing = sorted(set(names).difference(*found.values()))
        msg = f'{self.path}: the bundle needs the joints {", ".join(names)}; {held}; '
        msg += f'missing: {", ".join(missing)}'
        raise BagError(msg)

    def _joint_names(self, topic: str, needed: Sequence[str]) -> set[str]:
        """Collect names until all are seen: several drivers may share one topic."""
        seen: set[str] = set()
        for _, _, message in self._messages(topic):
            seen.update(message.name)
            if seen.issuperset(needed):
                break
        return seen

    def contents(self) -> str:
        """List the topics, their types and how many messages they hold."""
        if not self.topics:
            return 'nothing'
        return ', '.join(f'{t.name} ({t.type}, {t.count} messages)' for t in self.topics)


def open_reader(path: Path) -> Any:
    """Open a recording with rosbags' ``AnyReader``; raises BagError if it cannot be read."""
    if not path.exists():
        msg = f'{path}: no such bag; expected the folder that "ros2 bag record" wrote'
        raise BagError(msg)
    if path.is_dir() and not (path / 'metadata.yaml').exists():
        msg = f'{path}: expected the folder of a rosbag2 recording, but it has no metadata.yaml; '
        msg += "if the recording was cut off, repair it with 'ros2 bag reindex'"
        raise BagError(msg)
    highlevel = require('rosbags.highlevel', install='pip install rosbags', needed_for='a bag')
    typesys = require('rosbags.typesys', install='pip install rosbags', needed_for='a bag')
    try:
        # sqlite3 recordings of Humble carry no message definitions; those two never changed
        store = typesys.get_typestore(typesys.Stores.ROS2_HUMBLE)
        reader = highlevel.AnyReader([path], default_typestore=store)
        reader.open()
    except Exception as error:  # a damaged file makes the parsers fail in many ways
        msg = f'{path}: cannot be read as a rosbag2 recording: {_text(error)}'
        raise BagError(msg) from error
    return reader


def _text(error: Exception) -> str:
    return str(error) or type(error).__name__
