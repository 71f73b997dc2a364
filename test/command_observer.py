# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
One property, looked at from the controller's side, in every test in which an arm could move.

No command is outside the limits, jumps, is older than the watchdog allows, or comes while nobody
has engaged. `CommandObserver` is a node that listens to what a controller is sent and to what the
robot sends; `violations` is the property itself, a pure function of what was heard.
"""

from __future__ import annotations

import bisect
import threading
import time
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Float64MultiArray, String
from trajectory_msgs.msg import JointTrajectory

from eipl_trt_ros.command.limits import MotionLimits
from eipl_trt_ros.nodes.conversion import nanoseconds

ROUNDING = 1e-6
TOGETHER = 0.02  # seconds between a command and the state that was published with it, at most
SILENCE = 0.25  # seconds without a command of a stream after which the next one is a first one


@dataclass(frozen=True)
class Rules:
    """
    What a command may be.

    Attributes:
        limits: of the driven joints, in the order of the commands.
        max_jump: how far a command may be from a measured position, in rad.
        command_rate: of a stream, and of the points of a trajectory, in Hz.
        oldest: how old the newest fresh image and joints may be when a command comes, in seconds:
            the longest timeout and the time for which the arm holds.
        slack: what this machine may delay a message, in seconds.

    """

    limits: MotionLimits
    max_jump: float
    command_rate: float
    oldest: float
    slack: float = 0.3


@dataclass
class Command:
    """A command at its arrival: a row a point, with seconds from its arrival."""

    time: float
    names: tuple[str, ...] | None
    positions: NDArray[np.float64]
    after: NDArray[np.float64]
    velocities: NDArray[np.float64] | None


@dataclass
class Heard:
    """What has arrived, under monotonic times in seconds."""

    commands: list[Command] = field(default_factory=list)
    images: list[float] = field(default_factory=list)
    """Fresh ones: with a stamp that no image had before."""
    joint_times: list[float] = field(default_factory=list)
    """Whole, finite and fresh ones."""
    measured: list[tuple[float, NDArray[np.float64]]] = field(default_factory=list)
    """All, in the order of the commands; NaN for a joint that a message did not tell."""
    states: list[tuple[float, str]] = field(default_factory=list)
    """What the node says that it does."""


def violations(heard: Heard, rules: Rules) -> list[str]:
    """Return everything that a command did and must not do; empty if all is well."""
    found: list[str] = []
    before: Command | None = None
    for number, command in enumerate(heard.commands):
        found += [
            f'command {number}, {command.time:.3f} s: {what}'
            for what in (
                *_form(command, rules),
                *_bounds(command, rules),
                *_age(command, heard, rules),
                *_jump(command, before, heard, rules),
            )
        ]
        before = command
    return found + _continuity(heard, rules)


def _form(command: Command, rules: Rules) -> list[str]:
    """Check what a joint_trajectory_controller checks before it takes a message."""
    found = []
    count = len(rules.limits.names)
    if command.positions.shape[1] != count:
        found.append(f'{command.positions.shape[1]} positions, expected {count}')
    if command.names is not None and set(command.names) != set(rules.limits.names):
        found.append(f'names {command.names}')
    if command.velocities is not None:
        if not (np.diff(np.concatenate([[0.0], command.after])) > 0).all():
            found.append('times do not rise')
        if command.velocities[-1].any():
            found.append(f'does not end at rest: {command.velocities[-1]}')
    return found


def _bounds(command: Command, rules: Rules) -> list[str]:
    limits, found = rules.limits, []
    positions = command.positions
    if not np.isfinite(positions).all():
        found.append('not finite')
    low, high = limits.lower - ROUNDING, limits.upper + ROUNDING
    if not ((positions >= low) & (positions <= high)).all():
        found.append(f'outside the position limits: {positions.min(0)} {positions.max(0)}')
    if command.velocities is None:
        return found
    times = np.concatenate([[0.0], command.after])
    if (np.abs(command.velocities) > limits.velocity + ROUNDING).any():
        found.append(f'faster than allowed: {np.abs(command.velocities).max(0)}')
    with np.errstate(divide='ignore', invalid='ignore'):  # times that do not rise are told above
        gains = np.diff(command.velocities, axis=0) / np.diff(times[1:])[:, None]
        steps = np.diff(positions, axis=0) / np.diff(times[1:])[:, None]
    if (np.abs(gains) > limits.acceleration * (1 + ROUNDING) + ROUNDING).any():
        found.append(f'sharper than allowed: {np.abs(gains).max(0)}')
    if (np.abs(steps) > limits.velocity + ROUNDING).any():
        found.append(f'a step from point to point: {np.abs(steps).max(0)} rad/s')
    return found


def _age(command: Command, heard: Heard, rules: Rules) -> list[str]:
    found = []
    for what, times in (('image', heard.images), ('joints', heard.joint_times)):
        place = bisect.bisect_right(times, command.time)
        age = command.time - times[place - 1] if place else float('inf')
        if age > rules.oldest + rules.slack:
            found.append(f'the newest {what} is {age:.3f} s old')
    if not any(map(_moves, _states_near(command.time, heard, rules))):
        found.append(f'a command while the node is {heard.states[-1][1]}')
    return found


def _states_near(at: float, heard: Heard, rules: Rules) -> list[str]:
    """Return the states in which the node may have been when it sent a command."""
    braking = float((rules.limits.velocity / rules.limits.acceleration).max())
    begin = at - rules.slack - braking - 2 / rules.command_rate
    place = bisect.bisect_right([when for when, _ in heard.states], begin)
    later = [text for when, text in heard.states[place:] if when <= at + rules.slack]
    return [text for _, text in heard.states[max(0, place - 1) : place]] + later


def _moves(state: str) -> bool:
    return state.startswith(('driving', 'holding'))


def _jump(command: Command, before: Command | None, heard: Heard, rules: Rules) -> list[str]:
    """Compare with what was measured lately; a first command must be just there."""
    times = [at for at, _ in heard.measured]
    end = bisect.bisect_right(times, command.time + 0.01)
    begin = bisect.bisect_left(times, command.time - rules.oldest - rules.slack)
    lately = np.array([row for _, row in heard.measured[min(begin, max(0, end - 1)) : end]])
    if not len(lately) or not np.isfinite(lately).any(0).all():
        return ['a joint was not measured']
    first = before is None or _begins_anew(before, command, heard)
    allowed = rules.max_jump
    if first and command.velocities is None:
        allowed = min(allowed, float(rules.limits.velocity.max()) * rules.slack / 10 + ROUNDING)
    distances = np.abs(command.positions[None] - lately[:, None])
    nearest = float(np.nanmin(distances.max(1), 0).max())  # of each joint, the worst point
    if nearest > allowed + ROUNDING:
        what = 'the first command' if first else 'the command'
        return [f'{what} is {nearest:.4f} rad from what was measured, allowed {allowed:g}']
    return []


def _begins_anew(before: Command, command: Command, heard: Heard) -> bool:
    """Tell whether the arm was engaged in between: before that, nobody commanded it."""
    if command.velocities is None and command.time - before.time > SILENCE:
        return True
    return any(
        _moves(state) and not _moves(earlier)
        for (_, earlier), (at, state) in pairwise(heard.states)
        if before.time - TOGETHER <= at <= command.time + TOGETHER
    )


def _continuity(heard: Heard, rules: Rules) -> list[str]:
    """Check a stream from message to message: no step, nor one in velocity."""
    found = []
    period = 1.0 / rules.command_rate
    limits, commands = rules.limits, heard.commands
    velocity: NDArray[np.float64] | None = None
    for number in range(1, len(commands)):
        one, other = commands[number - 1], commands[number]
        if _begins_anew(one, other, heard):
            velocity = None
            continue
        if one.velocities is not None:
            found += _seam(number, one, other, rules)
            continue
        now = (other.positions[0] - one.positions[0]) / period
        if (np.abs(now) > limits.velocity * (1 + ROUNDING) + ROUNDING).any():
            found.append(f'command {number}: a step of {np.abs(now).max() * period:.4f} rad')
        if velocity is not None:
            gain = np.abs(now - velocity) / period
            if (gain > limits.acceleration * (1 + ROUNDING) + 1e-3).any():
                found.append(f'command {number}: sharper than allowed: {gain.max():.2f} rad/s^2')
        velocity = now
    return found


def _seam(number: int, one: Command, other: Command, rules: Rules) -> list[str]:
    """Check that a trajectory begins where the one before it has led to by then."""
    passed = other.time - one.time
    if passed > one.after[-1] + rules.slack:
        return []  # that one has ended, and the arm may have been led elsewhere
    near = np.abs(one.after - passed) <= rules.slack
    way = one.positions[near] if near.any() else one.positions[-1:]
    step = np.abs(way - other.positions[0]).min(0)
    if (step > 2 * rules.limits.velocity / rules.command_rate + ROUNDING).any():
        return [f'command {number}: begins {step.max():.4f} rad beside the way so far']
    return []


class CommandObserver(Node):
    """
    Listens at the controller's side.

    Args:
        rules: what a command may be.
        command_type: ``'joint_trajectory'`` or ``'float64_multi_array'``.
        command_topic: where the controller listens.
        state_topic: where the node tells what it does.
        settings: of the node: context, namespace.

    """

    def __init__(
        self,
        rules: Rules,
        *,
        command_type: str = 'joint_trajectory',
        command_topic: str | None = None,
        state_topic: str = 'predictor/command_state',
        image_topic: str = 'image',
        joint_topic: str = 'joint_states',
        **settings: Any,
    ) -> None:
        super().__init__('command_observer', **settings)
        self.rules = rules
        self.heard = Heard()
        self._lock = threading.Lock()
        self._stamps: set[int] = set()
        self._joint_stamp = 0
        qos = QoSProfile(depth=1000, reliability=ReliabilityPolicy.RELIABLE)
        latched = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        sensor = QoSProfile(depth=100, reliability=ReliabilityPolicy.BEST_EFFORT)
        if command_type == 'joint_trajectory':
            topic = command_topic or 'predictor/joint_trajectory'
            self.create_subscription(JointTrajectory, topic, self._on_trajectory, qos)
        else:
            topic = command_topic or 'predictor/commands'
            self.create_subscription(Float64MultiArray, topic, self._on_positions, qos)
        self.create_subscription(String, state_topic, self._on_state, latched)
        self.create_subscription(Image, image_topic, self._on_image, sensor)
        self.create_subscription(JointState, joint_topic, self._on_joints, sensor)

    def _on_trajectory(self, message: JointTrajectory) -> None:
        order = [message.joint_names.index(name) for name in self.rules.limits.names]
        points = message.points
        command = Command(
            time.monotonic(),
            tuple(message.joint_names),
            np.array([point.positions for point in points])[:, order],
            np.array([nanoseconds(point.time_from_start) / 1e9 for point in points]),
            np.array([point.velocities for point in points])[:, order],
        )
        with self._lock:
            self.heard.commands.append(command)

    def _on_positions(self, message: Float64MultiArray) -> None:
        positions = np.array([message.data], np.float64)
        command = Command(time.monotonic(), None, positions, np.zeros(1), None)
        with self._lock:
            self.heard.commands.append(command)

    def _on_state(self, message: String) -> None:
        with self._lock:
            self.heard.states.append((time.monotonic(), message.data))

    def _on_image(self, message: Image) -> None:
        stamp = nanoseconds(message.header.stamp)
        if stamp not in self._stamps:
            self._stamps.add(stamp)
            with self._lock:
                self.heard.images.append(time.monotonic())

    def _on_joints(self, message: JointState) -> None:
        by_name = dict(zip(message.name, message.position, strict=False))
        row = np.array([by_name.get(name, np.nan) for name in self.rules.limits.names])
        row[~np.isfinite(row)] = np.nan
        stamp, now = nanoseconds(message.header.stamp), time.monotonic()
        with self._lock:
            self.heard.measured.append((now, row))
            if np.isfinite(row).all() and stamp != self._joint_stamp:
                self._joint_stamp = stamp
                self.heard.joint_times.append(now)

    @property
    def commands(self) -> list[Command]:
        """What the controller was sent so far."""
        with self._lock:
            return list(self.heard.commands)

    @property
    def state(self) -> str:
        """What the node said last."""
        with self._lock:
            return self.heard.states[-1][1] if self.heard.states else ''

    def check(self) -> None:
        """Assert that no command did what it must not."""
        with self._lock:
            found = violations(self.heard, self.rules)
        assert not found, f'{len(found)} violations: ' + '; '.join(found[:5])
