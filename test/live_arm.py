# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""An arm and a camera in real time, with switches for what may break."""

from __future__ import annotations

import array
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from builders import make_pictures, write_random_bundle
from command_observer import CommandObserver, Rules
from numpy.typing import NDArray
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from ros_world import PATIENCE, ask, image_message, until
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Float64MultiArray
from std_srvs.srv import SetBool
from trajectory_msgs.msg import JointTrajectory

from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.command.limits import JointLimit, resolve_limits
from eipl_trt_ros.nodes.conversion import nanoseconds, set_stamp
from eipl_trt_ros.spec import ModelSpec

SMALL = ModelSpec('sarnn', 16, 16, 8, 8, k_dim=2, temperature=1e-2, heatmap_size=0.1)
LIMIT = JointLimit(lower=-0.9, upper=1.4, velocity=1.0, acceleration=8.0)
PARAMETERS = {
    f'limits.joint{i}.{name}': getattr(LIMIT, name)
    for i in range(1, 8)
    for name in ('lower', 'upper', 'velocity', 'acceleration')
}
"""Limits for the joints of `lively_bundle`, as parameters of the node."""
TIMES = {'image_timeout': 0.4, 'joint_timeout': 0.3, 'prediction_timeout': 0.5, 'hold_time': 0.4}
MAX_JUMP = 0.35


def lively_bundle(path: Path, spec: ModelSpec = SMALL, *, liveliness: float = 1.2) -> Bundle:
    """Write a bundle whose predictions are mid-range, and move a little with its inputs."""

    def enliven(weights: dict[str, NDArray[np.float32]]) -> None:
        for name, values in weights.items():
            if name.startswith('decoder_joint') and values.shape[0] == spec.joint_dim:
                values[:] = 0.5 if values.ndim == 1 else liveliness * values
                values[-1] = 0.9 if values.ndim == 1 else 0.0  # the gripper is to close

    return write_random_bundle(path, spec, change=enliven)


def make_rules(command_rate: float = 100.0, **changes: Any) -> Rules:
    """Return the rules of a node with `PARAMETERS` and `TIMES`."""
    names = [f'joint{i}' for i in range(1, 8)]
    limits = resolve_limits(names, [dict.fromkeys(names, LIMIT)])
    settings: dict[str, Any] = {
        'limits': limits,
        'max_jump': MAX_JUMP,
        'command_rate': command_rate,
        'oldest': max(TIMES.values()) + TIMES['hold_time'],
    }
    return Rules(**(settings | changes))


class LiveArm(Node):
    """
    A camera, and seven joints that follow what they are commanded, in a thread of their own.

    Attributes:
        camera, joints: whether they publish.
        change_joints: is given each joint message before it is sent, and returns it, or None to
            send nothing.
        change_image: the same for images.
        position: float64 (7,), where the arm is.
        follows: whether it does as it is commanded.
        sent: messages sent so far.

    """

    def __init__(
        self,
        position: NDArray[np.float64],
        *,
        rate: float = 30.0,
        size: tuple[int, int] = (16, 16),
        **settings: Any,
    ) -> None:
        super().__init__('arm', **settings)
        self.camera = self.joints = True
        self.change_joints: Callable[[JointState], JointState | None] = lambda message: message
        self.change_image: Callable[[Any], Any] = lambda message: message
        self.position = position.copy()
        self.follows = True
        self.sent = 0
        qos = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
        self._joint_publisher = self.create_publisher(JointState, 'joint_states', qos)
        self._names = [f'joint{i}' for i in range(1, 8)]
        self._image_publisher = self.create_publisher(Image, 'image', qos)
        self._pictures = [image_message(p) for p in make_pictures(20, *size)]
        self._image_period = 1.0 / rate
        self._plan: tuple[float, NDArray[np.float64], NDArray[np.float64]] | None = None
        self.create_subscription(Float64MultiArray, 'predictor/commands', self._on_positions, qos)
        self.create_subscription(
            JointTrajectory, 'predictor/joint_trajectory', self._on_trajectory, qos
        )
        self._engage = self.create_client(SetBool, 'predictor/engage')
        self._ending = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _on_positions(self, message: Float64MultiArray) -> None:
        if self.follows:
            self.position = np.array(message.data)

    def place(self, position: NDArray[np.float64]) -> None:
        """Put the arm somewhere, whatever it is commanded."""
        self._plan = None
        self.position = position.copy()

    def _on_trajectory(self, message: JointTrajectory) -> None:
        times = [nanoseconds(point.time_from_start) / 1e9 for point in message.points]
        ways = np.array([point.positions for point in message.points])
        begin = self.position.copy()
        self._plan = (time.monotonic(), np.array([0.0, *times]), np.concatenate([[begin], ways]))

    def _go_on(self) -> None:
        if self._plan is None or not self.follows:
            return
        begin, times, ways = self._plan
        passed = time.monotonic() - begin
        self.position = np.array([np.interp(passed, times, way) for way in ways.T])

    def _run(self) -> None:
        images, begin = 0, time.monotonic()
        while not self._ending:
            self._go_on()
            if self.joints:
                self._send_joints()
            if time.monotonic() - begin > images * self._image_period:
                images += 1
                if self.camera:
                    self._send_image(self._pictures[images % len(self._pictures)])
            time.sleep(0.01)

    def _send_joints(self) -> None:
        message = JointState(name=list(self._names))
        message.position = array.array('d', self.position.tolist())
        set_stamp(message.header.stamp, time.time_ns())
        changed = self.change_joints(message)
        if changed is not None:
            self._joint_publisher.publish(changed)
            self.sent += 1

    def _send_image(self, message: Any) -> None:
        set_stamp(message.header.stamp, time.time_ns())
        changed = self.change_image(message)
        if changed is not None:
            self._image_publisher.publish(changed)
            self.sent += 1

    def call_engage(self, engage: bool = True) -> SetBool.Response:
        """Call the predictor's engage service."""
        return ask(self._engage, SetBool.Request(data=engage))

    def engage(self) -> None:
        """Engage, as soon as it is allowed."""
        deadline = time.monotonic() + PATIENCE
        response = self.call_engage()
        while not response.success:
            assert time.monotonic() < deadline, f'not engaged: {response.message}'
            time.sleep(0.05)
            response = self.call_engage()

    def destroy_node(self) -> None:
        self._ending = True
        self._thread.join()
        super().destroy_node()


