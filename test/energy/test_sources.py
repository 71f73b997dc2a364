# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Sources that need no service: sensors in a tree of files, recordings, NVML's absence, auto."""

from __future__ import annotations

import importlib.util
import sys
import time
from pathlib import Path

import pytest

from eipl_trt_ros.energy.sources import (
    AutoSource,
    Backoff,
    Ina3221Source,
    NvmlSource,
    RecordedSource,
    SourceState,
    make_source,
)
from eipl_trt_ros.errors import EnergyError, MissingPackageError


def make_sensor(root: Path, address: str, *channels: tuple[str, int, int], name='ina3221') -> Path:
    """Lay out a sensor as the kernel does; channels are label, mV and mA."""
    device = root / 'sys/bus/i2c/devices' / address
    hwmon = device / 'hwmon' / f'hwmon{len(list(root.rglob("hwmon?")))}'
    hwmon.mkdir(parents=True)
    (device / 'name').write_text(f'{name}\n')
    for number, (label, millivolts, milliamperes) in enumerate(channels, start=1):
        (hwmon / f'in{number}_label').write_text(f'{label}\n')
        (hwmon / f'in{number}_input').write_text(f'{millivolts}\n')
        (hwmon / f'curr{number}_input').write_text(f'{milliamperes}\n')
    (hwmon / 'in7_label').write_text('sum of shunt voltages\n')
    (hwmon / 'samples').write_text('4\n')
    (hwmon / 'update_interval').write_text('7\n')
    return hwmon


def orin_nano(root: Path) -> Path:
    return make_sensor(
        root,
        '1-0040',
        ('VDD_IN', 5040, 1433),
        ('VDD_CPU_GPU_CV', 5040, 476),
        ('VDD_SOC', 5040, 290),
    )


def test_a_sensor_is_read_by_its_labels(tmp_path):
    make_sensor(tmp_path, '0-0050', ('battery', 1, 1), name='bq40z50')
    hwmon = orin_nano(tmp_path)
    source = Ina3221Source(0.1, tmp_path)
    source.open()
    before = time.monotonic_ns()
    (sample,) = source.read()
    assert before <= sample.stamp_ns <= time.monotonic_ns()
    assert sample.total_mw == pytest.approx(5040 * 1433 / 1000)
    assert sample.rails_mw == pytest.approx(
        {'VDD_CPU_GPU_CV': 5040 * 476 / 1000, 'VDD_SOC': 5040 * 290 / 1000}
    )
    assert source.info.scope == 'board input VDD_IN'
    assert source.info.settings == {
        f'{hwmon.name} samples': '4',
        f'{hwmon.name} update_interval': '7',
    }
    assert source.status.state is SourceState.READY


def test_without_an_input_rail_the_rails_of_all_sensors_are_added_up_and_said_to_be(tmp_path):
    make_sensor(tmp_path, '1-0040', ('VDD_GPU_SOC', 10_000, 100), ('NC', 1, 1), ('CPU', 9000, 100))
    make_sensor(tmp_path, '1-0041', ('VIN_SYS_5V0', 5000, 1000))
    source = Ina3221Source(0.1, tmp_path)
    source.open()
    (sample,) = source.read()
    assert sample.total_mw == 1000 + 900 + 5000
    assert sample.rails_mw == {'VDD_GPU_SOC': 1000, 'CPU': 900, 'VIN_SYS_5V0': 5000}
    assert source.info.total == 'sum of the rails'


def test_temperatures_come_along_and_zones_that_are_off_do_not(tmp_path):
    orin_nano(tmp_path)
    for number, (name, text) in enumerate([('cpu-thermal', '48500\n'), ('gpu-thermal', '')]):
        zone = tmp_path / f'sys/class/thermal/thermal_zone{number}'
        zone.mkdir(parents=True)
        (zone / 'type').write_text(f'{name}\n')
        (zone / 'temp').write_text(text)
    source = Ina3221Source(0.1, tmp_path)
    source.open()
    (sample,) = source.read()
    assert sample.temperatures_c == {'cpu': 48.5}


