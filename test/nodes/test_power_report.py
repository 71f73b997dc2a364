# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the power node's summary says of its source."""

from __future__ import annotations

import time
from pathlib import Path

from diagnostic_msgs.msg import DiagnosticStatus

from eipl_trt_ros.energy.idle import IdlePower
from eipl_trt_ros.energy.live import LiveMeter
from eipl_trt_ros.energy.plausibility import Plausibility
from eipl_trt_ros.energy.sources import Ina3221Source
from eipl_trt_ros.nodes.power_report import PowerDiagnostics


def test_how_a_sensor_averages_is_in_the_summary(tmp_path: Path):
    hwmon = tmp_path / 'sys/bus/i2c/devices/1-0040/hwmon/hwmon3'
    hwmon.mkdir(parents=True)
    files = {'in1_label': 'VDD_IN', 'in1_input': '5040', 'curr1_input': '1000'}
    files |= {'samples': '16', 'update_interval': '106'}
    for name, text in files.items():
        (hwmon / name).write_text(f'{text}\n')
    (hwmon.parents[1] / 'name').write_text('ina3221\n')
    source = Ina3221Source(0.5, tmp_path)
    source.open()
    live = LiveMeter([], window_s=10.0, warm_up_s=0.0)
    (sample,) = source.read()
    live.add_sample(sample, 0.5)
    status = PowerDiagnostics('/board/power', sample.stamp_ns).report(
        source,
        Plausibility(),
        live,
        unread='',
        unread_count=0,
        idle=IdlePower(3_000.0),
        measurement='none',
        now_ns=time.monotonic_ns(),
    )
    values = {entry.key: entry.value for entry in status.values}
    assert status.level == DiagnosticStatus.OK
    assert status.name == 'board/power: power'
    assert status.hardware_id == 'board input VDD_IN'
    assert values['sensor: hwmon3 samples'] == '16'
    assert values['sensor: hwmon3 update_interval'] == '106'
    assert values['power (mW)'] == '5040'
    assert values['idle power (mW)'] == '3000'
