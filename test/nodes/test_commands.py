# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The real node driving an arm over DDS, watched at the controller's side."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import SPECS
from diagnostic_msgs.msg import DiagnosticArray
from live_arm import (
    LIMIT,
    PARAMETERS,
    LiveWorld,
    checked_worlds,
    lively_bundle,
    make_rules,
)
from rclpy.qos import DurabilityPolicy, QoSProfile
from ros_world import until
from std_msgs.msg import Bool, String
from trajectory_msgs.msg import JointTrajectory

from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.command.watchdog import Phase
from eipl_trt_ros.nodes.conversion import nanoseconds

NO_LIMITS = dict.fromkeys(PARAMETERS, float('nan'))
TYPES = ('joint_trajectory', 'float64_multi_array')


@pytest.fixture(scope='module')
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return lively_bundle(tmp_path_factory.mktemp('lively') / 'b')


@pytest.fixture
def live(world: Any, bundle: Bundle) -> Iterator[Any]:
    """Return a maker of live worlds; whatever happens in them is checked at the end."""
    yield from checked_worlds(world, bundle)


def has_moved(live: LiveWorld) -> bool:
    ways = np.concatenate([command.positions for command in live.observer.commands])
    return bool((ways.max(0) - ways.min(0)).max() > 0.005)


def wait_for_silence(live: LiveWorld) -> int:
    """Wait until commands have ceased; returns how many there were."""
    counts = [-1]

    def silent() -> bool:
        counts.append(len(live.observer.commands))
        time.sleep(0.3)
        return counts[-1] == len(live.observer.commands)

    until(silent, 'silence')
    return counts[-1]


@pytest.mark.parametrize('command_type', TYPES)
def test_the_arm_moves_only_while_it_is_engaged(live: Any, command_type: str) -> None:
    lively = live(command_type=command_type)
    lively.wait_for('disengaged')
    until(lambda: len(lively.observer.heard.images) > 20, 'images')
    assert not lively.observer.commands
    lively.engage()
    lively.wait_for('driving')
    until(lambda: has_moved(lively), 'a motion')
    assert lively.arm.call_engage(False).success
    sent = wait_for_silence(lively)
    lively.wait_for('disengaged')
    time.sleep(0.5)
    assert len(lively.observer.commands) == sent
    lively.engage()  # and again
    until(lambda: len(lively.observer.commands) > sent, 'commands')


def test_a_trajectory_is_what_a_joint_trajectory_controller_takes(live: Any, world: Any) -> None:
    lively = live()
    messages = world.robot().listen(JointTrajectory, 'joint_trajectory')
    lively.engage()
    message = messages.get(timeout=20)
    assert nanoseconds(message.header.stamp) == 0
    assert list(message.joint_names) == [f'joint{i}' for i in range(1, 8)]
    times = [nanoseconds(point.time_from_start) for point in message.points]
    assert times == [10_000_000 * (i + 1) for i in range(len(times))]
    for point in message.points:
        assert len(point.positions) == len(point.velocities) == 7
        assert not point.accelerations
        assert not point.effort
    assert not any(message.points[-1].velocities)


@pytest.mark.parametrize('rate', [50.0, 200.0])
def test_a_stream_comes_at_the_set_rate(live: Any, rate: float) -> None:
    lively = live(command_type='float64_multi_array', command_rate=rate)
    lively.engage()
    begin, report = time.monotonic(), lively.node._configured.commands.report
    before = report()
    time.sleep(1.0)
    after = report()
    periods = after.sent + after.missed - before.sent - before.missed
    assert periods == pytest.approx((time.monotonic() - begin) * rate, abs=0.1 * rate)


@pytest.mark.parametrize('command_type', TYPES)
def test_deactivating_brings_the_arm_to_rest_and_activating_does_not_move_it(
    live: Any, world: Any, command_type: str
) -> None:
    lively = live(command_type=command_type)
    lively.engage()
    until(lambda: has_moved(lively), 'a motion')
    world.run(lively.node.trigger_deactivate)
    assert not [thread for thread in threading.enumerate() if thread.name == 'commands']
    sent = wait_for_silence(lively)
    assert lively.arm.call_engage().message == 'the node is not active'
    world.run(lively.node.trigger_activate)
    time.sleep(1.0)
    assert len(lively.observer.commands) == sent
    lively.engage()


