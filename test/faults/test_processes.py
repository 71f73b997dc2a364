# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Processes that are killed and started again, clocks that jump, settings changed while active."""

from __future__ import annotations

import contextlib
import copy
import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from live_arm import TIMES, LiveWorld
from rclpy.parameter import Parameter
from ros_world import until
from rosgraph_msgs.msg import Clock

from eipl_trt_ros.nodes.conversion import nanoseconds, set_stamp

SLACK = 1.0  # seconds that a loaded machine may take in addition


@contextlib.contextmanager
def arm_process(lively: LiveWorld, world: Any, what: str) -> Iterator[Any]:
    """Let a process be the camera, or the joints too; yields a function that starts it anew."""
    lively.arm.camera = False
    lively.arm.joints = what == 'camera'
    running: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        place = ','.join(map(str, lively.arm.position))
        command = [sys.executable, str(Path(__file__).with_name('arm_process.py'))]
        environment = {**os.environ, 'ROS_DOMAIN_ID': str(world.domain)}
        command += [world.namespace, place, what]
        running.append(subprocess.Popen(command, env=environment))
        return running[-1]

    try:
        yield start
    finally:
        for process in running:
            process.kill()
            process.wait()


@pytest.mark.parametrize('what', ['camera', 'camera and joints'])
def test_an_input_process_that_is_killed_and_started_again(
    live: Any, world: Any, row: Any, what: str
) -> None:
    lively = live(command_type='float64_multi_array')
    with arm_process(lively, world, what) as start:
        process = start()
        lively.drive()
        begin, place = time.monotonic(), lively.observer.commands[-1].positions[0]
        process.send_signal(signal.SIGKILL)
        lively.wait_for('holding')
        held, reason = time.monotonic() - begin, lively.observer.state
        lively.wait_for('stopped')
        stopped = time.monotonic() - begin
        assert held <= max(TIMES.values()) + SLACK
        assert stopped <= held + TIMES['hold_time'] + SLACK
        sent = len(lively.observer.commands)
        last = lively.observer.commands[-1].positions[0]
        lively.arm.place(last)
        seen = len(lively.observer.heard.images)
        start()
        until(lambda: len(lively.observer.heard.images) > seen + 20, 'images')
        assert len(lively.observer.commands) == sent
        lively.drive()
    row(
        f'process of {what} killed (SIGKILL) and started again',
        held=held,
        silent=stopped,
        moved=float(np.abs(last - place).max()),
        said=f'`{reason}`',
        then='waits for engage',
    )


@pytest.mark.parametrize('command_type', ['joint_trajectory', 'float64_multi_array'])
def test_a_predictor_that_is_killed_in_mid_frame_sends_nothing_more_and_comes_back_disengaged(
    live: Any, row: Any, tmp_path: Path, command_type: str
) -> None:
    program = (str(Path(__file__).with_name('lingering_predictor.py')),)
    lively = live(log=tmp_path / 'log', program=program, command_type=command_type)

    def frames(what: str) -> int:
        return lively.log.read_text().count(f'a frame {what}')

    lively.engage()
    time.sleep(0.5)
    begun = frames('begins')
    until(lambda: frames('begins') > begun, 'the next frame')
    lively.process.send_signal(signal.SIGKILL)
    killed = time.monotonic()
    place = lively.arm.position.copy()
    lively.process.wait(20)
    assert frames('begins') == frames('ends') + 1  # it was in the middle of one
    time.sleep(0.5)
    sent = len(lively.observer.commands)
    silent = lively.observer.commands[-1].time - killed
    assert silent < SLACK
    if command_type == 'joint_trajectory':  # the way in flight ends at rest by itself
        assert not lively.observer.commands[-1].velocities[-1].any()
    moved = float(np.abs(lively.arm.position - place).max())
    lively.respawn()
    lively.wait_for_a_new('disengaged')
    time.sleep(1.0)
    assert len(lively.observer.commands) == sent
    lively.drive(5)
    trajectory = command_type == 'joint_trajectory'
    row(
        f'predictor killed (SIGKILL) in mid-frame and respawned, {command_type}',
        held='the way in flight ends at rest' if trajectory else 'stays at the last command',
        silent='at once' if silent <= 0 else silent,
        moved=moved,
        said='nothing',
        then='comes back disengaged, waits for engage',
    )


