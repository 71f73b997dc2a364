# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Where a node's limits come from: parameters, and the robot's description."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.lifecycle import LifecycleNode
from std_msgs.msg import String

from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.command.limits import MotionLimits, resolve_limits
from eipl_trt_ros.command.urdf import urdf_limits
from eipl_trt_ros.errors import LimitsError
from eipl_trt_ros.nodes.command_messages import LATCHED
from eipl_trt_ros.nodes.command_settings import CommandSettings, read_limits


class ArmLimits:
    """
    Resolves the limits once at the start, and again with a description that comes by topic.

    Args:
        node: to read parameters of and to subscribe with.
        bundle: tells which joints are driven.
        settings: the parameter ``robot_description`` and what else matters.
        take: is given the limits, or why there are none; returns whether it took them.

    Raises:
        LimitsError: the parameters name a joint that is not driven, or the parameter
            ``robot_description`` cannot be used.

    """

    def __init__(
        self,
        node: LifecycleNode,
        bundle: Bundle,
        settings: CommandSettings,
        take: Callable[[MotionLimits | LimitsError], bool],
    ) -> None:
        self._node = node
        self._settings = settings
        self._take = take
        self._names = [joint.name for joint in bundle.joints if joint.sink == 'position']
        self._given = read_limits(node, bundle)
        self._subscription: Any = None
        if settings.robot_description:
            urdf_limits(settings.robot_description, self._names)
        take(self._resolve(settings.robot_description))
        if not settings.robot_description:
            self._subscription = node.create_subscription(
                String, 'robot_description', self._on_description, LATCHED
            )

    def _resolve(self, description: str) -> MotionLimits | LimitsError:
        settings = self._settings
        try:
            described = urdf_limits(description, self._names) if description else {}
            return resolve_limits(
                self._names,
                (described, self._given),
                default_acceleration=settings.default_acceleration or None,
                speed_scale=settings.speed_scale,
            )
        except LimitsError as error:
            return error

    def _on_description(self, message: String) -> None:
        limits = self._resolve(message.data)
        logger = self._node.get_logger()
        topic = self._subscription.topic_name
        if not self._take(limits):
            logger.warning(f'{topic} is not used while the arm is engaged or brakes')
        elif isinstance(limits, LimitsError):
            logger.error(f'with {topic} the arm cannot be engaged: {limits}')
        else:
            logger.info(f'limits of {len(self._names)} joints with {topic}')

    def destroy(self) -> None:
        """Stop subscribing."""
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None