def test_the_arm_brakes_to_its_rest_whoever_else_ends_the_commands(live: Any) -> None:
    lively = live(command_type='float64_multi_array')
    lively.engage()
    until(lambda: has_moved(lively), 'a motion')
    commands = lively.node._configured.commands
    first = threading.Thread(target=commands.stop)  # as Ctrl-C does
    first.start()
    until(lambda: commands.report().phase is not Phase.DRIVING, 'braking')
    assert commands.engage() == 'the node is not active'
    commands.destroy()  # as a manager does that cleans up at the same time
    first.join()
    last = np.concatenate([command.positions for command in lively.observer.commands[-2:]])
    assert (abs(last[1] - last[0]) <= LIMIT.acceleration * 0.01**2).all()


def test_limits_that_come_while_the_arm_brakes_wait_until_it_rests(live: Any) -> None:
    lively = live(command_type='float64_multi_array')
    lively.engage()
    until(lambda: has_moved(lively), 'a motion')
    commands, limits = lively.node._configured.commands, make_rules().limits
    commands.disengage()
    assert not commands.set_limits(limits)
    until(lambda: commands.set_limits(limits), 'rest')


def test_the_parameter_engages_as_soon_as_that_is_allowed(live: Any) -> None:
    lively = live(engage=True)
    lively.wait_for('driving')
    assert lively.arm.call_engage(False).success
    lively.wait_for('disengaged')
    time.sleep(0.5)
    assert lively.observer.state == 'disengaged'  # what a person says counts for more


def refusal(lively: LiveWorld, fragment: str) -> None:
    """Wait until engaging is refused for a reason; it must never be granted."""
    messages: list[str] = []

    def refused() -> bool:
        response = lively.arm.call_engage()
        assert not response.success
        messages.append(response.message)
        time.sleep(0.05)
        return fragment in response.message

    until(refused, f'{fragment!r}; so far {messages[-1:]}')


def test_engaging_is_refused_while_inputs_are_missing(live: Any) -> None:
    lively = live()
    lively.arm.camera = False
    time.sleep(0.7)
    refusal(lively, 'no fresh image')
    lively.arm.camera, lively.arm.joints = True, False
    time.sleep(0.5)
    refusal(lively, 'no fresh joints')
    lively.arm.joints = True
    lively.engage()


def test_engaging_is_refused_outside_the_training_range(live: Any) -> None:
    lively = live()
    lively.arm.place(np.array([1.6, *lively.arm.position[1:]]))
    refusal(lively, 'joint1 is at 1.6, outside the training range [-1, 1.5] with a margin of 0.05')
    lively.arm.place(np.array([0.25, 1.1, *lively.arm.position[2:]]))
    refusal(lively, 'for joint2, more than 0.35 from where it is (1.1)')


URDF = '<robot name="arm">' + ''.join(
    f'<joint name="joint{i}" type="revolute"><limit lower="-0.9" upper="1.4" '
    'velocity="1.0" effort="1"/></joint>'
    for i in range(1, 8)
)


def test_limits_may_come_from_the_latched_robot_description(live: Any, world: Any) -> None:
    lively = live(default_acceleration=LIMIT.acceleration, **NO_LIMITS)
    refusal(lively, 'limits unknown: joint1 (lower, upper, velocity); joint2')
    qos = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    publisher = world.robot().create_publisher(String, 'robot_description', qos)
    publisher.publish(String(data='<robot>'))
    refusal(lively, 'the robot description is not XML')
    publisher.publish(String(data=f'{URDF}</robot>'))
    lively.engage()


def test_limits_may_come_from_the_parameter_robot_description(live: Any) -> None:
    lively = live(
        default_acceleration=LIMIT.acceleration, robot_description=f'{URDF}</robot>', **NO_LIMITS
    )
    lively.engage()


@pytest.mark.parametrize(
    ('parameters', 'reason'),
    [
        ({'robot_description': '<sdf/>'}, 'begins with <sdf>'),
        ({'limits.jiont1.lower': -1.0}, 'limits.jiont1.lower belongs to no joint'),
        ({'limits.joint1.velocity': 2}, 'a number with a decimal point, such as 2.0'),
        ({'prediction_timeout': 0.1}, 'the model predicts every 0.1 s: it must be longer'),
    ],
)
def test_a_setting_that_cannot_be_kept_is_found_when_the_node_is_configured(
    world: Any, bundle: Bundle, parameters: dict[str, Any], reason: str
) -> None:
    node = world.predictor(bundle, active=False, **parameters)
    world.run(node.trigger_configure)
    assert reason in node.failure
    assert 'Exception' not in node.failure
    assert not [thread for thread in threading.enumerate() if thread.name == 'inference']


