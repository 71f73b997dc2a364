# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Everything together: whatever comes, and in whatever order, no unsafe command goes."""

from __future__ import annotations

import re
import tracemalloc
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from builders import make_joints
from command_worlds import MS, make_limits, make_settings, make_times
from hypothesis import given, settings
from hypothesis import strategies as st

from eipl_trt_ros.command.drive import Drive
from eipl_trt_ros.command.vetting import POLICIES, Policies
from eipl_trt_ros.command.watchdog import Event, Phase

JOINTS = make_joints(3)  # joint1 in [-1, 1.5], joint2 in [-1.1, 1.6], and a gripper
LIMITS = make_limits(2, lower=-0.9, upper=1.4, velocity=1.0, acceleration=8.0)
PERIOD = 10 * MS


class Arm:
    """A drive at 100 Hz, inputs that can be stopped one by one, and an arm that follows."""

    def __init__(self, **changes: Any) -> None:
        self.settings = make_settings(**changes)
        self.drive = Drive(JOINTS, LIMITS, self.settings)
        self.now = 10_000 * MS
        self.measured = np.array([0.2, 0.3, np.nan])
        self.predicted = np.array([0.25, 0.28, 0.5])
        self.sent: list[tuple[int, np.ndarray]] = []
        self.distances: list[tuple[np.ndarray, np.ndarray]] = []
        self.told = self.measured.copy()
        self.image = self.joints = self.prediction = self.follows = True
        self.drive.restart(self.now)

    def go_on(self, milliseconds: int) -> Arm:
        for _ in range(0, milliseconds, 10):
            self.now += PERIOD
            if self.joints:
                self.drive.on_joints(self.now, self.measured, fresh=True)
                self.told = self.measured.copy()
            if self.now % (100 * MS) == 0:
                if self.image:
                    self.drive.on_image(self.now)
                if self.prediction:
                    self.drive.on_prediction(self.now, self.predicted, 20 * MS)
            self.drive.tick(self.now)
            if self.drive.publish:
                command = self.drive.path.position.copy()
                self.sent.append((self.now, command))
                self.distances.append((command, self.told[:2]))
                if self.follows:
                    self.measured[:2] = self.drive.path.position
        return self

    def engage(self) -> Arm:
        self.go_on(500)
        assert self.drive.engage(self.now) is None
        return self


def test_the_first_command_is_where_the_arm_is_and_the_last_what_was_predicted():
    arm = Arm().engage()
    arm.go_on(2000)
    assert arm.sent[0][1].tolist() == [0.2, 0.3]
    assert arm.sent[-1][1].tolist() == [0.25, 0.28]
    assert len(arm.sent) == 200  # in every period


def test_a_prediction_shows_in_the_next_command():
    arm = Arm().engage().go_on(1000)
    arm.predicted[:] = [0.3, 0.2, 0.5]
    before = arm.sent[-1][1]
    arm.drive.on_prediction(arm.now + MS, arm.predicted, 20 * MS)
    arm.prediction = False
    arm.go_on(10)
    assert (arm.sent[-1][1] != before).all()


def test_between_predictions_the_arm_goes_on_and_then_holds():
    arm = Arm().engage().go_on(100)
    arm.predicted[:] = [0.3, 0.2, 0.5]
    arm.go_on(100)
    arm.prediction = False
    arm.go_on(300)
    ways = np.array([command for _, command in arm.sent])
    assert len(np.unique(ways[:, 0])) > 10
    assert ways[-1].tolist() == ways[-2].tolist()
    assert ways[:, 0].max() <= 0.3


def test_disengaging_brakes_from_the_next_period_on_and_ends_in_silence():
    arm = Arm(arrival=1.0).engage()
    arm.predicted[:] = [0.4, 0.3, 0.5]
    arm.go_on(200)
    speed = abs(arm.drive.path.velocity[0])
    assert speed > 0.1
    arm.drive.disengage()
    begin = len(arm.sent)
    arm.go_on(10)
    assert abs(arm.drive.path.velocity[0]) == pytest.approx(speed - 8.0 * 0.01)
    arm.go_on(500)
    assert len(arm.sent) - begin <= speed / 8.0 / 0.01 + 2
    assert arm.drive.state == 'disengaged'


@pytest.mark.parametrize(
    ('change', 'reason'),
    [
        ({0: 1.6}, r'joint1 is at 1.6, outside the training range \[-1, 1.5\]'),
        ({0: 1.45}, r'joint1 is at 1.45, outside its limits \[-0.9, 1.4\]'),
        ({1: 0.7}, 'the model predicts 0.28 for joint2, more than 0.35 from where it is'),
        ({1: np.nan}, 'joint2 is at nan, outside the training range'),
    ],
)
def test_engaging_is_refused_with_the_reason(change, reason):
    arm = Arm()
    for index, value in change.items():
        arm.measured[index] = value
    arm.go_on(500)
    assert re.match(reason, arm.drive.engage(arm.now) or 'engaged')
    arm.go_on(500)
    assert not arm.sent


