# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Publishes what is on the way to the robot: the predicted joints and the command.

- ``~/predicted_joints``, sensor_msgs/JointState: all joints, named, under the image's stamp.
- ``~/joint_trajectory``, trajectory_msgs/JointTrajectory: position-driven joints, one point.
- ``~/commands``, std_msgs/Float64MultiArray: the same as bare numbers, if chosen instead.
- ``~/gripper_command``, std_msgs/Bool: true to close, false to open; once the model has decided.

A model with several grippers has one topic for each, ``~/gripper_command/<joint>``.
Messages are made once and written again for every frame.
"""

from __future__ import annotations

import array
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from builtin_interfaces.msg import Duration
from numpy.typing import NDArray
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool, Float64MultiArray, MultiArrayDimension
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.command import OpenCloseSwitch, PositionCommand
from eipl_trt_ros.nodes.conversion import set_stamp

COMMAND_TYPES = ('joint_trajectory', 'float64_multi_array')
LATEST = QoSProfile(
    depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.VOLATILE
)
"""For outputs: matches every subscriber, and a slow one gets the newest message."""


def zeros(size: int) -> array.array[float]:
    """Return an array as messages hold it, to give to a message that is being made."""
    return array.array('d', bytes(8 * size))


def view(held: array.array[float]) -> NDArray[np.float64]:
    """
    Return a view to write the array of a message through.

    It must be the message's own array, read from it: a message copies what it is given.
    """
    return np.frombuffer(held, np.float64)


class CommandMessage(Protocol):
    """A controller's command, kept and written again."""

    topic: str
    message: Any
    positions: NDArray[np.float64]


class TrajectoryCommand:
    """
    A trajectory of one point, one model period ahead, for a joint_trajectory_controller.

    The header's stamp stays zero, which means "from now on": a stamp of the image's would let the
    controller shorten the way by the age of the image, and reject a late point altogether. There
    are no velocities, so the controller interpolates positions.

    Args:
        names: joints driven by position.
        rate_hz: rate of the model.

    """

    topic = '~/joint_trajectory'

    def __init__(self, names: Sequence[str], rate_hz: float) -> None:
        seconds, nanoseconds = divmod(round(1e9 / rate_hz), 1_000_000_000)
        point = JointTrajectoryPoint(positions=zeros(len(names)))
        point.time_from_start = Duration(sec=seconds, nanosec=nanoseconds)
        self.message = JointTrajectory(joint_names=list(names), points=[point])
        self.positions = view(self.message.points[0].positions)


class ArrayCommand:
    """
    Bare positions, for a forward_command_controller with the same joints in the same order.

    Args:
        names: joints driven by position; they label the array's dimension.

    """

    topic = '~/commands'

    def __init__(self, names: Sequence[str]) -> None:
        self.message = Float64MultiArray(data=zeros(len(names)))
        self.positions = view(self.message.data)
        label = MultiArrayDimension(label=','.join(names), size=len(names), stride=len(names))
        self.message.layout.dim = [label]


class MotionOutput:
    """
    Publishers for the predicted joints and the command.

    Args:
        node: lifecycle node that publishes while it is active.
        bundle: the model's wiring.
        command_type: one of `COMMAND_TYPES`.

    """

    def __init__(self, node: LifecycleNode, bundle: Bundle, command_type: str) -> None:
        self._node = node
        self._picker = PositionCommand(bundle.joints)
        names = self._picker.names
        self._command: CommandMessage = (
            TrajectoryCommand(names, bundle.rate_hz)
            if command_type == 'joint_trajectory'
            else ArrayCommand(names)
        )
        count = len(bundle.joints)
        self._joint_state = JointState(name=list(bundle.joint_names), position=zeros(count))
        self._joints = view(self._joint_state.position)
        self._joint_publisher = self._publisher(JointState, '~/predicted_joints')
        self._command_publisher = (
            self._publisher(type(self._command.message), self._command.topic) if names else None
        )
        grippers = [joint for joint in bundle.joints if joint.sink == 'open_close']
        self._switches = [
            (
                bundle.joint_names.index(joint.name),
                OpenCloseSwitch(joint),
                self._publisher(
                    Bool, '~/gripper_command' + (f'/{joint.name}' if len(grippers) > 1 else '')
                ),
            )
            for joint in grippers
        ]
        self._gripper = Bool()

    def _publisher(self, kind: Any, topic: str) -> Any:
        return self._node.create_lifecycle_publisher(kind, topic, LATEST)

    def publish_command(self, predicted: NDArray[np.float32]) -> None:
        """
        Publish what the robot is to do.

        Args:
            predicted: (D,), joint units (rad), finite.

        """
        if self._command_publisher is not None:
            self._picker.write(predicted, self._command.positions)
            self._command_publisher.publish(self._command.message)
        for index, switch, publisher in self._switches:
            closed = switch.update(float(predicted[index]))
            if closed is not None:
                self._gripper.data = closed
                publisher.publish(self._gripper)

    def publish_joints(self, predicted: NDArray[np.float32], stamp_ns: int) -> None:
        """
        Publish the whole prediction.

        Args:
            predicted: (D,), joint units (rad), finite.
            stamp_ns: the image's stamp.

        """
        self._joints[:] = predicted
        set_stamp(self._joint_state.header.stamp, stamp_ns)
        self._joint_publisher.publish(self._joint_state)

    def reset(self) -> None:
        """Start a new episode: the grippers are as yet undecided."""
        for _, switch, _ in self._switches:
            switch.reset()

    def destroy(self) -> None:
        """Destroy the publishers."""
        publishers = [self._joint_publisher, self._command_publisher]
        publishers += [publisher for _, _, publisher in self._switches]
        for publisher in publishers:
            if publisher is not None:
                self._node.destroy_lifecycle_publisher(publisher)
