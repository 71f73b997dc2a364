# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A robot that sends a node one message at a time, and knows what it should predict."""

from __future__ import annotations

import queue
from typing import Any

import numpy as np
import pytest
from builders import make_joints, make_pictures
from numpy.typing import NDArray
from ros_world import image_message, send_until
from sensor_msgs.msg import CompressedImage, Image, JointState

from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.predictor import open_predictor

MS = 1_000_000
START = 1_700_000_000 * 10**9
PICTURES = make_pictures(12, 128, 128)
NAMES = tuple(joint.name for joint in make_joints(8))


def positions_at(stamp_ns: int) -> list[float]:
    seconds = (stamp_ns - START) / 1e9
    return [*(0.1 * np.sin(seconds * np.arange(1, 8))).tolist(), 0.5]


class Lockstep:
    """Sends one message at a time to a node and waits until it is taken in."""

    def __init__(self, world: Any, node: Any, *, compressed: bool = False) -> None:
        self.robot = world.robot()
        self._node = node
        self.predictions = self.robot.listen(JointState, 'predicted_joints')
        self.robot.meet(compressed=compressed)

    def joints(self, stamp_ns: int, names: Any = NAMES, positions: Any = None) -> None:
        intake, before = self._node._intake, self._node._intake.joint_messages
        send_until(
            lambda: self.robot.send_joints(stamp_ns, names, positions or positions_at(stamp_ns)),
            lambda: intake.joint_messages > before,
        )

    def image(self, stamp_ns: int, message: Image | CompressedImage) -> None:
        intake, before = self._node._intake, self._node._intake.images
        send_until(
            lambda: self.robot.send_image(stamp_ns, message), lambda: intake.images > before
        )

    def picture(self, stamp_ns: int, picture: NDArray[np.uint8] = PICTURES[0]) -> None:
        self.image(stamp_ns, image_message(picture))

    def prediction(self) -> JointState:
        return self.predictions.get(timeout=20)

    def assert_no_prediction(self) -> None:
        with pytest.raises(queue.Empty):
            self.predictions.get(timeout=0.1)


def first_prediction(bundle: Bundle, picture: NDArray[np.uint8], joints: Any) -> list[float]:
    with open_predictor(bundle) as predictor:
        return predictor.step(picture, np.array(joints)).joints.astype(float).tolist()