@pytest.mark.parametrize('what', ['image', 'joints', 'prediction'])
def test_without_an_input_the_arm_holds_then_falls_silent_and_waits_to_be_engaged(what):
    arm = Arm().engage().go_on(500)
    setattr(arm, what, False)
    arm.go_on(600)
    assert arm.drive.watchdog.phase is Phase.HOLDING
    assert arm.drive.path.at_rest
    assert arm.drive.state.startswith(f'holding: no fresh {what}')
    arm.go_on(1000)
    assert arm.drive.watchdog.phase is Phase.STOPPED
    silent = len(arm.sent)
    setattr(arm, what, True)
    arm.go_on(2000)
    assert len(arm.sent) == silent
    assert arm.drive.engage(arm.now) is None
    arm.go_on(10)
    assert len(arm.sent) == silent + 1


def test_where_it_was_asked_for_the_arm_resumes_by_itself_but_only_from_where_it_may():
    arm = Arm(recovery='automatic').engage().go_on(500)
    arm.image = False
    arm.go_on(3000)
    silent = len(arm.sent)
    arm.image = True
    arm.measured[0] = -0.5  # somebody has moved it meanwhile
    arm.go_on(1000)
    assert len(arm.sent) == silent
    assert 'the model predicts' in arm.drive.state
    arm.measured[0] = 0.1
    arm.go_on(100)
    assert arm.sent[silent][1][0] == 0.1


def test_an_arm_that_does_not_follow_is_stopped_before_a_command_goes_too_far():
    arm = Arm().engage()
    arm.follows = False
    for index in range(30):
        arm.predicted[0] = 0.25 + 0.02 * index
        arm.go_on(100)
    assert max(abs(command[0] - 0.2) for _, command in arm.sent) <= 0.35
    # predictions so far away were refused, so it takes a push to run into the guard itself
    arm.measured[0] = -0.4
    silent = len(arm.sent)
    arm.go_on(100)
    assert len(arm.sent) == silent
    assert 'joint1 is' in arm.drive.state
    assert 'does not follow' in arm.drive.state


def test_a_prediction_on_an_old_image_moves_nothing():
    arm = Arm().engage().go_on(300)
    arm.drive.on_prediction(arm.now, np.array([0.0, 0.0, 0.5]), 700 * MS)
    arm.prediction = False
    arm.go_on(20)
    assert arm.drive.state == 'holding: the prediction rests on an old image'


def test_the_gripper_is_told_only_while_driving_and_decided_by_hysteresis():
    arm = Arm()
    arm.predicted[2] = 0.9
    arm.go_on(1000)
    ((index, switch),) = arm.drive.grippers
    assert index == 2
    assert switch.closed is None
    arm.engage().go_on(100)
    assert switch.closed is True
    arm.predicted[2] = 0.5
    arm.go_on(200)
    assert switch.closed is True
    arm.predicted[2] = 0.2
    arm.go_on(200)
    assert switch.closed is False


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(-0.3, 0.3), st.floats(-0.3, 0.3), st.integers(1, 34)),
        min_size=1,
        max_size=10,
    ),
    st.sampled_from([0.05, 0.3, 1.0]),
    st.lists(st.integers(1, 4), min_size=1, max_size=7),
)
def test_a_controller_that_runs_along_the_way_ahead_is_always_where_the_path_is(
    targets, speed, ticks
):
    """Slow limits and late predictions make the way ahead longer than what was sent of it."""
    limits = make_limits(2, lower=-0.9, upper=1.4, velocity=speed, acceleration=8.0 * speed)
    arm = Arm()
    arm.drive = Drive(JOINTS, limits, arm.settings)
    arm.drive.restart(arm.now)
    arm.engage()
    drive, plan, passed = arm.drive, np.zeros((0, 2)), 0
    for one, other, length in targets:
        drive.on_prediction(arm.now, np.array([0.2 + one, 0.3 + other, 0.5]), 0)
        left, aimed = length, True
        while left > 0:
            periods = min(left, ticks[passed % len(ticks)])
            left -= periods
            arm.now += periods * PERIOD
            drive.on_image(arm.now)
            drive.on_joints(arm.now, arm.measured, fresh=True)
            drive.tick(arm.now, periods)
            passed += periods
            if drive.replan:
                rows = drive.preview.run(drive.path)
                new = drive.preview.positions[:rows].copy()
                if len(plan) and not aimed:
                    row = min(passed, len(plan)) - 1
                    assert np.allclose(drive.path.position, plan[row], atol=1e-9)
                plan, passed = new, 0
            elif len(plan):
                row = min(passed, len(plan)) - 1
                assert np.allclose(drive.path.position, plan[row], atol=1e-9)
            aimed = False
            arm.measured[:2] = drive.path.position


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(st.integers(1, 40), st.none() | st.floats(-0.3, 0.3)), min_size=20, max_size=60
    ),
    st.floats(0.02, 1.0),
)
def test_a_way_sent_ahead_begins_where_the_one_before_has_led_to_however_late_a_tick_is(
    ticks, speed
):
    """A controller that runs along the ways by itself must never see a step between two."""
    arm = Arm(times=make_times(prediction=2000, hold=5000))
    slow = replace(LIMITS, velocity=speed * LIMITS.velocity)
    arm.drive = Drive(JOINTS, slow, arm.settings)
    arm.drive.restart(arm.now)
    arm.engage()
    drive, way, passed = arm.drive, np.array([arm.measured[:2]]), 0
    for periods, offset in ticks:
        arm.now += periods * PERIOD
        drive.on_joints(arm.now, arm.measured, fresh=True)
        drive.on_image(arm.now)
        if offset is not None:
            arm.predicted[:2] = np.clip(arm.measured[:2] + offset, -0.9, 1.4)
            drive.on_prediction(arm.now, arm.predicted, 0)
        drive.tick(arm.now, periods)
        passed += periods
        reached = way[min(passed, len(way)) - 1]
        if drive.replan:
            rows = drive.preview.run(drive.path)
            ahead = drive.preview.positions[:rows].copy()
            # the way so far, a period later, and what the joint may do in that one
            step = slow.velocity * 0.01 + slow.acceleration * 0.01**2
            assert (np.abs(ahead[0] - reached) <= step + 1e-9).all()
            way, passed = ahead, 0
        arm.measured[:2] = reached


