# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Clocks of machines laid out as the kernel does, and of this one."""

from __future__ import annotations

from pathlib import Path

import pytest

from eipl_trt_ros.evaluation.clocks import mode_of, read_clocks


def make_cpu(root: Path, governor: str, low: int, high: int) -> None:
    for core in range(2):
        policy = root / f'sys/devices/system/cpu/cpu{core}/cpufreq'
        policy.mkdir(parents=True)
        (policy / 'scaling_governor').write_text(f'{governor}\n')
        (policy / 'scaling_min_freq').write_text(f'{low}\n')
        (policy / 'scaling_max_freq').write_text(f'{high}\n')


def make_gpu(root: Path, low: int, now: int, high: int) -> None:
    device = root / 'sys/class/devfreq/17000000.gpu'
    device.mkdir(parents=True)
    for name, value in (('min', low), ('cur', now), ('max', high)):
        (device / f'{name}_freq').write_text(f'{value}\n')


def test_clocks_that_follow_the_load_are_warned_of(tmp_path: Path) -> None:
    make_cpu(tmp_path, 'schedutil', 729600, 1510400)
    make_gpu(tmp_path, 306000000, 306000000, 624750000)
    clocks = read_clocks(tmp_path)
    assert clocks.facts['CPU governor'] == 'schedutil'
    assert clocks.facts['CPU clock limits'] == '730 MHz to 1510 MHz'
    assert clocks.facts['GPU clock (17000000.gpu)'] == '306 MHz, limits 306 MHz to 625 MHz'
    governor, gpu = clocks.warnings
    assert governor.startswith('CPU governor schedutil')
    assert 'sudo jetson_clocks' in gpu


@pytest.mark.parametrize(('governor', 'low'), [('performance', 729600), ('schedutil', 1510400)])
def test_fixed_clocks_are_no_matter(tmp_path: Path, governor: str, low: int) -> None:
    make_cpu(tmp_path, governor, low, 1510400)
    make_gpu(tmp_path, 624750000, 624750000, 624750000)
    assert read_clocks(tmp_path).warnings == ()


def test_a_machine_that_tells_nothing_is_not_guessed_about(tmp_path: Path) -> None:
    clocks = read_clocks(tmp_path)
    assert clocks.facts == {'CPU governor': 'not told by this machine'}
    assert clocks.warnings == ()


def test_this_machine_can_be_read() -> None:
    facts = read_clocks().facts
    assert 'CPU governor' in facts
    assert 'cores' in facts['Load (1 min)']


@pytest.mark.parametrize(
    ('answer', 'mode'),
    [
        ('NV Power Mode: MAXN\n0\n', 'MAXN'),
        ('NVPM WARN: fan mode is not set!\nNV Power Mode: 15W\n1\n', '15W'),
        ('something else\n', 'something else'),
        ('', 'unknown'),
    ],
)
def test_the_power_mode_is_read_from_what_nvpmodel_prints(answer: str, mode: str) -> None:
    assert mode_of(answer) == mode
