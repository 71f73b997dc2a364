# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Which of several models drives, by topic.

- ``~/driving_model``, std_msgs/String, latched: the model that drives, at each change.
- ``~/select_model``, std_msgs/String, subscribed to where the arbiter is ``topic``.
"""

from __future__ import annotations

from typing import Any

from rclpy.lifecycle import LifecycleNode
from std_msgs.msg import String

from eipl_trt_ros.ensemble import AnyPredictor, Ensemble
from eipl_trt_ros.errors import BundleError
from eipl_trt_ros.nodes.command_messages import LATCHED, LATEST


class DrivingModel:
    """
    Publishes the driver's name, and takes the name of another; does nothing for a single model.

    Args:
        node: to publish and subscribe with.
        predictor: what runs.
        selectable: whether the driver is told by topic.

    """

    def __init__(self, node: LifecycleNode, predictor: AnyPredictor, *, selectable: bool) -> None:
        self._node = node
        self._ensemble = predictor if isinstance(predictor, Ensemble) else None
        self._publisher: Any = None
        self._subscription: Any = None
        self._name = String()
        if self._ensemble is None:
            return
        self._publisher = node.create_publisher(String, '~/driving_model', LATCHED)
        if selectable:
            self._subscription = node.create_subscription(
                String, '~/select_model', self._on_selection, LATEST
            )

    def _on_selection(self, message: String) -> None:
        if self._ensemble is not None:
            try:
                self._ensemble.select(message.data)
            except BundleError as error:
                self._node.get_logger().warning(f'not selected: {error}')

    def publish(self) -> None:
        """Publish the driver of the last frame, if it is another than before."""
        ensemble = self._ensemble
        if ensemble is None or ensemble.driver.bundle.path.name == self._name.data:
            return
        self._name.data = ensemble.driver.bundle.path.name
        self._publisher.publish(self._name)
        self._node.get_logger().info(f'{self._name.data} drives')

    def destroy(self) -> None:
        """Destroy the publisher and the subscription."""
        if self._publisher is not None:
            self._node.destroy_publisher(self._publisher)
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
