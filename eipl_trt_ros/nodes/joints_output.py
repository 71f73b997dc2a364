# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Publishes every prediction: ``~/predicted_joints``, sensor_msgs/JointState, under its stamp."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import JointState

from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.nodes.command_messages import LATEST, view, zeros
from eipl_trt_ros.nodes.conversion import set_stamp


class JointsOutput:
    """
    The publisher of the predicted joints; its message is made once and written again.

    Args:
        node: lifecycle node that publishes while it is active.
        bundle: the model's wiring.

    """

    def __init__(self, node: LifecycleNode, bundle: Bundle) -> None:
        self._node = node
        count = len(bundle.joints)
        self._message = JointState(name=list(bundle.joint_names), position=zeros(count))
        self._positions = view(self._message.position)
        self._publisher = node.create_lifecycle_publisher(JointState, '~/predicted_joints', LATEST)

    def publish(self, predicted: NDArray[np.float32], stamp_ns: int) -> None:
        """
        Publish the whole prediction.

        Args:
            predicted: (D,), joint units (rad), finite.
            stamp_ns: the image's stamp.

        """
        self._positions[:] = predicted
        set_stamp(self._message.header.stamp, stamp_ns)
        self._publisher.publish(self._message)

    def destroy(self) -> None:
        """Destroy the publisher."""
        self._node.destroy_lifecycle_publisher(self._publisher)