@pytest.mark.parametrize('number', [signal.SIGKILL, signal.SIGSTOP])
def test_a_power_node_that_dies_does_not_touch_the_arm(
    live: Any, world: Any, row: Any, tmp_path: Path, number: signal.Signals
) -> None:
    lively = live()
    recording = tmp_path / 'power.csv'
    rows = [f'{0.05 * i:.2f},5000' for i in range(2000)]
    recording.write_text('\n'.join(['time_s,total_mw', *rows]) + '\n')
    command = [sys.executable, '-m', 'eipl_trt_ros.nodes.power_node', '--ros-args']
    command += ['-r', f'__ns:={world.namespace}', '-p', 'source:=recorded']
    command += ['-p', f'recording:={recording}', '-p', 'warm_up:=0.0']
    environment = {**os.environ, 'ROS_DOMAIN_ID': str(world.domain)}
    timing = f'{world.namespace}/predictor/frame_timing'
    with subprocess.Popen(command, env=environment) as first:
        try:
            until(lambda: lively.arm.count_subscribers(timing), 'the power node')
            lively.engage()
            time.sleep(0.5)
            begin = len(lively.observer.heard.states), len(lively.observer.commands)
            first.send_signal(number)
            time.sleep(1.5)
        finally:
            first.kill()
    assert len(lively.observer.heard.states) == begin[0]
    assert lively.observer.state == 'driving'
    until(lambda: len(lively.observer.commands) > begin[1] + 5, 'commands')
    with subprocess.Popen(command, env=environment) as second:
        try:
            robot = world.robot()
            energies = robot.listen(DiagnosticArray, f'{world.namespace}/power/frame_energy')
            assert energies.get(timeout=20).status
        finally:
            second.kill()
    row(
        f'power node gets {number.name}',
        held='drives on',
        said='nothing',
        then='started again, it tells of energy again',
    )


class Time(threading.Thread):
    """Publishes /clock at 100 Hz, with an offset that can be changed."""

    def __init__(self, node: Any) -> None:
        super().__init__(daemon=True)
        self.offset_ns = 0
        self.ending = False
        self._publisher = node.create_publisher(Clock, '/clock', 10)
        self.start()

    def end(self) -> None:
        self.ending = True
        self.join()

    def run(self) -> None:
        message = Clock()
        while not self.ending:
            set_stamp(message.clock, time.time_ns() + self.offset_ns)
            self._publisher.publish(message)
            time.sleep(0.01)


@pytest.mark.parametrize('seconds', [-30, 30])
def test_a_simulated_clock_that_jumps_makes_the_arm_hold(
    live: Any, world: Any, row: Any, seconds: int
) -> None:
    lively = live(use_sim_time=True)
    clock = Time(world.robot())
    try:
        lively.engage()
        time.sleep(0.5)
        begin, place = time.monotonic(), lively.arm.position.copy()
        clock.offset_ns = seconds * 10**9  # stamps do not jump with it: they are too old, or new
        lively.wait_for('holding')
        held, reason = time.monotonic() - begin, lively.observer.state
        assert 'old image' in reason
        lively.wait_for('stopped')
        stopped = time.monotonic() - begin
        moved = float(np.abs(lively.arm.position - place).max())
        clock.offset_ns = 0
        time.sleep(0.5)
        lively.engage()
    finally:
        clock.end()
    row(
        f'use_sim_time: the clock alone jumps 30 s {way(seconds)}',
        held=held,
        silent=stopped,
        moved=moved,
        said=f'`{reason}`',
        then='waits for engage',
    )


