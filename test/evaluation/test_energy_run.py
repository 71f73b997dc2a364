# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Energy of real predictors under a recorded power source of known values."""

from __future__ import annotations

from pathlib import Path

import pytest
from power_bags import status_of, write_bag

from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.energy.history import PowerSample
from eipl_trt_ros.energy.sample_text import sample_values
from eipl_trt_ros.evaluation.configurations import configurations, open_lineup
from eipl_trt_ros.evaluation.energy_run import EnergySettings, measure_lineup, open_power
from eipl_trt_ros.evaluation.frames import ReadSettings, first_stretch

SECONDS = tuple(index / 20 for index in range(20 * 60))


def ten_watts_as_csv(path: Path) -> None:
    lines = (f'{second:.2f},10000' for second in SECONDS)
    path.write_text('time_s,total_mw\n' + '\n'.join(lines) + '\n')


def ten_watts_as_bag(path: Path) -> None:
    samples = (PowerSample(round(second * 1e9), 10_000.0, {}) for second in SECONDS)
    topic, name = '/power/power', 'power: power sample'
    write_bag(path, [(topic, status_of(name, sample_values(sample))) for sample in samples])


@pytest.fixture(params=[ten_watts_as_csv, ten_watts_as_bag])
def recording(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """Ten watts throughout, twenty times a second."""
    path = tmp_path / 'power'
    request.param(path)
    return path


def test_at_a_constant_power_both_methods_give_what_is_plain(
    cnnrnn: Bundle, bag: Path, recording: Path
) -> None:
    settings = EnergySettings(
        'recorded', str(recording), frames=7, least_seconds=4.2, idle_seconds=0.5
    )
    data = first_stretch(bag, cnnrnn, ReadSettings(), frames=20)
    power, reason = open_power(settings)
    assert power is not None, reason
    wanted = configurations('onnxruntime', ('fp32', 'fp16'), None)
    with power, open_lineup(cnnrnn, wanted) as lineup:
        single, half = measure_lineup(lineup, data, power, settings)
    assert half.run is None
    assert 'imitates' in half.reason
    run = single.run
    assert run is not None, single.reason
    assert single.frames > single.frames_asked == 7
    assert run.elapsed_s >= 4.2
    found = run.predictors['onnxruntime fp32']
    assert found.paper is not None
    assert found.paper.mean_power_mw == 10_000
    assert found.paper.total_energy_mj == pytest.approx(10_000 * (run.elapsed_s - 3), rel=1e-6)
    # back to back, frames fill the run but for what the loop itself takes
    filled = found.paper.energy_per_frame_mj * single.frames / (10_000 * run.elapsed_s)
    assert 0.2 < filled <= 1.0
    in_window = found.energy.integrated_energy_per_frame_mj * found.energy.frames
    assert in_window == pytest.approx(10_000 * run.window.seconds, rel=1e-6)
    assert found.above_idle is not None
    assert found.above_idle.energy_mj == pytest.approx(0, abs=0.01)


def test_without_a_power_source_the_reason_is_told(tmp_path: Path) -> None:
    power, reason = open_power(EnergySettings('recorded', str(tmp_path / 'none.csv')))
    assert power is None
    assert 'none.csv' in reason
