# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Processes that are killed and started again, clocks that jump, settings changed while active."""

from __future__ import annotations

import contextlib
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

import psutil
import pytest
from live_arm import LiveWorld
from rclpy.parameter import Parameter
from ros_world import until
from rosgraph_msgs.msg import Clock

from eipl_trt_ros.nodes.conversion import set_stamp


@contextlib.contextmanager
def arm_process(lively: LiveWorld, world: Any) -> Iterator[Any]:
    """Let a process be the camera and the joints; yields a function that starts it anew."""
    lively.arm.camera = lively.arm.joints = False
    running: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        place = ','.join(map(str, lively.arm.position))
        command = [sys.executable, str(Path(__file__).with_name('arm_process.py'))]
        environment = {**os.environ, 'ROS_DOMAIN_ID': str(world.domain)}
        running.append(subprocess.Popen([*command, world.namespace, place], env=environment))
        return running[-1]

    try:
        yield start
    finally:
        for process in running:
            process.kill()
            process.wait()


def test_a_camera_and_joints_process_that_is_killed_and_started_again(
    live: Any, world: Any
) -> None:
    lively = live(command_type='float64_multi_array')
    with arm_process(lively, world) as start:
        process = start()
        lively.arm.engage()
        until(lambda: len(lively.observer.commands) > 50, 'commands')
        begin = time.monotonic()
        process.send_signal(signal.SIGKILL)
        lively.wait_for('stopped')
        print(f'killed: silent after {time.monotonic() - begin:.2f} s, {lively.observer.state}')
        sent = len(lively.observer.commands)
        lively.arm.place(lively.observer.commands[-1].positions[0])
        start()
        time.sleep(2.0)
        assert len(lively.observer.commands) == sent
        lively.arm.engage()
        until(lambda: len(lively.observer.commands) > sent + 50, 'commands')


@pytest.mark.parametrize('command_type', ['joint_trajectory', 'float64_multi_array'])
def test_a_predictor_that_is_killed_sends_nothing_more_and_comes_back_disengaged(
    live: Any, tmp_path: Path, command_type: str
) -> None:
    lively = live(log=tmp_path / 'log', command_type=command_type)
    lively.engage()
    time.sleep(0.5)
    lively.process.send_signal(signal.SIGKILL)
    lively.process.wait(20)
    time.sleep(0.5)
    sent = len(lively.observer.commands)
    if command_type == 'joint_trajectory':  # the way in flight ends at rest by itself
        assert not lively.observer.commands[-1].velocities[-1].any()
    lively.respawn()
    time.sleep(3.0)
    assert len(lively.observer.commands) == sent
    lively.arm.engage()
    until(lambda: len(lively.observer.commands) > sent + 5, 'commands')


class Time(threading.Thread):
    """Publishes /clock at 100 Hz, with an offset that can be changed."""

    def __init__(self, node: Any) -> None:
        super().__init__(daemon=True)
        self.offset_ns = 0
        self.ending = False
        self._publisher = node.create_publisher(Clock, '/clock', 10)
        self.start()

    def run(self) -> None:
        message = Clock()
        while not self.ending:
            set_stamp(message.clock, time.time_ns() + self.offset_ns)
            self._publisher.publish(message)
            time.sleep(0.01)


@pytest.mark.parametrize('seconds', [-30, 30])
def test_a_simulated_clock_that_jumps_makes_the_arm_hold(
    live: Any, world: Any, seconds: int
) -> None:
    lively = live(use_sim_time=True)
    clock = Time(world.robot())
    try:
        lively.engage()
        time.sleep(0.5)
        clock.offset_ns = seconds * 10**9  # stamps do not jump with it: they are too old, or new
        lively.wait_for('holding')
        assert 'old image' in lively.observer.state
        lively.wait_for('stopped')
        clock.offset_ns = 0
        time.sleep(0.5)
        lively.engage()
    finally:
        clock.ending = True
        clock.join()


@pytest.mark.slow
def test_a_hundred_reconfigurations_leave_nothing_behind_and_move_nothing(
    live: Any, world: Any
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
    print(f'grown by {grown / 1e6:.1f} MB')
    assert grown < 40e6
    assert not lively.observer.commands
    lively.engage()


def test_no_parameter_of_the_command_changes_while_the_arm_moves(live: Any, world: Any) -> None:
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
