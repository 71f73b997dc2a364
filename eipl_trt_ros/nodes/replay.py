# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A rosbag2 recording as a stream of serialised messages with due times; free of rclpy."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eipl_trt_ros.closing import Closing
from eipl_trt_ros.errors import BagError
from eipl_trt_ros.evaluation.bags import open_reader

LOOP_GAP_NS = 100_000_000
"""Between the last message of a pass and the first of the next."""


@dataclass(frozen=True)
class Timed:
    """
    A message and when it is due.

    Attributes:
        elapsed_ns: recorded time since the first message of the first pass.
        log_ns: when it was recorded.
        shift_ns: how much later than its log time it is, counted from the first pass: 0 in that
            pass, and the length of the recording more in each further one.
        topic: where it was recorded from.
        raw: the serialised message (CDR).

    """

    elapsed_ns: int
    log_ns: int
    shift_ns: int
    topic: str
    raw: bytes


class Recording(Closing):
    """
    An open recording of ROS 2 messages.

    Args:
        path: folder of the recording.
        topics: what to play; empty for everything.

    Raises:
        BagError: it cannot be read, holds no messages, or lacks one of the topics.

    """

    def __init__(self, path: Path, topics: Iterable[str] = ()) -> None:
        self._reader: Any = open_reader(path)
        try:
            self._connections = self._choose(path, list(topics))
        except BaseException:
            self.close()
            raise

    def _choose(self, path: Path, topics: list[str]) -> list[Any]:
        if not self._reader.is2:
            msg = f'{path}: expected a ROS 2 recording, found one of ROS 1'
            raise BagError(msg)
        held = [c for c in self._reader.connections if c.msgcount > 0]
        missing = sorted(set(topics) - {c.topic for c in held})
        if missing or not held:
            names = ', '.join(sorted({c.topic for c in held})) or 'nothing'
            msg = f'{path}: expected messages on {", ".join(missing) or "a topic"}, found {names}'
            raise BagError(msg)
        return [c for c in held if not topics or c.topic in topics]

    @property
    def types(self) -> dict[str, str]:
        """Message type of each topic played, such as ``sensor_msgs/msg/Image``."""
        return dict(sorted((c.topic, c.msgtype) for c in self._connections))

    def latched(self, topic: str) -> bool:
        """Tell whether a topic's publisher kept its last message for late subscribers."""
        return any(
            qos.durability.name == 'TRANSIENT_LOCAL'
            for connection in self._connections
            if connection.topic == topic
            for qos in connection.ext.offered_qos_profiles
        )

    def drop(self, topic: str) -> None:
        """Leave a topic out."""
        self._connections = [c for c in self._connections if c.topic != topic]

    def messages(self, *, loop: bool = False) -> Iterator[Timed]:
        """
        Yield the messages in the order of the log.

        Args:
            loop: begin anew after the last one, for ever.

        """
        first = self._reader.start_time
        length = self._reader.duration + LOOP_GAP_NS
        shift = 0
        while True:
            for connection, log_ns, raw in self._reader.messages(connections=self._connections):
                yield Timed(log_ns - first + shift, log_ns, shift, connection.topic, bytes(raw))
            if not loop:
                return
            shift += length

    def close(self) -> None:
        """Let go of the files."""
        self._reader.close()


def shift_stamp(raw: bytes, offset_ns: int) -> bytes:
    """
    Move the stamp of a serialised message that begins with a ``std_msgs/Header``.

    Args:
        raw: CDR: four bytes that tell the byte order, then the stamp's seconds (int32) and
            nanoseconds (uint32), then everything else.
        offset_ns: what to add to the stamp.

    Returns:
        The message with its new stamp.

    """
    layout = '<iI' if raw[1] & 1 else '>iI'
    seconds, nanoseconds = struct.unpack_from(layout, raw, 4)
    stamp_ns = seconds * 1_000_000_000 + nanoseconds + offset_ns
    moved = struct.pack(layout, *divmod(stamp_ns, 1_000_000_000))
    return b''.join((raw[:4], moved, raw[12:]))