@pytest.mark.parametrize('broken', ['missing', 'garbage'])
def test_a_sensor_that_breaks_gives_no_sample_and_is_found_again(tmp_path, broken):
    hwmon = orin_nano(tmp_path)
    source = Ina3221Source(0.1, tmp_path, Backoff(0.01, 0.01))
    source.open()
    assert len(source.read()) == 1
    current = hwmon / 'curr1_input'
    if broken == 'missing':
        current.unlink()
        (hwmon / 'in2_input').unlink()
    else:
        current.write_text('busy\n')
    assert source.read() == []
    assert source.status.state is SourceState.FAILED
    assert 'an INA3221 cannot be read' in str(source.status)
    (hwmon / 'in2_input').write_text('5000\n')
    current.write_text('1000\n')
    time.sleep(0.02)
    (sample,) = source.read()
    assert sample.total_mw == 5040
    assert source.status.state is SourceState.READY


def test_waits_grow_with_each_failure_up_to_a_limit_and_begin_anew_after_a_success():
    backoff = Backoff(1.0, 30.0)
    assert [backoff.next() for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]
    backoff.reset()
    assert backoff.next() == 1


def test_a_machine_without_a_sensor_says_so(tmp_path):
    source = Ina3221Source(0.1, tmp_path)
    source.open()
    assert source.read() == []
    assert 'no INA3221 power sensor; on a Jetson' in str(source.status)


def test_nvml_that_is_not_installed_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, 'pynvml', None)
    with pytest.raises(MissingPackageError, match='pip install nvidia-ml-py'):
        NvmlSource(0.1).open()


@pytest.mark.skipif(
    importlib.util.find_spec('pynvml') is None, reason='nvidia-ml-py is not installed'
)
def test_nvml_reads_a_gpu_or_says_why_it_cannot():
    source = NvmlSource(0.1, backoff=Backoff(60, 60))
    source.open()
    samples = source.read()
    source.close()
    source.close()
    if source.status.state is SourceState.FAILED:
        assert samples == []
        assert 'NVML cannot reach GPU 0: ' in str(source.status)
        assert 'nvidia-smi' in str(source.status)
    else:
        (sample,) = samples
        assert sample.total_mw or sample.energy_mj


def test_jtop_that_is_not_installed_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, 'jtop', None)
    with pytest.raises(MissingPackageError, match='jetson-stats'):
        make_source('jtop', interval_s=0.1).open()


def test_auto_finds_the_sensor_as_soon_as_it_is_there(tmp_path):
    source = make_source('auto', interval_s=0.1, root=tmp_path)
    assert isinstance(source, AutoSource)
    source._backoff = Backoff(0.01, 0.01)
    source.open()
    assert source.read() == []
    assert source.info.name == 'auto'
    assert 'this machine tells no power' in str(source.status)
    orin_nano(tmp_path)
    time.sleep(0.02)
    assert len(source.read()) == 1
    assert source.info.name == 'ina3221'
    assert source.status.state is SourceState.READY
    source.close()


def test_a_recording_is_played_in_real_time_and_then_ends(tmp_path):
    path = tmp_path / 'power.csv'
    path.write_text(
        'time_s,total_mw,energy_mj,rail:SOC,temperature:cpu\n'
        '100.0,5000,,1000,40\n100.05,6000,,,\n100.10,7000,3.5,1200,\n'
    )
    source = make_source('recorded', interval_s=9.0, recording=str(path))
    assert isinstance(source, RecordedSource)
    assert source.info.interval_s == pytest.approx(0.05)
    source.open()
    begin = time.monotonic_ns()
    samples = list(source.read())
    assert len(samples) == 1
    while source.status.state is SourceState.READY:
        samples += source.read()
        time.sleep(0.005)
    assert [sample.total_mw for sample in samples] == [5000, 6000, 7000]
    assert [dict(sample.rails_mw) for sample in samples] == [{'SOC': 1000}, {}, {'SOC': 1200}]
    assert [sample.energy_mj for sample in samples] == [None, None, 3.5]
    assert samples[0].temperatures_c == {'cpu': 40}
    assert samples[2].stamp_ns - samples[0].stamp_ns == pytest.approx(0.1e9)
    assert samples[0].stamp_ns <= begin
    assert 'has ended' in str(source.status)
    assert source.read() == []


def test_a_recording_that_is_not_there_or_not_named_is_refused(tmp_path):
    with pytest.raises(EnergyError, match='cannot be read'):
        make_source('recorded', interval_s=1.0, recording=str(tmp_path / 'no.csv'))
    with pytest.raises(EnergyError, match="set the parameter 'recording'"):
        make_source('recorded', interval_s=1.0)
    with pytest.raises(EnergyError, match='expected one of auto, jtop'):
        make_source('sun', interval_s=1.0)
