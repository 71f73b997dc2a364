# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Our source with the real, unmodified client of jtop, against a service with our values."""

from __future__ import annotations

import signal
import socket
import time
from pathlib import Path
from typing import Any

import pytest
from jtop_world import VERSIONS, Reader, Service, power_of

with_every_version = pytest.mark.parametrize('version', VERSIONS)
NEWEST = VERSIONS[-1]
OTHER = {'4.2.12': '4.2.11', '4.3.2': '4.2.12', '7.2.2': '7.1.0'}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / 'jtop.sock'


@with_every_version
def test_readings_arrive_as_they_are_served_under_their_own_stamps(path: Path, version: str):
    with Service(path, version) as service:
        rails = power_of(7219, VDD_CPU_GPU_CV=2400, VDD_SOC=1500)
        rails['rail']['USB'] = {'power': 900, 'online': False}
        heat = {'cpu': {'temp': 41.5, 'online': True}, 'tj': {'temp': -256, 'online': False}}
        service.tell(power=rails, temperature=heat, mode='7W')
        with Reader(path, version) as reader:
            sample = reader.until_total(7219)
            assert sample['rails_mw'] == {'VDD_CPU_GPU_CV': 2400, 'VDD_SOC': 1500}
            assert sample['temperatures_c'] == {'cpu': 41.5}
            assert sample['power_mode'] == '7W'
            info = reader.until(state='ready')['info']
            assert info['version'] == version
            assert info['scope'] == 'board input VDD_IN'
            assert info['interval_s'] == pytest.approx(0.1)
            service.tell(power=power_of(12_000))
            told = time.monotonic_ns()
            samples = [reader.until_total(12_000) for _ in range(5)]
    stamps = [sample['stamp_ns'] for sample in samples]
    assert stamps == sorted(set(stamps))
    for sample in samples:  # 10 ms is what the kernel's uptime resolves
        assert told - 20_000_000 < sample['stamp_ns'] < sample['read_ns'] + 20_000_000


@with_every_version
def test_a_service_that_falls_silent_is_told_from_one_that_repeats(path: Path, version: str):
    with Service(path, version) as service, Reader(path, version) as reader:
        service.tell(power=power_of(5000))
        reader.until_total(5000)
        service.tell(silent=True)
        failed = reader.until(state='failed')
        assert 'is there and sends no samples; sudo systemctl restart' in failed['text']
        assert reader.lines.empty()
        service.tell(silent=False, power=power_of(6000))
        reader.until_total(6000)


def test_a_service_that_hangs_is_not_waited_for_in_vain(path: Path):
    with Service(path, NEWEST) as service, Reader(path, NEWEST) as reader:
        service.tell(power=power_of(5000))
        reader.until_total(5000)
        service.process.send_signal(signal.SIGSTOP)
        assert 'sends no samples' in reader.until(state='failed')['text']
        service.process.send_signal(signal.SIGCONT)
        service.tell(power=power_of(6000))
        reader.until_total(6000)


@with_every_version
def test_a_service_that_restarts_is_found_again(path: Path, version: str):
    with Reader(path, version) as reader:
        absent = reader.until(state='failed')
        assert 'there is no jtop.service: its socket does not exist' in absent['text']
        with Service(path, version) as service:
            service.tell(power=power_of(5000))
            reader.until_total(5000)
        killed = reader.until(state='failed')
        assert 'jtop.service' in killed['text']
        assert 'sudo systemctl' in killed['text']
        path.unlink()
        with Service(path, version) as service:
            service.tell(power=power_of(7000))
            reader.until_total(7000)


@with_every_version
def test_a_service_of_another_version_is_named_with_its_remedy(path: Path, version: str):
    with Service(path, OTHER[version], client=version), Reader(path, version) as reader:
        failed = reader.until(state='failed')
        assert 'is of another version than the jetson-stats' in failed['text']
        assert version in failed['text']
        assert OTHER[version] in failed['text']


@with_every_version
def test_a_socket_that_nobody_serves_is_told(path: Path, version: str):
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(path))
    with Reader(path, version) as reader:
        assert 'jtop.service does not run' in reader.until(state='failed')['text']


@with_every_version
def test_a_socket_without_permission_is_told(path: Path, version: str):
    with Service(path, version):
        path.chmod(0)
        with Reader(path, version, 'nobody') as reader:
            failed = reader.until(state='failed')
    assert 'no permission to talk to jtop.service; sudo usermod -aG jtop' in failed['text']


@pytest.mark.parametrize(
    ('power', 'reason'),
    [
        ({}, 'knows no power sensor'),
        (power_of('much'), 'cannot be read'),
        ({'rail': 5, 'tot': {'power': 5}}, 'cannot be read'),
    ],
)
def test_a_service_without_power_is_told(path: Path, power: Any, reason: str):
    with Service(path, NEWEST) as service, Reader(path, NEWEST) as reader:
        service.tell(power=power)
        while reason not in (text := reader.until(state='failed')['text']):
            assert 'knows no power sensor' in text  # until it is told
        service.tell(power=power_of(4321, name=None))
        reader.until_total(4321)
        assert reader.until(state='ready')['info']['total'] == 'sum of the rails'
