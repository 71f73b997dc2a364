#!/usr/bin/env python3
# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
The simulated Panda as a ROS robot: camera, joint states, a controller, and a judge.

It publishes ``camera/image_raw``, ``joint_states``, ``robot_description`` and, if asked,
``/clock``; takes ``arm_controller/joint_trajectory`` or ``arm_controller/commands`` as
ros2_control's controllers do, and ``gripper/close``; serves ``~/reset``; and tells on
``~/verdict`` whether the cube was lifted.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock as RosClock
from rclpy.clock import ClockType
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Bool, Float64MultiArray, String
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from eipl_trt_ros.errors import InputError
from eipl_trt_ros.nodes.command_messages import view, zeros
from eipl_trt_ros.nodes.conversion import set_stamp
from eipl_trt_ros.nodes.episodes import Episodes
from eipl_trt_ros.nodes.image_output import ImageMessage
from eipl_trt_ros.nodes.parameters import declare, wrong_choice
from eipl_trt_ros.nodes.process import run_node, spin
from eipl_trt_ros.nodes.sim_settings import SETTINGS, next_place, read_settings
from eipl_trt_ros.sim.controllers import Controller, ForwardController, TrajectoryController
from eipl_trt_ros.sim.description import BASE, urdf
from eipl_trt_ros.sim.environment import PICTURE_SIZE, PandaEnvironment
from eipl_trt_ros.sim.positions import Placement
from eipl_trt_ros.sim.robot import ARM, Rates, SimulatedRobot
from eipl_trt_ros.sim.scene import JOINT_NAMES

_SENSOR = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
_LATCHED = QoSProfile(
    depth=100,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)
_LATE_NS = 250_000_000  # in real time: more than this behind is not caught up with
_ACKNOWLEDGE = Duration(seconds=5)


