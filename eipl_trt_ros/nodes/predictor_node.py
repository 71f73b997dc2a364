#!/usr/bin/env python3
# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
The lifecycle node that turns camera images and joint states into joint commands.

configure loads the bundle, makes the backend and warms it up; activate subscribes; deactivate
stops; cleanup and shutdown give everything back. The executor's thread (the main thread) serves;
one receives and pairs while the node is active; one inference thread, which owns the predictor,
runs frames and publishes; one sends commands at the controller's rate while the arm is engaged.
"""

from __future__ import annotations

import contextlib
import gc
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.parameter import Parameter
from std_srvs.srv import SetBool, Trigger

from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.command.watchdog import Event
from eipl_trt_ros.ensemble import AnyPredictor, Ensemble, common_joints
from eipl_trt_ros.errors import BundleError
from eipl_trt_ros.memory import keep_freed_memory
from eipl_trt_ros.nodes.arm_limits import ArmLimits
from eipl_trt_ros.nodes.command_diagnostics import command_status
from eipl_trt_ros.nodes.command_settings import (
    COMMAND_SETTINGS,
    LIMITS_PREFIX,
    read_command_settings,
)
from eipl_trt_ros.nodes.command_stream import CommandStream
from eipl_trt_ros.nodes.diagnostics import PredictorDiagnostics
from eipl_trt_ros.nodes.driving_model import DrivingModel
from eipl_trt_ros.nodes.frame_runner import FrameRunner, open_all
from eipl_trt_ros.nodes.inference import Frame, InferenceThread
from eipl_trt_ros.nodes.intake import Intake
from eipl_trt_ros.nodes.managed import ManagedNode
from eipl_trt_ros.nodes.parameters import declare, wrong_choice
from eipl_trt_ros.nodes.predictor_settings import (
    AUTOSTART,
    PRIORITY,
    SETTINGS,
    PredictorSettings,
    read_settings,
)
from eipl_trt_ros.nodes.process import run_node, spin, take_turns_quickly
from eipl_trt_ros.scheduling import take_priority

_DIAGNOSTICS_PERIOD = 1.0  # seconds; REP 107
_ALL_SETTINGS = (*SETTINGS, *COMMAND_SETTINGS)


@dataclass(frozen=True)
class _Configured:
    """What the node holds between configure and cleanup."""

    settings: PredictorSettings
    thread: InferenceThread
    predictor: AnyPredictor
    commands: CommandStream
    limits: ArmLimits
    runner: FrameRunner


class PredictorNode(ManagedNode):
    """
    Predicts the next joints from camera and joints, at the model's rate.

    Subscribes to ``image`` (or ``image/compressed``) and ``joint_states``; publishes what
    `joints_output`, `command_stream`, `image_output` and `frame_timing` describe, and
    ``/diagnostics``; serves ``~/engage``, which lets the arm move, and ``~/reset``, which resets
    the LSTM state before the next frame.
    """

    def __init__(self, name: str = 'predictor', **settings: Any) -> None:
        self._configured: _Configured | None = None
        self._intake: Intake | None = None
        super().__init__(name, **settings)
        self.add_on_set_parameters_callback(self._check_parameters)
        declare(self, (AUTOSTART, PRIORITY, *_ALL_SETTINGS))
        self._diagnostics = PredictorDiagnostics(self.get_fully_qualified_name())
        self._diagnostics_publisher = self.create_publisher(DiagnosticArray, '/diagnostics', 10)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(_DIAGNOSTICS_PERIOD, self._publish_diagnostics, clock=steady)
        self.create_service(Trigger, '~/reset', self._on_reset)
        self.create_service(SetBool, '~/engage', self._on_engage)

    @property
    def autostart(self) -> bool:
        """Whether the node brings itself up."""
        return bool(self.get_parameter(AUTOSTART.name).value)

    @property
    def priority(self) -> int:
        """Real-time priority that its process is to have; 0 for none."""
        return int(self.get_parameter(PRIORITY.name).value)

    def _check_parameters(self, parameters: Sequence[Parameter]) -> SetParametersResult:
        reason = wrong_choice(_ALL_SETTINGS, parameters)
        if reason is None and self._configured is not None:
            names = {setting.name for setting in _ALL_SETTINGS}
            fixed = [
                parameter.name
                for parameter in parameters
                if parameter.name in names or parameter.name.startswith(LIMITS_PREFIX)
            ]
            if fixed:
                reason = (
                    f'{fixed[0]} takes effect when the node is configured: first '
                    f'ros2 lifecycle set {self.get_fully_qualified_name()} deactivate, then '
                    'cleanup'
                )
        return SetParametersResult(successful=reason is None, reason=reason or '')

    def configure(self) -> None:
        """Load the bundle, make the backend in the inference thread, warm it up."""
        settings = read_settings(self)
        command_settings = read_command_settings(self)
        if not settings.folders:
            msg = "the parameter 'bundle' is empty: set it to the folder of a bundle"
            raise BundleError(msg)
        thread = InferenceThread(lambda: open_all(settings))
        predictor = thread.start()
        bundle, backend = predictor.bundle, predictor.backend
        with contextlib.ExitStack() as made:
            made.callback(thread.close)
            arm = _arm(predictor)
            commands = CommandStream(self, arm, command_settings)
            made.callback(commands.destroy)
            limits = ArmLimits(self, arm, command_settings, commands.set_limits)
            made.callback(limits.destroy)
            driving = DrivingModel(self, predictor, selectable=settings.arbiter == 'topic')
            made.callback(driving.destroy)
            runner = FrameRunner(self, bundle, commands, driving)
            made.pop_all()
        self._configured = _Configured(settings, thread, predictor, commands, limits, runner)
        self.get_logger().info(
            f'{bundle.name}: {bundle.model.type}, {bundle.rate_hz:g} Hz, on {backend.name} in '
            f'{backend.precision} ({backend.device})'
        )

    def activate(self) -> None:
        """Subscribe, and let the inference thread take frames from a fresh state."""
        held = self._held()
        held.runner.start()
        held.commands.start()
        held.thread.resume(held.runner.run)
        self._diagnostics.restart(time.monotonic_ns())
        # what exists by now stays: the collector need not look at it again during frames
        gc.collect()
        gc.freeze()
        self._intake = Intake(
            self, held.predictor.bundle, held.settings, self._submit, held.commands
        )
        self.get_logger().info(
            f'active: images from {self._intake.image_topic}, joints from '
            f'{self._intake.joint_topic}'
        )

    def _held(self) -> _Configured:
        if self._configured is None:
            msg = 'the node is not configured'
            raise RuntimeError(msg)
        return self._configured

    def _submit(self, frame: Frame, reset: bool) -> bool:
        return self._held().thread.submit(frame, reset=reset)

    def deactivate(self) -> None:
        """Bring the arm to rest, unsubscribe, and wait for the frame in work."""
        self.come_to_rest()
        if self._intake is not None:
            self._intake.close()
            self._intake = None
            gc.unfreeze()
        if self._configured is not None:
            self._configured.thread.pause()

    def come_to_rest(self) -> None:
        """Brake the arm and send no more commands; any thread may call it."""
        held = self._configured
        if held is not None:
            held.commands.stop()

    def release(self) -> None:
        """Give back the predictor, the thread and the publishers."""
        self.deactivate()
        held, self._configured = self._configured, None
        if held is not None:
            held.thread.close()
            held.runner.destroy()
            held.limits.destroy()
            held.commands.destroy()

    def _on_reset(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        response.success = self._configured is not None
        if self._configured is not None:
            self._configured.thread.request_reset()
            self._configured.commands.on_event(Event.RESET)
            response.message = 'the state is reset before the next frame'
        else:
            response.message = 'there is no state: the node is not configured'
        return response

    def _on_engage(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        held = self._configured
        if not request.data:
            if held is not None:
                held.commands.disengage()
            response.success, response.message = True, 'disengaged'
            return response
        reason = 'the node is not active' if held is None else held.commands.engage()
        response.success = reason is None
        response.message = 'engaged' if reason is None else reason
        if reason is not None:
            self.get_logger().warning(f'not engaged: {reason}')
        return response

    def _publish_diagnostics(self) -> None:
        held = self._configured
        if held is None or self._intake is None:
            state = 'unconfigured' if held is None else 'inactive'
            statuses = [self._diagnostics.idle(state, self.failure)]
        else:
            now_ns = time.monotonic_ns()
            statuses = [
                self._diagnostics.active(
                    self._intake, held.runner.statistics, held.predictor, now_ns
                ),
                command_status(self.get_fully_qualified_name(), held.commands.report()),
            ]
        message = DiagnosticArray(status=statuses)
        message.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics_publisher.publish(message)


def _arm(predictor: AnyPredictor) -> Bundle:
    """Return the bundle that tells the arm's joints: of several models, in their common range."""
    if not isinstance(predictor, Ensemble):
        return predictor.bundle
    joints = common_joints([one.bundle for one in predictor.predictors])
    return replace(predictor.bundle, joints=joints)


def _work(node: PredictorNode) -> None:
    if node.priority:
        refusal = take_priority(node.priority)  # of the middleware's threads too
        if refusal is not None:
            node.get_logger().warning(refusal)
    if node.autostart:
        node.bring_up()
    spin(node)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the node; the entry point of ``ros2 run eipl_trt_ros predictor_node``."""
    keep_freed_memory()
    take_turns_quickly()
    return run_node(PredictorNode, _work, arguments, before_end=PredictorNode.come_to_rest)


if __name__ == '__main__':
    sys.exit(main())
