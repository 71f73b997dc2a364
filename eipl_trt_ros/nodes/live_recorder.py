# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Listens to everything that a predictor node publishes, and puts it together by frame."""

from __future__ import annotations

import bisect
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.context import Context
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image, JointState
from std_msgs.msg import Float32MultiArray, Int64MultiArray

from eipl_trt_ros.backends import StepTimes
from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.errors import BagError
from eipl_trt_ros.evaluation.live import LiveRun
from eipl_trt_ros.evaluation.offline import digest_of
from eipl_trt_ros.nodes.conversion import nanoseconds
from eipl_trt_ros.nodes.frame_timing import FrameTiming, decode

_DEPTH = 1000


@dataclass
class Heard:
    """
    What has arrived so far; stamps are those of the replay, not of the recording.

    Attributes:
        images: stamps of the images that the replay sent.
        joints: predicted joints by stamp.
        arrived: when they arrived, on the system's clock, by stamp.
        predicted_images: digests by stamp.
        points: arrival on the monotonic clock, and the points: they carry no stamp.
        timings: by stamp.
        sent_joints: how many joint messages the replay sent.

    """

    images: list[int] = field(default_factory=list)
    joints: dict[int, NDArray[np.float64]] = field(default_factory=dict)
    arrived: dict[int, int] = field(default_factory=dict)
    predicted_images: dict[int, str] = field(default_factory=dict)
    points: list[tuple[int, NDArray[np.float32]]] = field(default_factory=list)
    timings: dict[int, FrameTiming] = field(default_factory=dict)
    sent_joints: int = 0

    @property
    def messages(self) -> int:
        """How many messages have arrived."""
        kept = (self.images, self.joints, self.predicted_images, self.points)
        return sum(map(len, kept)) + len(self.timings) + self.sent_joints


class LiveRecorder(Node):
    """
    Subscribes to a predictor node and to what is sent to it.

    Args:
        context: of rclpy.
        bundle: what the predictor runs: it tells the topics that there are.
        place: namespace of the node ``predictor`` and of the topics ``image`` and
            ``joint_states`` that are sent to it.
        compressed: whether the images are on ``image/compressed`` instead.

    """

    def __init__(self, context: Context, bundle: Bundle, place: str, *, compressed: bool) -> None:
        super().__init__(
            'recorder', namespace=place, context=context, start_parameter_services=False
        )
        self.heard = Heard()
        qos = QoSProfile(depth=_DEPTH, reliability=ReliabilityPolicy.RELIABLE)

        def listen(kind: Any, topic: str, callback: Any, *, raw: bool = False) -> None:
            self.create_subscription(kind, topic, callback, qos, raw=raw)

        listen(JointState, 'predictor/predicted_joints', self._on_joints)
        listen(Image, 'predictor/predicted_image', self._on_image)
        if bundle.model.k_dim is not None:
            listen(Float32MultiArray, 'predictor/attention_points', self._on_points)
        listen(Int64MultiArray, 'predictor/frame_timing', self._on_timing)
        # Of the images only the stamps are of use, of the joints nothing; but that we hear both
        # tells that the replay is there.
        if compressed:
            listen(CompressedImage, 'image/compressed', self._on_sent_image, raw=True)
        else:
            listen(Image, 'image', self._on_sent_image, raw=True)
        listen(JointState, 'joint_states', self._on_sent_joints, raw=True)

    def connected(self) -> bool:
        """Tell whether somebody publishes on every topic that we listen to."""
        return all(self.count_publishers(s.topic_name) > 0 for s in self.subscriptions)

    def _on_joints(self, message: JointState) -> None:
        stamp_ns = nanoseconds(message.header.stamp)
        self.heard.arrived[stamp_ns] = time.time_ns()
        self.heard.joints[stamp_ns] = np.array(message.position, np.float64)

    def _on_image(self, message: Image) -> None:
        pixels: NDArray[np.uint8] = np.frombuffer(message.data, np.uint8)
        self.heard.predicted_images[nanoseconds(message.header.stamp)] = digest_of(pixels)

    def _on_points(self, message: Float32MultiArray) -> None:
        points = np.array(message.data, np.float32).reshape(2, -1, 2)
        self.heard.points.append((time.monotonic_ns(), points))

    def _on_timing(self, message: Int64MultiArray) -> None:
        timing = decode(message)
        self.heard.timings[timing.stamp] = timing

    def _on_sent_image(self, raw: bytes) -> None:
        seconds, rest = struct.unpack_from('<iI' if raw[1] & 1 else '>iI', raw, 4)
        self.heard.images.append(seconds * 1_000_000_000 + rest)

    def _on_sent_joints(self, _: bytes) -> None:
        self.heard.sent_joints += 1


def gather(heard: Heard, bag_stamps: Sequence[int], bundle: Bundle) -> LiveRun:
    """
    Put together what belongs to one frame.

    Nobody engages a replayed arm: what its commands would be made of are the predicted joints. A
    set of points carries no stamp; it belongs to the last frame that the inference thread had
    taken up when it arrived.

    Args:
        heard: what arrived.
        bag_stamps: stamps of all images in the recording, in the order of its log.
        bundle: what the node ran.

    Returns:
        The frames, under the stamps of the recording.

    Raises:
        BagError: the images heard are not those of the recording.

    """
    offset = _offset(heard.images, bag_stamps)
    stamps = sorted(heard.timings)
    timings = [heard.timings[stamp] for stamp in stamps]
    started = [timing.started for timing in timings]
    joints = len(bundle.joints)
    unknown = np.full(joints, np.nan)
    points = _points(heard, started, bundle.model.k_dim)
    predicted = np.array([heard.joints.get(s, unknown) for s in stamps]).reshape(-1, joints)
    latencies = [(heard.arrived[s] - s) / 1e6 if s in heard.arrived else np.nan for s in stamps]
    return LiveRun(
        images=len(heard.images),
        stamps_ns=np.array(stamps, np.int64) - offset,
        predicted=predicted,
        digests=tuple(heard.predicted_images.get(stamp, '') for stamp in stamps),
        encoder_points=None if points is None else points[:, 0],
        decoder_points=None if points is None else points[:, 1],
        steps_ms={
            name: np.array([getattr(timing, name) for timing in timings]) / 1e6
            for name in StepTimes.STEPS
        },
        command_ms=np.array(latencies),
        node_ms=np.array([timing.receive_to_command for timing in timings]) / 1e6,
        dropped={},
    )


def _points(heard: Heard, started: list[int], k_dim: int | None) -> NDArray[np.float32] | None:
    """Return the attention points (M, 2, K, 2) by frame, or None for a model without."""
    if k_dim is None:
        return None
    points = np.full((len(started), 2, k_dim, 2), np.nan, np.float32)
    for arrived_ns, values in heard.points:
        place = bisect.bisect_right(started, arrived_ns) - 1
        if place >= 0:
            points[place] = values
    return points


def _offset(sent: Sequence[int], bag_stamps: Sequence[int]) -> int:
    """Return by how much the replay moved all stamps."""
    if not sent:
        msg = f'none of the {len(bag_stamps)} images of the recording was sent to the node'
        raise BagError(msg)
    # the last, not the first: what was lost was lost while everything was starting
    offset = sent[-1] - bag_stamps[-1]
    if not {stamp - offset for stamp in sent} <= set(bag_stamps):
        msg = 'the images sent to the node do not have the stamps of the recording: run it again'
        raise BagError(msg)
    return offset