def start_predictor(
    world: Any,
    bundle: Bundle,
    parameters: dict[str, Any],
    log: Path,
    program: Sequence[str] = ('-m', 'eipl_trt_ros.nodes.predictor_node'),
) -> subprocess.Popen[bytes]:
    """Start a predictor node as a process that brings itself up; its log is appended to."""
    nested: dict[str, Any] = {'autostart': True, 'bundle': str(bundle.path)}
    file = log.with_suffix('.yaml')
    file.write_text(yaml.safe_dump({'/**': {'ros__parameters': nested | parameters}}))
    command = [sys.executable, *program, '--ros-args', '-r', f'__ns:={world.namespace}']
    command += ['--params-file', str(file)]
    environment = {**os.environ, 'ROS_DOMAIN_ID': str(world.domain)}
    with log.open('ab') as output:
        return subprocess.Popen(command, env=environment, stderr=output, stdout=output)


class LiveWorld:
    """
    A predictor, an arm that follows it, and an observer between them.

    Args:
        world: to live in.
        bundle: what the predictor runs.
        command_type: see the node's parameters.
        command_rate: see the node's parameters.
        log: where the predictor is to be a process of its own: the file for what it says.
        picture: height and width of the camera's pictures.
        program: what that process runs, instead of the node as it is.
        parameters: more of the node's parameters.

    """

    def __init__(
        self,
        world: Any,
        bundle: Bundle,
        *,
        command_type: str = 'joint_trajectory',
        command_rate: float = 100.0,
        log: Path | None = None,
        picture: tuple[int, int] = (16, 16),
        program: Sequence[str] = ('-m', 'eipl_trt_ros.nodes.predictor_node'),
        **parameters: Any,
    ) -> None:
        self.observer: CommandObserver = world.add(
            CommandObserver(
                make_rules(command_rate), command_type=command_type, **world.settings()
            )
        )
        settings = {
            'command_type': command_type,
            'command_rate': command_rate,
            'max_jump': MAX_JUMP,
            **(PARAMETERS | TIMES | parameters),
        }
        self.log = log
        self.process: subprocess.Popen[bytes] | None = None
        self._start = lambda: start_predictor(world, bundle, settings, log, program)
        if log is None:
            self.node = world.predictor(bundle, **settings)
        else:
            self.process = self._start()
        middle = (np.array(bundle.joint_minimum) + np.array(bundle.joint_maximum))[:7] / 2
        self.arm: LiveArm = world.add(LiveArm(middle, size=picture, **world.settings()))

    def respawn(self) -> None:
        """Start the predictor's process again."""
        self.process = self._start()

    def end(self) -> None:
        """Kill the predictor, where it is a process."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def engage(self) -> None:
        """Engage, and wait until the arm is on its way."""
        self.arm.engage()
        until(lambda: len(self.observer.commands) > 3, 'commands')

    def drive(self, commands: int = 50) -> None:
        """Engage, again if this machine was so slow that the arm was stopped, and drive on."""
        wanted = len(self.observer.commands) + commands
        self.arm.engage()

        def driven() -> bool:
            if self.observer.state.startswith('stopped'):
                self.arm.call_engage()
            return len(self.observer.commands) >= wanted

        until(driven, f'{commands} commands')

    def wait_for(self, state: str) -> None:
        """Wait until the node says that it is in a state."""
        until(lambda: self.observer.state.startswith(state), f'the state {state}')

    def wait_for_a_new(self, state: str) -> None:
        """Wait until the node says once more that it is in a state."""
        said = len(self.observer.heard.states)
        until(
            lambda: any(text == state for _, text in self.observer.heard.states[said:]),
            f'the state {state}',
        )


def checked_worlds(world: Any, bundle: Bundle) -> Iterator[Callable[..., LiveWorld]]:
    """Give a maker of live worlds, of another bundle if asked; all are checked at the end."""
    made: list[LiveWorld] = []

    def make(**settings: Any) -> LiveWorld:
        made.append(LiveWorld(world, settings.pop('bundle', bundle), **settings))
        return made[-1]

    yield make
    for one in made:
        one.end()
        one.observer.check()
