# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Many frames through the real node, in lockstep: nothing is dropped and memory does not grow."""

from __future__ import annotations

import gc
import os
import queue
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from builders import make_pictures, write_random_bundle
from diagnostic_msgs.msg import DiagnosticArray
from ros_world import image_message, until
from sensor_msgs.msg import JointState

from eipl_trt_ros.nodes.conversion import nanoseconds
from eipl_trt_ros.spec import ModelSpec

FRAMES = 10_000
WARM_UP = 2_000
PERIOD = 100_000_000
START = 1_700_000_000 * 10**9
SMALL = ModelSpec('sarnn', 16, 16, 8, 8, k_dim=2, temperature=1e-2, heatmap_size=0.1)


def resident(process: psutil.Process) -> int:
    return process.memory_info().rss


def run_frames(robot: Any, inbox: queue.Queue[JointState], begin: int, end: int) -> None:
    """Send frames one by one, each after the answer to the one before."""
    picture = image_message(make_pictures(1, 16, 16)[0])
    names = [f'joint{i}' for i in range(1, 8)]
    for index in range(begin, end):
        stamp = START + index * PERIOD
        robot.send_joints(stamp, names, (0.1 * np.sin(0.01 * index + np.arange(7))).tolist())
        robot.send_image(stamp, picture)
        assert nanoseconds(inbox.get(timeout=20).header.stamp) == stamp


@pytest.mark.slow
def test_ten_thousand_frames_leave_memory_as_it_was_and_drop_nothing(world, tmp_path: Path):
    bundle = write_random_bundle(tmp_path / 'small', SMALL)
    command = [sys.executable, '-m', 'eipl_trt_ros.nodes.predictor_node', '--ros-args']
    command += ['-p', 'autostart:=true', '-p', f'bundle:={bundle.path}', '-p', 'slop:=0.01']
    command += ['-p', 'joint_wait:=1.0']  # the image may overtake its joints on the way
    command += ['-r', f'__ns:={world.namespace}', '--log-level', 'warn']
    environment = {**os.environ, 'ROS_DOMAIN_ID': str(world.domain)}
    robot = world.robot()
    with subprocess.Popen(command, env=environment) as node:
        try:
            inbox = robot.listen(JointState, 'predicted_joints')
            diagnostics = robot.listen(DiagnosticArray, '/diagnostics')
            robot.meet(settle=1.0)
            process = psutil.Process(node.pid)
            begin = time.monotonic()
            run_frames(robot, inbox, 0, WARM_UP)
            before = resident(process)
            run_frames(robot, inbox, WARM_UP, FRAMES)
            gc.collect()
            assert resident(process) - before < 2e6
            seconds = time.monotonic() - begin
            values: dict[str, str] = {}
            until(lambda: values_of(diagnostics, values)['frames'] == str(FRAMES))
        finally:
            node.terminate()
    dropped = {k: int(v) for k, v in values.items() if k.startswith('dropped')}
    assert sum(dropped.values()) == 0
    assert values['missed ticks'] == '0'
    assert values['frames failed'] == '0'
    print(f'{FRAMES / seconds:.0f} frames a second')


def values_of(inbox: queue.Queue[DiagnosticArray], values: dict[str, str]) -> dict[str, str]:
    """Update with the newest report."""
    for status in inbox.get(timeout=20).status:
        values.update({entry.key: entry.value for entry in status.values})
    values.setdefault('frames', '0')
    return values
