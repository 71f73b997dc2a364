# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
What ros2_control's two position controllers make of a command; free of ROS.

Messages are read by their fields alone. What is checked, and what a new command does to the one
in flight, is as in joint_trajectory_controller and forward_command_controller of ROS 2 Jazzy, with
one difference: joint_trajectory_controller hands NaN on to the robot, and here it is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from eipl_trt_ros.errors import InputError
from eipl_trt_ros.sim.kinematics import Vector
from eipl_trt_ros.sim.trajectory import State, Trajectory, Waypoint

_AT_REST = float(np.finfo(np.float32).eps)  # rad/s


class Controller(Protocol):
    """Turns commands into where the joints shall be, every control period."""

    def accept(self, message: Any, now_ns: int) -> None:
        """
        Take a command; it replaces the one in flight.

        Args:
            message: the command.
            now_ns: the time.

        Raises:
            InputError: the command is ignored, and why; the one in flight goes on.

        """

    def update(self, now_ns: int, next_ns: int, measured: State) -> Vector | None:
        """
        Tell where the joints shall be at the end of a control period.

        Args:
            now_ns: its begin.
            next_ns: its end.
            measured: the joints' state now.

        Returns:
            float64 (D,), radians; ``None`` before the first command.

        """

    def reset(self) -> None:
        """Forget every command, as a controller that is deactivated and activated."""


class TrajectoryController:
    """
    As joint_trajectory_controller with a position command interface, by its topic.

    Args:
        names: the joints.
        allow_partial: take trajectories of some of the joints; the others then hold.
        from_desired: a new trajectory starts at the last set point
            (``interpolate_from_desired_state``), not at the measured state.

    """

    def __init__(
        self, names: Sequence[str], *, allow_partial: bool = False, from_desired: bool = True
    ) -> None:
        self._names = tuple(names)
        self._allow_partial = allow_partial
        self._from_desired = from_desired
        self.reset()

    def reset(self) -> None:
        """Forget every command; see `Controller`."""
        self._waiting: Any = None
        self._trajectory: Trajectory | None = None
        self._desired: State | None = None

    def accept(self, message: Any, now_ns: int) -> None:
        """Take a ``trajectory_msgs/JointTrajectory``; see `Controller`."""
        self._check_names(message)
        if not message.points:
            msg = 'the trajectory has no points'
            raise InputError(msg)
        times = [_duration_ns(point.time_from_start) for point in message.points]
        start_ns = _stamp_ns(message.header.stamp)
        if start_ns and start_ns + times[-1] < now_ns:
            msg = (
                f'the trajectory ended {(now_ns - start_ns - times[-1]) / 1e9:.3f} s ago; a zero '
                'stamp means: from now on'
            )
            raise InputError(msg)
        for index in range(1, len(times)):
            if times[index] <= times[index - 1]:
                msg = f'the time of point {index} is not after that of point {index - 1}'
                raise InputError(msg)
        for index, point in enumerate(message.points):
            self._check_point(index, point, len(message.joint_names))
        if any(abs(velocity) > _AT_REST for velocity in message.points[-1].velocities):
            msg = 'the trajectory does not end at rest: its last point has a velocity'
            raise InputError(msg)
        self._waiting = message

    def _check_names(self, message: Any) -> None:
        found = list(message.joint_names)
        unknown = [name for name in found if name not in self._names]
        complete = len(found) == len(self._names)
        if not found or unknown or len(set(found)) < len(found):
            wanted = ', '.join(self._names)
            msg = f'the trajectory moves {", ".join(found) or "no joint"}, expected {wanted}'
            raise InputError(msg)
        if not complete and not self._allow_partial:
            missing = ', '.join(name for name in self._names if name not in found)
            msg = f'the trajectory lacks {missing}, and partial ones are not allowed'
            raise InputError(msg)

    @staticmethod
    def _check_point(index: int, point: Any, count: int) -> None:
        for field, needed in (
            ('positions', True),
            ('velocities', False),
            ('accelerations', False),
        ):
            values = getattr(point, field)
            if len(values) != count and (needed or len(values)):
                msg = f'point {index} has {len(values)} {field} for {count} joints'
                raise InputError(msg)
            if not np.isfinite(values).all():
                msg = f'point {index} has {field} that are not finite'
                raise InputError(msg)
        if len(point.effort):
            msg = f'point {index} has an effort, which a position controller does not take'
            raise InputError(msg)

    def update(self, now_ns: int, next_ns: int, measured: State) -> Vector | None:
        """Follow the trajectory; see `Controller`."""
        if self._waiting is not None:
            start = self._desired if self._from_desired and self._desired else measured
            self._trajectory = self._taken_over(self._waiting, Waypoint(now_ns, start))
            self._waiting = None
        if self._trajectory is None:
            return None
        self._desired = self._trajectory.at(next_ns)
        return self._desired.positions

    def _taken_over(self, message: Any, start: Waypoint) -> Trajectory:
        begin_ns = _stamp_ns(message.header.stamp) or start.time_ns
        order = [self._names.index(name) for name in message.joint_names]
        waypoints = []
        for point in message.points:
            positions = start.state.positions.copy()  # joints that are not named stay
            positions[order] = point.positions
            moving = [_sorted(values, order, len(positions)) for values in _derivatives(point)]
            time_ns = begin_ns + _duration_ns(point.time_from_start)
            waypoints.append(Waypoint(time_ns, State(positions, *moving)))
        return Trajectory(start, waypoints)


class ForwardController:
    """
    As forward_command_controller with position interfaces: what is sent is where to be, at once.

    Args:
        names: the joints, in the order of the numbers.

    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)
        self.reset()

    def reset(self) -> None:
        """Forget every command; see `Controller`."""
        self._positions: Vector | None = None

    def accept(self, message: Any, now_ns: int) -> None:  # noqa: ARG002 - it has no notion of time
        """Take a ``std_msgs/Float64MultiArray``; see `Controller`."""
        values = np.array(message.data, np.float64)
        if values.shape != (len(self._names),):
            msg = f'the command has {values.size} numbers for {len(self._names)} joints'
            raise InputError(msg)
        if not np.isfinite(values).all():
            msg = 'the command has numbers that are not finite'
            raise InputError(msg)
        self._positions = values

    def update(self, now_ns: int, next_ns: int, measured: State) -> Vector | None:  # noqa: ARG002
        """Repeat the last command; see `Controller`."""
        return self._positions


def _stamp_ns(stamp: Any) -> int:
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)


_duration_ns = _stamp_ns  # the same two fields


def _derivatives(point: Any) -> tuple[Any, Any]:
    """Return velocities and accelerations; the latter are of no use without the former."""
    velocities = point.velocities if len(point.velocities) else None
    accelerations = point.accelerations if len(point.accelerations) else None
    return velocities, None if velocities is None else accelerations


def _sorted(values: Any, order: list[int], count: int) -> Vector | None:
    if values is None:
        return None
    result = np.zeros(count)
    result[order] = values
    return result
