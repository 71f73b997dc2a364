# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The simulated Panda as a node: what it sends, what it takes, what it says."""

from __future__ import annotations

import array
import importlib.util
import json
import queue
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from builtin_interfaces.msg import Duration
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.exceptions import InvalidParameterValueException
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from ros_world import until
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Bool, Float64MultiArray, String
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from eipl_trt_ros.errors import EiplTrtError, InputError
from eipl_trt_ros.nodes.conversion import nanoseconds
from eipl_trt_ros.nodes.sim_robot_node import SimRobotNode
from eipl_trt_ros.sim.environment import PandaEnvironment
from eipl_trt_ros.sim.positions import draw_area
from eipl_trt_ros.sim.scene import JOINT_NAMES

pytestmark = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ('mujoco', 'gym_hil'))),
    reason='the simulator is not installed: see requirements/sim.txt and sim-robot.txt',
)
ARM_NAMES = list(JOINT_NAMES[:7])


class Operator:
    """Sends to the robot and keeps what comes from it."""

    def __init__(self, world: Any, **parameters: Any) -> None:
        self._world = world
        self.node = world.robot()
        self.joints = self.listen(JointState, 'joint_states')
        self.sim = world.add(SimRobotNode(**world.settings(**parameters)))

    def listen(self, kind: Any, topic: str, *, latched: bool = False) -> queue.Queue[Any]:
        inbox: queue.Queue[Any] = queue.Queue()
        durability = DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE
        self.node.create_subscription(
            kind, topic, inbox.put, QoSProfile(depth=100, durability=durability)
        )
        return inbox

    def publisher(self, kind: Any, topic: str) -> Any:
        publisher = self.node.create_publisher(kind, topic, 10)
        until(publisher.get_subscription_count, f'a subscriber to {topic}')
        return publisher

    def measured(self) -> np.ndarray:
        """Return the joints as they are now."""
        while not self.joints.empty():
            self.joints.get()
        return np.array(self.joints.get(timeout=20).position)

    def until_at(self, positions: np.ndarray, tolerance: float = 5e-3) -> None:
        until(
            lambda: np.abs(self.measured()[:7] - positions).max() < tolerance, f'{positions} rad'
        )

    def call(self, name: str) -> Trigger.Response:
        client = self.node.create_client(Trigger, name)
        assert client.wait_for_service(20)
        future = client.call_async(Trigger.Request())
        until(future.done, name)
        return future.result()

    def values(self) -> dict[str, str]:
        """Return the next values on /diagnostics."""
        inbox = self.listen(DiagnosticArray, '/diagnostics')
        own = self.sim.get_fully_qualified_name()
        while True:
            for status in inbox.get(timeout=20).status:
                if status.name.startswith(own):
                    return {pair.key: pair.value for pair in status.values}


@pytest.fixture(scope='session')
def drawing() -> None:
    """Skip where no picture can be drawn."""
    with PandaEnvironment() as environment:
        try:
            environment.picture()
        except EiplTrtError as error:
            pytest.skip(str(error))


@pytest.fixture
def operate(drawing: None, world: Any) -> Iterator[Callable[..., Operator]]:
    """Return a maker of robots with an operator; the renderers are given back at the end."""
    made: list[Operator] = []

    def make(**parameters: Any) -> Operator:
        made.append(Operator(world, **parameters))
        return made[-1]

    yield make
    for operator in made:
        world.run(operator.sim.release)


def trajectory(positions: np.ndarray, ms: int, names: list[str] = ARM_NAMES) -> JointTrajectory:
    point = JointTrajectoryPoint(positions=array.array('d', positions))
    point.time_from_start = Duration(nanosec=ms * 1_000_000)
    return JointTrajectory(joint_names=names, points=[point])


def test_it_sends_what_a_robot_sends(operate):
    operator = operate()
    images, descriptions = (
        operator.listen(Image, 'camera/image_raw'),
        operator.listen(String, 'robot_description', latched=True),
    )
    image = images.get(timeout=20)
    assert (image.encoding, image.height, image.width, image.step) == ('rgb8', 128, 128, 384)
    assert np.ptp(np.frombuffer(image.data, np.uint8)) > 100
    joints = operator.joints.get(timeout=20)
    assert tuple(joints.name) == JOINT_NAMES
    assert len(joints.velocity) == 8
    assert 'panda_joint7' in descriptions.get(timeout=20).data
    now_ns = operator.node.get_clock().now().nanoseconds
    assert abs(now_ns - nanoseconds(image.header.stamp)) < 10 * 10**9
    stamps = [nanoseconds(operator.joints.get(timeout=20).header.stamp) for _ in range(20)]
    assert min(np.diff(stamps)) == 10_000_000  # 100 Hz; more only where it fell behind