class SimRobotNode(Node):
    """
    The robot; see `SETTINGS` of `sim_settings` for its parameters.

    Raises:
        MissingPackageError: the simulator is not installed.
        InputError: the rates do not go together.

    """

    def __init__(self, **settings: Any) -> None:
        super().__init__('sim_robot', **settings)
        self.add_on_set_parameters_callback(self._check_parameters)
        declare(self, SETTINGS)
        self._settings = read_settings(self)
        self._environment = PandaEnvironment()
        rates = Rates(
            self._settings.control_rate, self._settings.joint_rate, self._settings.camera_rate
        )
        now_ns = self.get_clock().now().nanoseconds
        self._robot = SimulatedRobot(self._environment, self._controller(), rates, now_ns)
        self._place = Placement(0.0, 0.0, 0.0)
        self._episode = 0
        self.judged = True
        """Whether the episode is over."""
        self._late = 0
        self._make_publishers()
        self._subscribe()
        self.create_service(Trigger, '~/reset', self._on_reset)
        self.begin_episode()
        self._behind_ns = 0
        self._last_ns = time.monotonic_ns()
        self._period_ns = rates.period_ns
        steady = RosClock(clock_type=ClockType.STEADY_TIME)
        pace = self._settings.speed if self._settings.clock else 1.0
        self.create_timer(rates.period_ns / 1e9 / pace, self._run, clock=steady)
        self.create_timer(1.0, self._publish_diagnostics, clock=steady)
        count = self._settings.episodes
        self._episodes = Episodes(self, self, count, self._end) if count else None

    def _controller(self) -> Controller:
        names, settings = JOINT_NAMES[ARM], self._settings
        if settings.command_type == 'float64_multi_array':
            return ForwardController(names)
        return TrajectoryController(
            names,
            allow_partial=settings.allow_partial_joints_goal,
            from_desired=settings.interpolate_from_desired_state,
        )

    def _make_publishers(self) -> None:
        self._clock_publisher = (
            self.create_publisher(Clock, '/clock', 10) if self._settings.clock else None
        )
        self._clock_message = Clock()
        self._images = self.create_publisher(Image, 'camera/image_raw', _SENSOR)
        self._image = ImageMessage(PICTURE_SIZE, PICTURE_SIZE, 'rgb8')
        self._image.message.header.frame_id = 'camera'
        self._states = self.create_publisher(JointState, 'joint_states', _SENSOR)
        count = len(JOINT_NAMES)
        self._state = JointState(
            name=list(JOINT_NAMES), position=zeros(count), velocity=zeros(count)
        )
        self._state.header.frame_id = BASE
        self._positions, self._velocities = view(self._state.position), view(self._state.velocity)
        self._verdicts = self.create_publisher(String, '~/verdict', _LATCHED)
        self._description = self.create_publisher(String, 'robot_description', _LATCHED)
        self._description.publish(String(data=urdf(self._environment.kinematics)))
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 10)

    def _subscribe(self) -> None:
        kind, topic = (
            (JointTrajectory, 'arm_controller/joint_trajectory')
            if self._settings.command_type == 'joint_trajectory'
            else (Float64MultiArray, 'arm_controller/commands')
        )
        self.create_subscription(kind, topic, self._on_command, 10)
        self.create_subscription(Bool, 'gripper/close', self._on_gripper, 10)

    def _check_parameters(self, parameters: list[Parameter]) -> SetParametersResult:
        reason = wrong_choice(SETTINGS, parameters)
        return SetParametersResult(successful=reason is None, reason=reason or '')

    def begin_episode(self) -> None:
        """Put the arm back to its home and the cube to its next place."""
        self._place = next_place(self)
        self._robot.reset(self._place, hidden=self.get_parameter('hidden').value)
        index = self.get_parameter('index').value
        self._label = f'{self.get_parameter("place").value} {index}'
        self.set_parameters([Parameter('index', value=index + 1)])
        self._episode += 1
        self.judged = False

    def _on_reset(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self.begin_episode()
        response.success = True
        response.message = f'the cube lies at x {self._place.x:.4f}, y {self._place.y:.4f} m'
        return response

    def _on_command(self, message: Any) -> None:
        try:
            self._robot.command(message)
        except InputError as error:
            self.get_logger().warning(f'ignored: {error}', throttle_duration_sec=1.0)

    def _on_gripper(self, message: Bool) -> None:
        self._robot.command_gripper(closed=message.data)

    def _run(self) -> None:
        """Let the time pass that is due: with a clock one period, in real time all there are."""
        if self._settings.clock:
            self._tick()
            return
        now_ns = time.monotonic_ns()
        self._behind_ns += now_ns - self._last_ns
        self._last_ns = now_ns
        if self._behind_ns > _LATE_NS:
            self._late += 1
            self._robot.shift_clock(self._behind_ns)
            self._behind_ns = 0
        while self._behind_ns >= self._period_ns:
            self._behind_ns -= self._period_ns
            self._tick()

    def _tick(self) -> None:
        robot = self._robot
        robot.advance()
        now_ns = robot.now_ns
        if self._clock_publisher is not None:
            set_stamp(self._clock_message.clock, now_ns)
            self._clock_publisher.publish(self._clock_message)
        if robot.due('joints'):
            self._positions[:] = robot.joints
            self._velocities[ARM] = robot.arm.velocities
            set_stamp(self._state.header.stamp, now_ns)
            self._states.publish(self._state)
        if robot.due('camera'):
            self._image.pixels[:] = robot.picture()
            set_stamp(self._image.message.header.stamp, now_ns)
            self._images.publish(self._image.message)
        if not self.judged and robot.elapsed >= self._settings.episode_seconds:
            self._judge()

    def _judge(self) -> None:
        robot = self._robot
        self.judged = True
        verdict = {
            'episode': self._episode,
            'place': self._label,
            'x': self._place.x,
            'y': self._place.y,
            'yaw': self._place.yaw,
            'lifted': robot.lifted,
            'seconds': robot.elapsed,
            'commands': robot.accepted,
            'ignored': robot.rejected,
        }
        self._verdicts.publish(String(data=json.dumps(verdict)))
        how = 'lifted' if robot.lifted else 'not lifted'
        self.get_logger().info(f'episode {self._episode}, {self._label}: the cube is {how}')

    def _publish_diagnostics(self) -> None:
        robot = self._robot
        values = {
            'episode': self._episode,
            'place': self._label,
            'seconds since the first command': f'{robot.elapsed:.2f}',
            'cube in the air': robot.lifted,
            'commands taken': robot.accepted,
            'commands ignored': robot.rejected,
            'times behind real time': self._late,
        }
        status = DiagnosticStatus(
            level=DiagnosticStatus.WARN if robot.rejected else DiagnosticStatus.OK,
            name=f'{self.get_fully_qualified_name()}: simulation',
            message=f'{robot.rejected} commands ignored' if robot.rejected else 'running',
            hardware_id='simulated Panda',
            values=[KeyValue(key=key, value=str(value)) for key, value in values.items()],
        )
        message = DiagnosticArray(status=[status])
        set_stamp(message.header.stamp, robot.now_ns)
        self._diagnostics.publish(message)

    def _end(self) -> None:
        """End the process once whoever listens has the verdicts."""
        self._verdicts.wait_for_all_acked(_ACKNOWLEDGE)
        self.context.try_shutdown()

    def release(self) -> None:
        """Give back the renderer, in the thread that served the node: it belongs to that one."""
        self._environment.close()

    def destroy_node(self) -> None:
        """Release the renderer and destroy the node."""
        self.release()
        super().destroy_node()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the node; the entry point of ``ros2 run eipl_trt_ros sim_robot_node``."""
    return run_node(SimRobotNode, spin, arguments)


if __name__ == '__main__':
    sys.exit(main())
