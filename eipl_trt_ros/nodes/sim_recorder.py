# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Listens to the simulated robot and to the predictor that drives it, and keeps the episodes."""

from __future__ import annotations

import json

import numpy as np
from numpy.typing import NDArray
from rclpy.context import Context
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Float32MultiArray, String

from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.nodes.conversion import PictureDecoder, nanoseconds
from eipl_trt_ros.sim.film import Shot
from eipl_trt_ros.sim.live_report import Episode

_QOS = QoSProfile(depth=100, reliability=ReliabilityPolicy.RELIABLE)
_LATCHED = QoSProfile(
    depth=100,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)


class SimRecorder(Node):
    """
    Keeps what happens, episode by episode.

    Args:
        context: of rclpy.
        bundle: what the predictor runs.
        films: of how many episodes the pictures are kept, from the first on.

    """

    def __init__(self, context: Context, bundle: Bundle, films: int) -> None:
        super().__init__('sim_recorder', context=context, start_parameter_services=False)
        self.episodes: list[Episode] = []
        self._films = films
        self._decoder = PictureDecoder('rgb8')
        self._joint_names = list(bundle.joint_names)
        self._heard_picture = self._heard_joints = False
        self._drivers: list[str] = []
        self._forget()
        self.create_subscription(String, '/sim_robot/verdict', self._on_verdict, _LATCHED)
        self.create_subscription(String, '/predictor/driving_model', self._on_driver, _LATCHED)
        self.create_subscription(String, '/predictor/command_state', self._on_state, _LATCHED)
        if not films:
            return
        self.create_subscription(Image, '/camera/image_raw', self._on_camera, _QOS)
        self.create_subscription(JointState, '/joint_states', self._on_joints, _QOS)
        self.create_subscription(Image, '/predictor/predicted_image', self._on_expected, _QOS)
        self.create_subscription(
            JointState, '/predictor/predicted_joints', self._on_predicted, _QOS
        )
        if bundle.model.k_dim is not None:
            self.create_subscription(
                Float32MultiArray, '/predictor/attention_points', self._on_points, _QOS
            )

    def _forget(self) -> None:
        """Begin an episode; everything is kept under the stamp of its image."""
        self._states: list[str] = []
        self._drivers = self._drivers[-1:]  # who drove last begins
        self._camera: dict[int, NDArray[np.uint8]] = {}
        self._expected: dict[int, NDArray[np.uint8]] = {}
        self._points: dict[int, NDArray[np.float32]] = {}
        self._measured: dict[int, NDArray[np.float64]] = {}
        self._predicted: dict[int, NDArray[np.float64]] = {}
        self._newest = 0

    def hears(self) -> bool:
        """Tell whether pictures and joints arrive, where they are wanted."""
        return not self._films or (self._heard_picture and self._heard_joints)

    @property
    def _filming(self) -> bool:
        return len(self.episodes) < self._films and 'driving' in self._states

    def _on_state(self, message: String) -> None:
        self._states.append(message.data)

    def _on_driver(self, message: String) -> None:
        self._drivers.append(message.data)

    def _on_camera(self, message: Image) -> None:
        self._heard_picture = True
        if self._filming:
            self._camera[nanoseconds(message.header.stamp)] = self._decoder.decode(message).copy()

    def _on_expected(self, message: Image) -> None:
        if self._filming:
            picture = self._decoder.decode(message).copy()
            self._expected[nanoseconds(message.header.stamp)] = picture

    def _on_joints(self, message: JointState) -> None:
        self._heard_joints = True
        if self._filming:
            places = [message.name.index(name) for name in self._joint_names]
            positions = np.array(message.position)[places]
            self._measured[nanoseconds(message.header.stamp)] = positions

    def _on_predicted(self, message: JointState) -> None:
        if self._filming:
            self._newest = nanoseconds(message.header.stamp)
            self._predicted[self._newest] = np.array(message.position)

    def _on_points(self, message: Float32MultiArray) -> None:
        # without a stamp, but published after the joints of the same frame and before the next
        if self._filming:
            points = np.array(message.data, np.float32).reshape(2, -1, 2)
            self._points.setdefault(self._newest, points)

    def _on_verdict(self, message: String) -> None:
        shots = self._shots() if self._filming else ()
        self.episodes.append(
            Episode(json.loads(message.data), tuple(self._states), shots, tuple(self._drivers))
        )
        self._forget()

    def _shots(self) -> tuple[Shot, ...]:
        """Put together what has come of the frames of which all but the images' extras came."""
        stamps = sorted(self._camera.keys() & self._measured.keys() & self._predicted.keys())
        return tuple(
            Shot(
                (stamp - stamps[0]) / 1e9,
                self._camera[stamp],
                self._expected.get(stamp),
                self._points.get(stamp),
                self._measured[stamp],
                self._predicted[stamp],
            )
            for stamp in stamps
        )
