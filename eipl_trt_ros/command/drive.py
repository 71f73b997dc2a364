# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Everything between a prediction and the next command, put together; one object an arm.

It has no thread and no clock: whoever owns it says what came and when, and calls `tick` once in
every period of the controller. All times are integer nanoseconds of one steady clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eipl_trt_ros.command.engagement import StartCheck
from eipl_trt_ros.command.gripper import OpenCloseSwitch
from eipl_trt_ros.command.interventions import Interventions
from eipl_trt_ros.command.limits import MotionLimits
from eipl_trt_ros.command.path import PathFollower
from eipl_trt_ros.command.preview import Preview
from eipl_trt_ros.command.selection import PositionCommand
from eipl_trt_ros.command.vetting import Policies, Vetting
from eipl_trt_ros.command.watchdog import Event, Phase, Source, Watchdog, WatchdogTimes
from eipl_trt_ros.robot import JointSpec

_MOVING = (Phase.DRIVING, Phase.HOLDING)


@dataclass(frozen=True)
class DriveSettings:
    """
    How to drive.

    Attributes:
        command_rate: of the controller, in Hz.
        model_rate: of the model, in Hz.
        arrival: in how many model periods a prediction is to be reached. At 1 the arm comes to
            rest, or nearly, on each prediction before the next one is there.
        policies: what to do with a prediction beyond a limit.
        times: of the watchdog.
        recovery: of the watchdog.
        training_margin: how far outside the training range the arm may be engaged, in rad.
        max_age_ns: how far from now an image's stamp may be; 0: any.

    """

    command_rate: float
    model_rate: float
    arrival: float
    policies: Policies
    times: WatchdogTimes
    recovery: str
    training_margin: float
    max_age_ns: int