@pytest.mark.parametrize('command_type', TYPES)
def test_an_arm_that_does_not_follow_is_stopped_and_stays_so(live: Any, command_type: str) -> None:
    lively = live(command_type=command_type, recovery='automatic')
    lively.engage()
    lively.arm.follows = False
    lively.arm.place(lively.arm.position + 0.4)
    lively.wait_for('stopped')
    assert 'does not follow' in lively.observer.state
    sent = wait_for_silence(lively)
    lively.arm.place(lively.arm.position - 0.4)
    lively.arm.follows = True
    time.sleep(1.0)
    assert len(lively.observer.commands) == sent
    lively.engage()


def test_the_gripper_is_left_alone_until_the_arm_is_engaged(live: Any, world: Any) -> None:
    lively = live()
    grippers = world.robot().listen(Bool, 'gripper_command')
    until(lambda: len(lively.observer.heard.images) > 20, 'images')
    assert grippers.empty()
    lively.engage()
    assert grippers.get(timeout=20).data is True


def test_the_diagnostics_tell_of_the_commands(live: Any, world: Any) -> None:
    lively = live()
    arrays = world.robot().listen(DiagnosticArray, '/diagnostics')
    name = f'{world.namespace[1:]}/predictor: command'
    lively.wait_for('disengaged')
    found = []
    while not found:
        found = [status for status in arrays.get(timeout=20).status if status.name == name]
    values = {entry.key: entry.value for entry in found[0].values}
    assert found[0].message == 'disengaged'
    assert values['engaged'] == 'False'
    assert values['messages sent'] == '0'
    assert values['interventions: too far from the measured position'] == '0'
    assert float(values['lateness p99 (ms)']) > 0


@pytest.mark.parametrize(
    'number', [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name
)
def test_a_process_that_is_told_to_end_brings_the_arm_to_rest_first(
    live: Any, tmp_path: Path, number: signal.Signals
) -> None:
    lively = live(log=tmp_path / 'log', command_type='float64_multi_array')
    lively.engage()
    until(lambda: has_moved(lively), 'a motion')
    lively.process.send_signal(number)
    assert lively.process.wait(20) == 0
    lively.wait_for('disengaged')
    wait_for_silence(lively)
    last = np.concatenate([command.positions for command in lively.observer.commands[-2:]])
    # from rest, the last step of a joint that brakes is half of what it loses in one period
    assert (abs(last[1] - last[0]) <= LIMIT.acceleration * 0.01**2).all()
    assert 'Traceback' not in lively.log.read_text()


def test_a_process_that_is_told_to_end_twice_brakes_once_and_says_nothing_of_it(
    live: Any, tmp_path: Path
) -> None:
    lively = live(log=tmp_path / 'log', command_type='float64_multi_array')
    lively.engage()
    lively.process.send_signal(signal.SIGINT)
    lively.wait_for('disengaged')
    while lively.process.poll() is None:  # as ros2 launch does, and a person without patience
        lively.process.send_signal(signal.SIGTERM)
        time.sleep(0.001)
    assert lively.process.returncode == 0
    assert 'Traceback' not in lively.log.read_text()


@pytest.mark.slow
def test_a_stream_keeps_its_rate_beside_inference_and_large_images(
    world: Any, tmp_path: Path
) -> None:
    """Prints how late the thread was: ``python -m pytest test/nodes/test_commands.py -rP``."""
    lively = LiveWorld(
        world,
        lively_bundle(tmp_path / 'b', SPECS['sarnn'], liveliness=0.2),
        command_type='float64_multi_array',
        command_rate=500.0,
        log=tmp_path / 'log',
        picture=(480, 640),
        image_reliability='reliable',  # 900 KiB: more than the middleware's shared memory
    )
    arrays = world.robot().listen(DiagnosticArray, '/diagnostics')
    values: dict[str, str] = {}

    def told() -> bool:
        while not arrays.empty():
            for status in arrays.get().status:
                if status.name.endswith('command'):
                    values.update({entry.key: entry.value for entry in status.values})
        return int(values.get('messages sent', 0)) > 4000

    try:
        lively.arm.engage()
        until(told, 'four thousand commands')
    finally:
        lively.end()
    missed, sent = int(values['periods missed']), int(values['messages sent'])
    print(f'500 Hz: {values}')
    assert float(values['lateness p50 (ms)']) < 2.0
    assert missed < sent
    lively.observer.check()
