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
NEWEST = VERSIONS[-1]
# the client's socket is where the service of a board has it; the test's is elsewhere
_RUN = """
import sys
import jtop.service
jtop.service.JTOP_PIPE = sys.argv.pop(1)
from eipl_trt_ros.nodes.power_node import main
sys.exit(main(sys.argv))
"""


NONSENSE = {-7_000: '-7000 mW', 0: '0 mW', 65_535_000: 'more than the plausible 200 W'}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / 'jtop.sock'


class Board:
    """The power node in a process with a real jtop, and what it publishes."""

    def __init__(self, world: Any, path: Path, version: str) -> None:
        command = [sys.executable, '-c', _RUN, str(path), '--ros-args']
        for setting in ('source:=jtop', 'interval:=0.1', 'warm_up:=0.0', 'window:=0.5'):
            command += ['-p', setting]
        command += ['-r', f'__ns:={world.namespace}']
        inherited = environment(version) | {'ROS_DOMAIN_ID': str(world.domain)}
        robot = world.robot()
        self.process = subprocess.Popen(command, env=inherited, stderr=subprocess.PIPE, text=True)
        self._publisher = robot.create_publisher(Int64MultiArray, 'predictor/frame_timing', 100)
        prefix = f'{world.namespace}/power'
        self._name = f'{prefix[1:]}: power'
        self._energies = robot.listen(DiagnosticArray, f'{prefix}/frame_energy')
        self._summaries = robot.listen(DiagnosticArray, '/diagnostics')
        until(self._publisher.get_subscription_count, 'the power node')

    def run_frame(self) -> None:
        """Tell of a frame that has just ended, of 20 ms, 16 of them in steps 1 to 5."""
        started = time.monotonic_ns() - 20 * MS
        values = dict.fromkeys(FIELDS, 0) | {'infer': 16 * MS}
        values |= {'started': started, 'finished': started + 20 * MS}
        self._publisher.publish(encode(FrameTiming(**values)))

    def next_energy(self) -> DiagnosticStatus:
        """Tell of frames until one comes back with its energy."""
        self.forget_energies()
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            self.run_frame()
            try:
                (status,) = self._energies.get(timeout=0.1).status
            except queue.Empty:
                continue
            return status
        pytest.fail('no frame got an energy')

    def forget_energies(self) -> None:
        while not self._energies.empty():
            self._energies.get()

    def gives_no_energy(self) -> bool:
        """Tell of frames for a while; whether none comes back."""
        self.forget_energies()
        for _ in range(10):
            self.run_frame()
            time.sleep(0.05)
        return self._energies.empty()

    def until_status(self, level: bytes, text: str = '') -> DiagnosticStatus:
        deadline = time.monotonic() + PATIENCE
        last = None
        while time.monotonic() < deadline:
            for last in self._summaries.get(timeout=PATIENCE).status:
                # other tests' nodes may be on the topic, too
                if last.name != self._name:
                    continue
                if last.level == level and text in last.message:
                    return last
        pytest.fail(f'no summary of level {level!r} with {text!r}; the last one was {last}')

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)
        _, errors = self.process.communicate(timeout=20)
        assert self.process.returncode == 0, errors
        assert 'Traceback' not in errors

    def __enter__(self) -> Board:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


@pytest.mark.parametrize('version', VERSIONS)
def test_energy_follows_the_service_through_its_death_and_return(world, path: Path, version: str):
    with Board(world, path, version) as board:
        board.until_status(DiagnosticStatus.ERROR, 'there is no jtop.service')
        for milliwatts in (7_219, 6_350):
            with Service(path, version) as service:
                service.tell(power=power_of(milliwatts, VDD_SOC=1_500), mode='7W')
                board.until_status(DiagnosticStatus.OK)
                status = board.next_energy()
                values = {entry.key: entry.value for entry in status.values}
                energy = float(values['energy of this frame (mJ)'])
                assert energy == pytest.approx(milliwatts * 0.02, rel=1e-3)
                paper = float(values['energy per frame, paper (mJ)'])
                assert paper == pytest.approx(milliwatts * 0.016, rel=1e-3)
                assert values['power of VDD_SOC (mW)'] == '1500'
                assert values['power mode'] == '7W'
                assert status.hardware_id == 'board input VDD_IN'
            board.until_status(DiagnosticStatus.ERROR, 'sudo systemctl')
            assert board.gives_no_energy()
            path.unlink()
        board.stop()


def test_nonsense_and_silence_of_the_service_give_no_energy(world, path: Path):
    with Board(world, path, NEWEST) as board, Service(path, NEWEST) as service:
        service.tell(power=power_of(7_219))
        board.until_status(DiagnosticStatus.OK)
        for milliwatts, text in NONSENSE.items():
            service.tell(power=power_of(milliwatts))
            status = board.until_status(DiagnosticStatus.ERROR, text)
            assert 'check the sensor and maximum_power' in status.message
            assert board.gives_no_energy()
        service.tell(power=power_of(7_219))
        board.next_energy()
        service.tell(silent=True)
        board.until_status(DiagnosticStatus.ERROR, 'is there and sends no samples')
        assert board.gives_no_energy()
        board.stop()


def test_a_service_of_another_version_is_an_error_with_its_remedy(world, path: Path):
    with Board(world, path, NEWEST) as board, Service(path, '7.1.0', client=NEWEST):
        status = board.until_status(DiagnosticStatus.ERROR, 'is of another version')
        assert 'install the same version on both sides' in status.message
        board.stop()