class Drive:
    """
    Turns predictions into commands, while it is engaged and all is well.

    Args:
        joints: the bundle's joints, in its order.
        limits: of those driven by position, in the same order.
        settings: how to drive.

    """

    def __init__(
        self, joints: Sequence[JointSpec], limits: MotionLimits, settings: DriveSettings
    ) -> None:
        self._settings = settings
        self._picker = PositionCommand(joints)
        self.names = self._picker.names
        """The joints that are commanded."""
        period = 1.0 / settings.command_rate
        model_steps = settings.command_rate / settings.model_rate
        self._arrival_steps = max(1, round(settings.arrival * model_steps))
        self.path = PathFollower(limits, period)
        """The newest command."""
        self.preview = Preview(limits, period, self._arrival_steps + round(model_steps))
        """The way ahead of it."""
        self.interventions = Interventions()
        self.watchdog = Watchdog(settings.times, settings.recovery)
        self._vetting = Vetting(
            limits, settings.policies, 1.0 / settings.model_rate, self.interventions
        )
        self._start = StartCheck(
            joints, limits, settings.training_margin, settings.policies.max_jump
        )
        self.grippers = [
            (index, OpenCloseSwitch(joint))
            for index, joint in enumerate(joints)
            if joint.sink == 'open_close'
        ]
        """Each gripper's place in the joint vector, and its switch."""
        self._all_measured = np.full(len(joints), np.nan)
        self._measured = np.full(len(self.names), np.nan)
        self._all_predicted = np.full(len(joints), np.nan)
        self._predicted = np.full(len(self.names), np.nan)
        self._error = np.zeros(len(self.names))
        self._pending = False
        self._live = False
        self._braking = False
        self._first = False
        self._planned = 0
        self.publish = False
        """After a tick: whether the newest command is to be sent."""
        self.replan = False
        """After a tick: whether the way ahead has changed."""
        self.gripper_due = False
        """After a tick: whether the grippers' switches have seen a new prediction."""

    @property
    def state(self) -> str:
        """What it does, in words."""
        phase, reason = self.watchdog.phase, self.watchdog.reason
        return f'{phase.value}: {reason}' if reason else phase.value

    @property
    def idle(self) -> bool:
        """Whether it is disengaged and has braked to rest: there is no command to go on from."""
        return self.watchdog.phase is Phase.OFF and not self._live

    def restart(self, now_ns: int) -> None:
        """Begin anew, disengaged: nothing has come yet."""
        self.watchdog.restart(now_ns)
        self._all_measured.fill(np.nan)
        self._measured.fill(np.nan)
        self._pending = self._live = self._braking = self._first = False

    def on_image(self, now_ns: int) -> None:
        """Note that a fresh image came."""
        self.watchdog.feed(Source.IMAGE, now_ns)

    def on_joints(self, now_ns: int, measured: NDArray[np.float64], *, fresh: bool) -> None:
        """
        Take in measured joints.

        Args:
            now_ns: when they came.
            measured: (D,), rad, the newest of each joint, in the bundle's order; NaN where never
                measured.
            fresh: whether every joint that the model needs is newer than before.

        """
        np.copyto(self._all_measured, measured)
        self._picker.write(measured, self._measured)
        if fresh:
            self.watchdog.feed(Source.JOINTS, now_ns)

    def on_prediction(self, now_ns: int, predicted: NDArray[np.floating], age_ns: int) -> None:
        """
        Take in a prediction; the next tick makes it the target.

        Args:
            now_ns: when it came.
            predicted: (D,), rad, in the bundle's order.
            age_ns: from its image's stamp to now, on the clock of the stamps.

        """
        limit = self._settings.max_age_ns
        if limit and not -limit <= age_ns <= limit:
            self.watchdog.happen(Event.STALE, now_ns)
            return
        self.watchdog.feed(Source.PREDICTION, now_ns)
        np.copyto(self._all_predicted, predicted)
        self._picker.write(predicted, self._predicted)
        self._pending = True

    def on_event(self, event: Event, now_ns: int) -> None:
        """Take in something that went wrong."""
        self.watchdog.happen(event, now_ns)

    def engage(self, now_ns: int) -> str | None:
        """Drive from now on, or return why not; where it drives already, nothing changes."""
        if self.watchdog.phase in _MOVING:
            return None
        reason = self.watchdog.unready(now_ns) or self._refusal()
        if reason is None:
            self.watchdog.engage(now_ns)
            self._begin()
        return reason

    def _refusal(self) -> str | None:
        return self._start.refusal(self._all_measured, self._measured, self._predicted)

    def _begin(self) -> None:
        if not self._live:  # else it still brakes, and goes on from there
            self.path.start(self._measured)
            self._first = True
            self._planned = 0
            for _, switch in self.grippers:
                switch.reset()
        self._live = True
        self._pending = self._braking = False

    def disengage(self) -> None:
        """Brake from the next tick on, then fall silent; always possible."""
        self.watchdog.disengage()

    def tick(self, now_ns: int, steps: int = 1) -> None:
        """
        Go on by some periods of the controller; then look at `publish`, `replan`, `gripper_due`.

        Args:
            now_ns: the time.
            steps: periods since the last tick. A controller that runs along the way ahead by
                itself has gone so far; one that is sent every command has not, and takes 1.

        """
        before = self.watchdog.phase
        phase = self.watchdog.update(now_ns)
        self.publish = self.replan = self.gripper_due = False
        if phase is Phase.DRIVING and before is Phase.STOPPED and not self._resume():
            return
        if self._live and not self._first:
            self._advance(steps - 1)  # along the way so far, before there is a new one
        if phase is Phase.DRIVING:
            self._braking = False
            if not self._first:
                self._take_target(now_ns)
        elif not self._live:
            return
        elif not self._braking:
            self.replan = not self.path.at_rest
            self.path.brake()
            self._braking = True
        if phase not in _MOVING and self.path.at_rest:
            self._live = False
            return
        if self._first:  # a controller is to begin where the arm is
            self._first = False
        else:
            self._advance(1)
        self.publish = self._followed()
        if self.replan:
            self._planned = 0

    def _advance(self, steps: int) -> None:
        """
        Go on as a controller does that was sent the way ahead.

        Long before it would begin to brake, because the target is far, it is to be sent more; if
        this thread was held up for too long for that, the controller has braked.
        """
        for _ in range(min(steps, self.preview.longest)):
            if self._planned == self.preview.steps:
                self.path.brake()
            self.path.step()
            self._planned += 1
        if self._planned >= self.preview.steps // 2 and not self.path.at_rest:
            self.replan = True

    def _resume(self) -> bool:
        """Begin anew by itself after a stop, if the arm could be engaged where it stands."""
        reason = self._refusal()
        if reason is not None:
            self.watchdog.stay_stopped(reason)
            return False
        self._begin()
        return True

    def _take_target(self, now_ns: int) -> None:
        if not self._pending:
            return
        self._pending = False
        if self._vetting.check(self._predicted, self._measured, self.path, now_ns):
            self.path.aim(self._vetting.target, self._arrival_steps)
            self.replan = True
            self.gripper_due = True
            for index, switch in self.grippers:
                switch.update(float(self._all_predicted[index]))

    def _followed(self) -> bool:
        """Stop where the arm is farther from its command than the guard allows; tell if not."""
        error, allowed = self._error, self._settings.policies.max_jump
        np.abs(np.subtract(self.path.position, self._measured, out=error), out=error)
        worst = int(error.argmax()) if len(error) else -1
        if worst < 0 or error[worst] <= allowed:
            return True
        self.watchdog.trip(
            f'{self.names[worst]} is {error[worst]:.3g} rad from its command, more than '
            f'{allowed:g}: it does not follow, or something else moves it'
            if np.isfinite(error[worst])
            else f'{self.names[worst]} is not measured any more'
        )
        self.path.brake()
        self.replan = True
        self.gripper_due = self._live = self._braking = False
        return False
