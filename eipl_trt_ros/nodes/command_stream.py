# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
The thread that sends commands at the controller's rate, whatever else the node is doing.

It alone publishes commands. The executor's thread and the inference thread tell it what came; all
of them share one `Drive` under one lock, which none holds for longer than some copies take.
"""

from __future__ import annotations

import threading
import time
import traceback
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rclpy.lifecycle import LifecycleNode
from std_msgs.msg import Bool, Float64MultiArray, String
from trajectory_msgs.msg import JointTrajectory

from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.command.drive import Drive
from eipl_trt_ros.command.interventions import Intervention
from eipl_trt_ros.command.limits import MotionLimits
from eipl_trt_ros.command.watchdog import Event, Phase
from eipl_trt_ros.errors import LimitsError
from eipl_trt_ros.nodes.command_messages import (
    LATCHED,
    LATEST,
    ArrayCommand,
    CommandMessage,
    TrajectoryCommand,
)
from eipl_trt_ros.nodes.command_settings import CommandSettings
from eipl_trt_ros.nodes.statistics import Quantiles, Window

_TOPICS = {
    'joint_trajectory': (JointTrajectory, '~/joint_trajectory'),
    'float64_multi_array': (Float64MultiArray, '~/commands'),
}
_LIMITS_UNKNOWN = 'the limits of the joints are unknown'
_RETRY_NS = 5_000_000_000  # between two lines on why the node does not engage by itself


@dataclass(frozen=True)
class StreamReport:
    """
    How the stream is, for the diagnostics.

    Attributes:
        phase: what may be commanded.
        state: the same in words, with the reason.
        problem: why the arm cannot be engaged at all; None where it can.
        sent: messages sent to the controller.
        missed: periods in which none could be sent because the thread came too late.
        lateness: of the thread at its periods; None before the first.
        interventions: how often each kind of intervention was made.

    """

    phase: Phase
    state: str
    problem: str | None
    sent: int
    missed: int
    lateness: Quantiles | None
    interventions: dict[Intervention, int]


class CommandStream:
    """
    Sends commands while the arm is engaged.

    Args:
        node: to publish with.
        bundle: the model's wiring.
        settings: type and rate of the command, limits' policies, the watchdog's times.

    Raises:
        LimitsError: the settings contradict each other or the bundle.

    """

    def __init__(self, node: LifecycleNode, bundle: Bundle, settings: CommandSettings) -> None:
        self._node = node
        self._clock = node.get_clock()
        self._bundle = bundle
        self._settings = settings
        self._drive_settings = settings.drive(bundle.rate_hz)
        self._lock = threading.Lock()
        self._drive: Drive | None = None
        self._message: CommandMessage | None = None
        self._problem: str | None = _LIMITS_UNKNOWN
        self._thread: threading.Thread | None = None
        self._ending = True
        self._engage_due = False
        self._engage_told_ns: int | None = None
        self._period_ns = round(1e9 / settings.command_rate)
        self._sent = self._missed = 0
        self._lateness = Window()
        names = [joint.name for joint in bundle.joints if joint.sink == 'position']
        kind, topic = _TOPICS[settings.command_type]
        # not managed publishers: those fall silent before the arm has come to rest
        self._publisher = node.create_publisher(kind, topic, LATEST) if names else None
        self._state_publisher = node.create_publisher(String, '~/command_state', LATCHED)
        self._state = String()
        grippers = [joint.name for joint in bundle.joints if joint.sink == 'open_close']
        self._gripper_publishers = [
            node.create_publisher(
                Bool, '~/gripper_command' + (f'/{name}' if len(grippers) > 1 else ''), LATEST
            )
            for name in grippers
        ]
        self._gripper = Bool()

    def set_limits(self, limits: MotionLimits | LimitsError) -> bool:
        """
        Take the limits to keep, or why there are none; only while disengaged and at rest.

        Returns:
            Whether they were taken.

        """
        with self._lock:
            if self._drive is not None and not self._drive.idle:
                return False
            if isinstance(limits, LimitsError):
                self._drive, self._problem = None, str(limits)
                return True
            drive = Drive(self._bundle.joints, limits, self._drive_settings)
            drive.restart(time.monotonic_ns())
            rate, longest = self._settings.command_rate, drive.preview.longest
            self._message = (
                TrajectoryCommand(drive.names, rate, longest)
                if self._settings.command_type == 'joint_trajectory'
                else ArrayCommand(drive.names)
            )
            self._drive, self._problem = drive, None
        return True

    def start(self) -> None:
        """Begin to listen and to tick, disengaged."""
        with self._lock:
            if self._drive is not None:
                self._drive.restart(time.monotonic_ns())
            self._engage_due = self._settings.engage
            self._engage_told_ns = None
            self._sent = self._missed = 0
            self._lateness = Window()
            self._ending = False
            self._thread = threading.Thread(target=self._run, name='commands', daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """
        Brake, fall silent and end the thread.

        Any thread may call it, several at once too (Ctrl-C, and a manager that cleans up): each
        returns when the arm is at rest.
        """
        with self._lock:
            self._disengage()
            self._ending = True
            thread = self._thread
        if thread is not None:
            thread.join()

    def engage(self) -> str | None:
        """Drive the arm from now on, or return why not."""
        with self._lock:
            return 'the node is not active' if self._ending else self._engage()

    def _engage(self) -> str | None:
        if self._drive is None:
            return self._problem
        reason = self._drive.engage(time.monotonic_ns())
        if reason is None:
            self._engage_due = False
        return reason

    def disengage(self) -> None:
        """Brake from the next period on, then fall silent; always possible."""
        with self._lock:
            self._disengage()

    def _disengage(self) -> None:
        self._engage_due = False
        if self._drive is not None:
            self._drive.disengage()

    def on_image(self) -> None:
        """Note that a fresh image came."""
        with self._lock:
            if self._drive is not None:
                self._drive.on_image(time.monotonic_ns())

    def on_joints(self, measured: NDArray[np.float64], *, fresh: bool) -> None:
        """Take in measured joints; see `Drive.on_joints`."""
        with self._lock:
            if self._drive is not None:
                self._drive.on_joints(time.monotonic_ns(), measured, fresh=fresh)

    def on_event(self, event: Event) -> None:
        """Take in something that went wrong."""
        with self._lock:
            if self._drive is not None:
                self._drive.on_event(event, time.monotonic_ns())

    def on_prediction(self, predicted: NDArray[np.float32], stamp_ns: int) -> None:
        """Take in a prediction: (D,), rad, finite, under its image's stamp."""
        age_ns = self._clock.now().nanoseconds - stamp_ns
        with self._lock:
            if self._drive is not None:
                self._drive.on_prediction(time.monotonic_ns(), predicted, age_ns)

    def report(self) -> StreamReport:
        """Tell how the stream is."""
        lateness = self._lateness.quantiles()  # before the lock: sorting takes long
        with self._lock:
            drive = self._drive
            return StreamReport(
                phase=Phase.OFF if drive is None else drive.watchdog.phase,
                state=Phase.OFF.value if drive is None else drive.state,
                problem=self._problem,
                sent=self._sent,
                missed=self._missed,
                lateness=lateness,
                interventions={} if drive is None else dict(drive.interventions.counts),
            )

    def _run(self) -> None:
        try:
            due = time.monotonic_ns() + self._period_ns
            going_on = True
            while going_on:
                wait = due - time.monotonic_ns()
                if wait > 0:
                    time.sleep(wait / 1e9)
                now = time.monotonic_ns()
                missed = (now - due) // self._period_ns
                self._lateness.add(now - due)
                self._missed += missed
                due += (missed + 1) * self._period_ns
                going_on = self._tick(now, 1 + missed)
        except Exception:  # the thread must not end without a word
            if self._node.context.ok():  # else ROS was shut down, and nothing can be sent
                self._node.get_logger().fatal(f'no more commands: {traceback.format_exc()}')
                with self._lock:
                    self._drive, self._problem = None, 'sending commands has failed, see the log'

    def _tick(self, now_ns: int, periods: int) -> bool:
        """Send what there is to send; returns whether there may be more."""
        with self._lock:
            if self._engage_due:
                self._engage_by_itself(now_ns)
            drive, message = self._drive, self._message
            if drive is None or message is None:
                self._tell(Phase.OFF.value)
                return not self._ending
            drive.tick(now_ns, 1 if message.streamed else periods)
            send = message.write(drive)
            grips = drive.gripper_due
            going_on = drive.publish or not self._ending
            lines = drive.interventions.take_lines()
            state = drive.state
        if send and self._publisher is not None:
            self._publisher.publish(message.message)
            self._sent += 1
        if grips:
            self._publish_grippers(drive)
        for line in lines:
            self._node.get_logger().warning(line)
        self._tell(state)
        return going_on

    def _engage_by_itself(self, now_ns: int) -> None:
        reason = self._engage()
        told = self._engage_told_ns
        if reason is not None and (told is None or now_ns - told > _RETRY_NS):
            self._engage_told_ns = now_ns
            self._node.get_logger().info(f'not engaged yet: {reason}')

    def _publish_grippers(self, drive: Drive) -> None:
        for (_, switch), publisher in zip(drive.grippers, self._gripper_publishers, strict=True):
            if switch.closed is not None:
                self._gripper.data = switch.closed
                publisher.publish(self._gripper)

    def _tell(self, state: str) -> None:
        """Where the state has changed, log it, and publish it for those who watch."""
        if state == self._state.data:
            return
        self._state.data = state
        self._state_publisher.publish(self._state)
        logger = self._node.get_logger()
        if state.startswith((Phase.HOLDING.value, Phase.STOPPED.value)):
            logger.warning(f'the arm: {state}')
        else:
            logger.info(f'the arm: {state}')

    def destroy(self) -> None:
        """End the thread and destroy the publishers."""
        self.stop()
        publishers = [self._publisher, self._state_publisher, *self._gripper_publishers]
        for publisher in publishers:
            if publisher is not None:
                self._node.destroy_publisher(publisher)