def test_it_follows_a_trajectory_and_ignores_a_wrong_one(operate):
    operator = operate()
    commands = operator.publisher(JointTrajectory, 'arm_controller/joint_trajectory')
    goal = operator.measured()[:7] + 0.05
    commands.publish(trajectory(goal, 200))
    operator.until_at(goal)
    commands.publish(trajectory(goal[:3], 200, ARM_NAMES[:3]))
    until(lambda: operator.values()['commands ignored'] == '1', 'a command to be ignored')
    operator.until_at(goal)
    shuffled = [6, 2, 0, 5, 1, 4, 3]
    goal = goal - 0.05
    commands.publish(trajectory(goal[shuffled], 200, [ARM_NAMES[i] for i in shuffled]))
    operator.until_at(goal)


def test_it_follows_a_stream_of_positions_and_the_gripper_closes(operate):
    operator = operate(command_type='float64_multi_array')
    commands = operator.publisher(Float64MultiArray, 'arm_controller/commands')
    goal = operator.measured()[:7] + 0.02
    commands.publish(Float64MultiArray(data=array.array('d', goal)))
    operator.until_at(goal)
    operator.publisher(Bool, 'gripper/close').publish(Bool(data=True))
    until(lambda: operator.measured()[7] == 1.0, 'a closed gripper')


def test_a_reset_takes_the_next_place_of_the_area(world, operate):
    operator = operate(place='outside', index=2)
    commands = operator.publisher(JointTrajectory, 'arm_controller/joint_trajectory')
    home = operator.measured()[:7]
    commands.publish(trajectory(home + 0.1, 100))
    operator.until_at(home + 0.1)
    answer = operator.call('sim_robot/reset')
    place = draw_area('outside', 4)[3]
    assert answer.success
    assert f'x {place.x:.4f}, y {place.y:.4f}' in answer.message
    operator.until_at(home)
    parameters = [
        Parameter('place', value='here'),
        Parameter('x', value=0.48),
        Parameter('y', value=0.1),
    ]
    assert all(r.successful for r in world.run(lambda: operator.sim.set_parameters(parameters)))
    assert 'x 0.4800, y 0.1000' in operator.call('sim_robot/reset').message


def test_the_verdict_comes_after_the_episode_and_waits_for_late_listeners(operate):
    operator = operate(episode_seconds=0.3, place='seen', index=7)
    commands = operator.publisher(JointTrajectory, 'arm_controller/joint_trajectory')
    commands.publish(trajectory(operator.measured()[:7], 100))
    until(lambda: operator.sim.judged, 'the end of the episode')
    verdict = json.loads(operator.listen(String, 'sim_robot/verdict', latched=True).get().data)
    assert verdict['place'] == 'seen 7'
    assert verdict['lifted'] is False
    assert (verdict['commands'], verdict['ignored']) == (1, 0)
    assert verdict['seconds'] >= 0.3


def test_the_clock_is_the_simulations_own(world, operate):
    clock: queue.Queue[Any] = queue.Queue()
    watcher = world.robot()
    watcher.create_subscription(Clock, '/clock', clock.put, 100)
    operator = operate(clock=True, speed=4.0)
    times = [nanoseconds(clock.get(timeout=20).clock) for _ in range(30)]
    assert set(np.diff(times)) == {10_000_000}
    joints = operator.joints.get(timeout=20)
    assert nanoseconds(joints.header.stamp) % 10_000_000 == times[0] % 10_000_000


@pytest.mark.parametrize(
    ('parameters', 'error'),
    [
        ({'place': 'nowhere'}, InvalidParameterValueException),
        ({'command_type': 'shout'}, InvalidParameterValueException),
        ({'speed': 0.0}, InvalidParameterValueException),
        ({'camera_rate': 30.0}, InputError),
    ],
)
def test_what_cannot_be_is_refused(world, parameters, error):
    with pytest.raises(error):
        SimRobotNode(**world.settings(**parameters))
