# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
What a controller is sent; messages are made once and written again.

- ``~/joint_trajectory``, trajectory_msgs/JointTrajectory, for a joint_trajectory_controller.
- ``~/commands``, std_msgs/Float64MultiArray, for a forward_command_controller.
"""

from __future__ import annotations

import array
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from builtin_interfaces.msg import Duration
from numpy.typing import NDArray
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from std_msgs.msg import Float64MultiArray, MultiArrayDimension
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from eipl_trt_ros.command.drive import Drive

LATEST = QoSProfile(
    depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.VOLATILE
)
"""For outputs: matches every subscriber, and a slow one gets the newest message."""
LATCHED = QoSProfile(
    depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
)
"""For what changes seldom: who comes late gets the newest message too."""


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

    message: Any
    streamed: bool
    """Whether the controller must be sent every single position."""

    def write(self, drive: Drive) -> bool:
        """Write what there is to send after a tick; returns whether there is anything."""
        ...


class TrajectoryCommand:
    """
    The whole way to the newest target, for a joint_trajectory_controller.

    The header's stamp stays zero, which means "from now on": a stamp of the image's would let the
    controller shorten the way by the age of the image, and reject a late point altogether. The
    path has constant acceleration from point to point, which is just what the controller's cubic
    spline through positions and velocities gives. The last velocity is zero, as it demands.

    Args:
        names: joints driven by position.
        rate: of the points, in Hz.
        longest: the most points there may be.

    """

    streamed = False

    def __init__(self, names: Sequence[str], rate: float, longest: int) -> None:
        self._points = [_point(len(names), round((i + 1) * 1e9 / rate)) for i in range(longest)]
        self._positions = [view(point.positions) for point in self._points]
        self._velocities = [view(point.velocities) for point in self._points]
        self.message = JointTrajectory(joint_names=list(names), points=list(self._points))

    def write(self, drive: Drive) -> bool:
        """Write the way ahead, where it has changed."""
        if not drive.replan:
            return False
        preview = drive.preview
        rows = preview.run(drive.path)
        for row in range(rows):
            np.copyto(self._positions[row], preview.positions[row])
            np.copyto(self._velocities[row], preview.velocities[row])
        points = self.message.points
        while len(points) > rows:
            points.pop()
        while len(points) < rows:
            points.append(self._points[len(points)])
        return True


def _point(count: int, after_ns: int) -> JointTrajectoryPoint:
    point = JointTrajectoryPoint(positions=zeros(count), velocities=zeros(count))
    seconds, nanoseconds = divmod(after_ns, 1_000_000_000)
    point.time_from_start = Duration(sec=seconds, nanosec=nanoseconds)
    return point


class ArrayCommand:
    """
    Bare positions, for a forward_command_controller with the same joints in the same order.

    Args:
        names: joints driven by position; they label the array's dimension.

    """

    streamed = True

    def __init__(self, names: Sequence[str]) -> None:
        self.message = Float64MultiArray(data=zeros(len(names)))
        self._positions = view(self.message.data)
        label = MultiArrayDimension(label=','.join(names), size=len(names), stride=len(names))
        self.message.layout.dim = [label]

    def write(self, drive: Drive) -> bool:
        """Write the newest command."""
        np.copyto(self._positions, drive.path.position)
        return drive.publish
