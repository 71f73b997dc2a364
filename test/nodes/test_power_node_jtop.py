# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The whole power node with the real client of jtop, through the death of its service."""

from __future__ import annotations

import queue
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from jtop_world import VERSIONS, Service, environment, power_of
from ros_world import PATIENCE, until
from std_msgs.msg import Int64MultiArray

from eipl_trt_ros.nodes.frame_timing import FIELDS, FrameTiming, encode

MS = 1_000_000
VERSION = VERSIONS[-1]
# the client's socket is where the service of a board has it; the test's is elsewhere
_RUN = """
import sys
import jtop.service
jtop.service.JTOP_PIPE = sys.argv.pop(1)
from eipl_trt_ros.nodes.power_node import main
sys.exit(main(sys.argv))
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / 'jtop.sock'


def next_energy(publisher: Any, inbox: queue.Queue[Any]) -> DiagnosticStatus:
    """Tell of frames until one comes back with its energy."""
    while not inbox.empty():
        inbox.get()
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        started = time.monotonic_ns() - 20 * MS
        values = dict.fromkeys(FIELDS, 0) | {'infer': 16 * MS}
        values |= {'started': started, 'finished': started + 20 * MS}
        publisher.publish(encode(FrameTiming(**values)))
        try:
            (status,) = inbox.get(timeout=0.1).status
        except queue.Empty:
            continue
        return status
    pytest.fail('no frame got an energy')


def test_energy_follows_the_service_through_its_death_and_return(world, path: Path):
    command = [sys.executable, '-c', _RUN, str(path), '--ros-args']
    for setting in ('source:=jtop', 'interval:=0.1', 'warm_up:=0.0', 'window:=0.5'):
        command += ['-p', setting]
    command += ['-r', f'__ns:={world.namespace}']
    inherited = environment(VERSION)
    inherited |= {'ROS_DOMAIN_ID': str(world.domain)}
    robot = world.robot()
    publisher = robot.create_publisher(Int64MultiArray, 'predictor/frame_timing', 100)
    with subprocess.Popen(command, env=inherited, stderr=subprocess.PIPE, text=True) as process:
        try:
            energies = robot.listen(DiagnosticArray, f'{world.namespace}/power/frame_energy')
            summaries = robot.listen(DiagnosticArray, '/diagnostics')
            until(publisher.get_subscription_count, 'the power node')

            def until_level(level: bytes) -> DiagnosticStatus:
                deadline = time.monotonic() + PATIENCE
                while time.monotonic() < deadline:
                    (status,) = summaries.get(timeout=PATIENCE).status
                    if status.level == level:
                        return status
                pytest.fail(f'no summary of level {level!r}')

            assert 'there is no jtop.service' in until_level(DiagnosticStatus.ERROR).message
            for milliwatts in (7_219, 6_350):
                with Service(path, VERSION) as service:
                    service.tell(power=power_of(milliwatts, VDD_SOC=1_500), mode='7W')
                    until_level(DiagnosticStatus.OK)
                    status = next_energy(publisher, energies)
                    values = {entry.key: entry.value for entry in status.values}
                    energy = float(values['energy of this frame (mJ)'])
                    assert energy == pytest.approx(milliwatts * 0.02, rel=1e-3)
                    paper = float(values['energy per frame, paper (mJ)'])
                    assert paper == pytest.approx(milliwatts * 0.016, rel=1e-3)
                    assert values['power of VDD_SOC (mW)'] == '1500'
                    assert values['power mode'] == '7W'
                    assert status.hardware_id == 'board input VDD_IN'
                assert 'sudo systemctl' in until_level(DiagnosticStatus.ERROR).message
                path.unlink()
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=20)
        finally:
            process.kill()
    assert process.returncode == 0, errors
    assert 'Traceback' not in errors