def test_ticks_take_no_memory():
    arm = Arm().engage().go_on(500)

    def run() -> None:
        for index in range(1000):
            arm.now += PERIOD
            arm.drive.on_joints(arm.now, arm.measured, fresh=True)
            if index % 10 == 0:
                arm.drive.on_image(arm.now)
                arm.drive.on_prediction(arm.now, arm.predicted, 0)
            arm.drive.tick(arm.now)
            assert arm.drive.publish
            if index % 10 == 0:
                arm.drive.preview.run(arm.drive.path)

    run()
    tracemalloc.start()
    try:
        before = tracemalloc.take_snapshot()
        run()
        after = tracemalloc.take_snapshot()
    finally:
        tracemalloc.stop()
    kept = sum(stat.size_diff for stat in after.compare_to(before, 'filename'))
    assert kept < 8192  # of tracemalloc itself, and what stays the same in number


VALUES = st.floats(-2.0, 2.0) | st.sampled_from([np.nan, np.inf, -np.inf, 1e300])
STEPS = st.one_of(
    st.tuples(st.just('predict'), st.tuples(VALUES, VALUES)),
    st.tuples(st.just('near'), st.tuples(st.floats(-0.3, 0.3), st.floats(-0.3, 0.3))),
    st.tuples(st.just('measure'), st.tuples(st.floats(-2.0, 2.0), st.floats(-2.0, 2.0))),
    st.tuples(st.just('push'), st.tuples(st.floats(-0.2, 0.2), st.floats(-0.2, 0.2))),
    st.tuples(st.sampled_from(['image', 'joints', 'prediction', 'follows']), st.booleans()),
    st.tuples(st.just('event'), st.sampled_from(Event)),
    st.tuples(st.just('age'), st.integers(-1000, 1000)),
    st.tuples(st.sampled_from(['engage', 'disengage']), st.none()),
    st.tuples(st.just('wait'), st.integers(10, 1500)),
)


@settings(deadline=None, max_examples=150)
@given(
    st.lists(STEPS, max_size=40),
    st.sampled_from(POLICIES),
    st.sampled_from(POLICIES),
    st.sampled_from(['engage', 'automatic']),
)
def test_no_sequence_of_inputs_gives_an_unsafe_command(steps, position, jump, recovery):
    policies = replace(Policies(), position=position, jump=jump)
    arm = Arm(policies=policies, recovery=recovery).engage()
    checked, velocity, last = 0, np.zeros(2), None
    for what, value in steps:
        apply(arm, what, value)
        arm.go_on(value if what == 'wait' else 20)
        for at, command in arm.sent[checked:]:
            assert (command >= LIMITS.lower).all()
            assert (command <= LIMITS.upper).all()
            if last is not None and at - last[0] == PERIOD:
                now = (command - last[1]) / 0.01
                assert (abs(now) <= LIMITS.velocity * (1 + 1e-9)).all()
                assert (abs(now - velocity) <= 8.0 * 0.01 * (1 + 1e-6) + 1e-9).all()
                velocity = now
            else:
                velocity = np.zeros(2)
            last = at, command
        checked = len(arm.sent)
        for command, measured in arm.distances:
            assert (abs(command - measured) <= 0.35).all()
        arm.distances.clear()


def apply(arm: Arm, what: str, value: Any) -> None:
    if what == 'predict':
        arm.predicted[:2] = value
    elif what == 'near':
        arm.predicted[:2] = arm.measured[:2] + value
    elif what == 'measure':
        arm.measured[:2] = value
    elif what == 'push':
        arm.measured[:2] += value
    elif what == 'event':
        arm.drive.on_event(value, arm.now)
    elif what == 'age':
        arm.drive.on_prediction(arm.now, arm.predicted, value * MS)
    elif what == 'engage':
        arm.drive.engage(arm.now)
    elif what == 'disengage':
        arm.drive.disengage()
    elif what != 'wait':
        setattr(arm, what, value)