@pytest.mark.parametrize('seconds', [-30, 30])
def test_a_simulated_world_that_jumps_makes_the_arm_hold_until_the_state_is_fresh(
    live: Any, world: Any, row: Any, seconds: int
) -> None:
    lively = live(use_sim_time=True)
    clock = Time(world.robot())

    def shift(message: Any) -> Any:
        moved = copy.deepcopy(message)
        set_stamp(moved.header.stamp, nanoseconds(message.header.stamp) + clock.offset_ns)
        return moved

    lively.arm.change_image = lively.arm.change_joints = shift
    try:
        lively.engage()
        time.sleep(0.5)
        begin, place = time.monotonic(), lively.arm.position.copy()
        clock.offset_ns = seconds * 10**9  # a simulation that begins anew, a bag that is looped
        lively.wait_for('holding')
        held, reason = time.monotonic() - begin, lively.observer.state
        moved = float(np.abs(lively.arm.position - place).max())
        lively.wait_for('driving')
        until(lambda: lively.node._configured.predictor.frame < 15, 'a fresh state')
    finally:
        clock.end()
    row(
        f'use_sim_time: clock and stamps jump 30 s {way(seconds)}',
        held=held,
        moved=moved,
        said=f'`{reason}`; the state is reset',
        then='drives on by itself',
    )


def way(seconds: int) -> str:
    return 'back' if seconds < 0 else 'ahead'


def test_a_node_that_is_told_to_use_a_clock_that_is_not_there_holds(
    live: Any, world: Any, row: Any
) -> None:
    lively = live()
    lively.engage()

    def simulate(on: bool) -> None:
        change = [Parameter('use_sim_time', value=on)]
        (result,) = world.run(lambda: lively.node.set_parameters(change))
        assert result.successful

    begin, place = time.monotonic(), lively.arm.position.copy()
    simulate(True)
    lively.wait_for('holding')
    held, reason = time.monotonic() - begin, lively.observer.state
    lively.wait_for('stopped')
    stopped = time.monotonic() - begin
    moved = float(np.abs(lively.arm.position - place).max())
    simulate(False)
    lively.engage()
    row(
        'use_sim_time is switched on, and there is no clock',
        held=held,
        silent=stopped,
        moved=moved,
        said=f'`{reason}`',
        then='waits for engage',
    )


@pytest.mark.slow
def test_a_hundred_reconfigurations_leave_nothing_behind_and_move_nothing(
    live: Any, world: Any, row: Any
) -> None:
    lively = live()
    node = lively.node
    process = psutil.Process()

    def cycle(count: int) -> None:
        for _ in range(count):
            for step in ('deactivate', 'cleanup', 'configure', 'activate'):
                assert getattr(node, f'trigger_{step}')().name == 'SUCCESS', node.failure

    world.run(lambda: cycle(10), patience=60)
    gc.collect()
    threads, files, memory = process.num_threads(), process.num_fds(), process.memory_info().rss
    for _ in range(10):
        world.run(lambda: cycle(10), patience=120)
    gc.collect()
    assert process.num_threads() <= threads
    assert process.num_fds() <= files
    grown = process.memory_info().rss - memory
    assert grown < 20e6
    assert not lively.observer.commands
    lively.engage()
    row(
        'reconfigured 100 times',
        held='was not engaged',
        silent='all the time',
        moved=0.0,
        said=f'threads and files as before, memory {grown / 1e6:+.1f} MB',
        then='can be engaged',
    )


def test_no_parameter_of_the_command_changes_while_the_arm_moves(
    live: Any, world: Any, row: Any
) -> None:
    lively = live()
    lively.engage()
    changes = {
        'max_jump': 5.0,
        'speed_scale': 0.5,
        'limits.joint1.upper': 9.0,
        'hold_time': 100.0,
        'command_rate': 500.0,
        'recovery': 'automatic',
        'bundle': '/elsewhere',
    }
    for name, value in changes.items():
        change = [Parameter(name, value=value)]
        (result,) = world.run(lambda change=change: lively.node.set_parameters(change))
        assert not result.successful
        assert 'deactivate, then cleanup' in result.reason
    assert lively.observer.state == 'driving'
    row(
        'parameters changed while active',
        held='drives on',
        said=f'refused: `{result.reason[:60]}...`',
    )
