# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Where images and joints come in: subscriptions, and the synchronizer between them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image, JointState

from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.command.watchdog import Event
from eipl_trt_ros.nodes.command_stream import CommandStream
from eipl_trt_ros.nodes.conversion import nanoseconds
from eipl_trt_ros.nodes.inference import Frame
from eipl_trt_ros.nodes.predictor_settings import PredictorSettings
from eipl_trt_ros.nodes.reader import Reader
from eipl_trt_ros.sync import DropCause, Synchronizer

_NOT_FRESH = (DropCause.REPEATED, DropCause.LATE)
_JOINT_DEPTH = 100  # joint messages that may wait while the executor is busy: 0.1 s at 1 kHz


class Intake:
    """
    Subscribes, pairs and hands frames over, all in the thread of its `Reader`.

    Args:
        node: the node to subscribe with.
        bundle: the model's joints and rate.
        settings: topics' transport and the synchronizer's limits.
        submit: takes a frame and whether the state must be reset before it; returns whether the
            frame took the place of one that was still waiting.
        commands: told what came, and what was wrong with it.

    """

    def __init__(
        self,
        node: LifecycleNode,
        bundle: Bundle,
        settings: PredictorSettings,
        submit: Callable[[Frame, bool], bool],
        commands: CommandStream,
    ) -> None:
        self._submit = submit
        self._commands = commands
        self._measured = np.full(len(bundle.joints), math.nan)
        self._known_ns: int | None = None
        self._held: tuple[Any, int, int] | None = None
        self.synchronizer = Synchronizer(
            bundle.joints,
            rate_hz=bundle.rate_hz,
            slop=settings.slop,
            jump=settings.time_jump,
            gap=settings.reset_gap,
        )
        self.images = 0
        """Image messages received."""
        self.joint_messages = 0
        """Joint messages received."""
        self.superseded = 0
        """Frames that gave way to a newer one before the model was free."""
        self.last_stamp_ns: int | None = None
        """Stamp of the newest image message."""
        reliability = getattr(ReliabilityPolicy, settings.image_reliability.upper())
        # one image deep: an older one than the newest is of no use
        image_qos = QoSProfile(depth=1, reliability=reliability)
        joint_qos = QoSProfile(depth=_JOINT_DEPTH, reliability=ReliabilityPolicy.BEST_EFFORT)
        compressed = settings.image_transport == 'compressed'
        self.image_topic = node.resolve_topic_name('image') + '/compressed' * compressed
        image_type = CompressedImage if compressed else Image
        self._wait_ns = round(settings.joint_wait * 1e9)
        self._reader = Reader(node, self._offer_held)
        self.joint_topic = self._reader.subscribe(
            JointState, 'joint_states', self._on_joints, joint_qos
        )
        self._reader.subscribe(image_type, self.image_topic, self._on_image, image_qos)
        self._reader.start()

    def _on_joints(self, message: JointState) -> None:
        self.joint_messages += 1
        stamp_ns = nanoseconds(message.header.stamp)
        self.synchronizer.add_joints(stamp_ns, message.name, message.position)
        self.synchronizer.newest_joints(self._measured)
        known_ns = self.synchronizer.newest_joints_ns
        self._commands.on_joints(
            self._measured, fresh=known_ns is not None and known_ns != self._known_ns
        )
        self._known_ns = known_ns
        if self._held is not None and not self.synchronizer.worth_waiting(self._held[1]):
            self._offer_held()

    def _on_image(self, message: Any) -> None:
        received_ns = time.monotonic_ns()
        self.images += 1
        stamp_ns = self.last_stamp_ns = nanoseconds(message.header.stamp)
        if self._held is not None:
            self._offer_held()
        if self._wait_ns > 0 and self.synchronizer.worth_waiting(stamp_ns):
            self._held = message, stamp_ns, received_ns
            self._reader.alarm_ns = received_ns + self._wait_ns
        else:
            self._offer(message, stamp_ns, received_ns)

    def _offer_held(self) -> None:
        """Offer the image that was held back; the wait is over."""
        self._reader.alarm_ns = None
        held, self._held = self._held, None
        if held is not None:
            self._offer(*held)

    def _offer(self, message: Any, stamp_ns: int, received_ns: int) -> None:
        offer = self.synchronizer.offer(stamp_ns)
        if offer.reset:
            self._commands.on_event(Event.TIME_JUMP)
        if offer.cause not in _NOT_FRESH:
            self._commands.on_image()
        if offer.cause is None:
            frame = Frame(message, stamp_ns, offer.joints, received_ns)
            self.superseded += self._submit(frame, offer.reset)

    def close(self) -> None:
        """Stop subscribing."""
        self._reader.close()
