# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A measurement from start to stop, and its file."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eipl_trt_ros.energy.frames import FrameSpan
from eipl_trt_ros.energy.history import PowerSample
from eipl_trt_ros.energy.idle import IdlePower, idle_power
from eipl_trt_ros.energy.measurement import (
    Measurement,
    read_measurement,
    write_measurement,
)
from eipl_trt_ros.energy.shape import MEASUREMENT
from eipl_trt_ros.energy.sources import SourceInfo
from eipl_trt_ros.errors import EnergyError

S = 1_000_000_000
INFO = SourceInfo('recorded', '', 'VDD_IN', 'board input VDD_IN', 1.0, 100.0)


def run(*, seconds: int, frames: int, predictors: tuple[str, ...] = ('a',)) -> Measurement:
    """Feed a measurement with 1 sample a second and frames back to back from 0.5 s on."""
    measurement = Measurement(predictors, warm_up_s=3.0)
    for second in range(seconds + 1):
        power = 90_000.0 if second < 3 else 7_000.0
        rails = {'SOC': 1_000.0} if second % 2 else {}
        measurement.add_sample(PowerSample(second * S, power, rails, power_mode='MAXN'))
    length = (seconds - 1) * S // frames if frames else 0
    for number in range(frames):
        for predictor in predictors:
            started = S // 2 + number * length
            measurement.add_frame(
                predictor, FrameSpan(0, number, started, started + length, length)
            )
    return measurement


def test_the_papers_figures_and_the_integral_stand_side_by_side(tmp_path):
    path = tmp_path / 'energy.json'
    measured = run(seconds=21, frames=1000).result(
        INFO, idle=IdlePower(4_000.0, 30.0), refused={'zero': 2}
    )
    write_measurement(path, measured)
    read = read_measurement(path)
    assert read == json.loads(path.read_text())
    of_a = read['predictors']['a']
    assert read['elapsed_s'] == pytest.approx(20)
    assert of_a['paper']['mean_power_mw'] == 7_000
    assert of_a['paper']['seconds'] == pytest.approx(17)
    assert of_a['paper']['total_energy_mj'] == pytest.approx(7_000 * 17)
    assert of_a['paper']['energy_per_frame_mj'] == pytest.approx(7_000 * 0.02)
    assert of_a['energy']['integrated_energy_per_frame_mj'] == pytest.approx(7_000 * 0.02)
    assert read['window']['energy_mj'] == pytest.approx(7_000 * 17)
    assert read['window']['samples'] == 17
    assert read['window']['interval_seconds'] == pytest.approx(1)
    assert read['window']['rails_mw'] == {'SOC': 1_000}
    assert read['idle'] == {'power_mw': 4_000, 'uncertainty_mw': 30}
    assert read['above_idle'] == pytest.approx(
        {'energy_mj': 3_000 * 17, 'uncertainty_mj': 30 * 17}
    )
    frames = of_a['energy']['frames']
    assert of_a['above_idle']['energy_mj'] == pytest.approx(3_000 * 17 / frames)
    assert read['refused_samples'] == {'zero': 2}
    assert read['power_modes'] == ['MAXN']
    assert len(read['samples']['time_s']) == 22
    assert read['samples']['rails_mw']['SOC'][:2] == [None, 1_000]
    assert read['source'] == dataclasses.asdict(INFO)
    assert list(tmp_path.iterdir()) == [path]


def test_the_energy_above_idle_is_shared_like_the_rest():
    measured = run(seconds=21, frames=100, predictors=('a', 'b')).result(
        INFO, idle=IdlePower(4_000.0), refused={}
    )
    assert measured.above_idle is not None
    for of_one in measured.predictors.values():
        assert of_one.above_idle is not None
        assert of_one.above_idle.energy_mj * of_one.energy.frames == pytest.approx(
            measured.above_idle.energy_mj / 2
        )


def test_without_frames_the_boards_own_power_is_measured():
    measured = run(seconds=10, frames=0).result(INFO, idle=None, refused={})
    assert measured.predictors == {}
    assert measured.idle is None
    assert measured.above_idle is None
    assert measured.elapsed_s == 10
    assert idle_power(measured.window).power_mw == 7_000
    assert measured.window.mean_power_mw == 7_000


def test_a_measurement_that_measured_nothing_says_why():
    empty = Measurement(['a'], warm_up_s=3.0)
    with pytest.raises(EnergyError, match='0 power samples came'):
        empty.result(INFO, idle=None, refused={})
    with pytest.raises(EnergyError, match='no more than the warm-up of 3 s'):
        run(seconds=3, frames=5).result(INFO, idle=None, refused={})
    broken = run(seconds=5, frames=5)
    broken.add_sample(PowerSample(20 * S, 7_000.0))
    broken.add_frame('a', FrameSpan(0, 5, 18 * S, 19 * S, S))
    with pytest.raises(EnergyError, match=r'no power was measured for 15\.00 s'):
        broken.result(INFO, idle=None, refused={})


def test_a_file_that_cannot_be_written_is_told(tmp_path):
    measured = run(seconds=10, frames=0).result(INFO, idle=None, refused={})
    with pytest.raises(EnergyError, match='cannot be written to'):
        write_measurement(tmp_path / 'nowhere' / 'energy.json', measured)


@pytest.mark.parametrize('text', ['', '[]', '{}', '{"kind": "energy measurement", "format": 99}'])
def test_a_file_that_is_no_measurement_is_refused(tmp_path, text):
    path = tmp_path / 'energy.json'
    path.write_text(text)
    with pytest.raises(EnergyError, match=r'energy\.json'):
        read_measurement(path)


@pytest.fixture(scope='module')
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp('measurement') / 'energy.json'
    idle = IdlePower(3_000.0)
    write_measurement(path, run(seconds=6, frames=60).result(INFO, idle=idle, refused={'zero': 1}))
    return path


@given(st.floats(0, 1, exclude_max=True))
def test_a_torn_file_is_refused_wherever_it_ends(written, share):
    text = written.read_bytes().rstrip()
    torn = written.with_name('torn.json')
    torn.write_bytes(text[: int(share * len(text))])
    with pytest.raises(EnergyError, match=r'torn\.json'):
        read_measurement(torn)


def places(found: Any, shape: Any) -> list[tuple[str, ...]]:
    """Return where something must be, as far as a file holds it."""
    if not isinstance(shape, dict):
        return []
    return [(key, *rest) for key in shape for rest in [(), *places(found[key], shape[key])]]


def test_a_file_that_lacks_something_or_has_nonsense_in_its_place_is_refused(written, tmp_path):
    path = tmp_path / 'altered.json'
    whole = json.loads(written.read_text())
    asked = places(whole, MEASUREMENT)
    assert ('window', 'energy_mj') in asked
    for *outer, last in asked:
        for damage in ('missing', True):
            altered = json.loads(written.read_text())
            inner = altered
            for key in outer:
                inner = inner[key]
            if damage == 'missing':
                del inner[last]
            else:
                inner[last] = damage
            path.write_text(json.dumps(altered))
            with pytest.raises(EnergyError, match=rf'altered\.json.*{last} is '):
                read_measurement(path)
    whole['predictors']['a']['paper']['mean_power_mw'] = 'much'
    path.write_text(json.dumps(whole))
    with pytest.raises(EnergyError, match=r'predictors\.a\.paper\.mean_power_mw is str'):
        read_measurement(path)
    path.write_text(written.read_text().replace('3000.0', 'NaN'))
    with pytest.raises(EnergyError, match='NaN is no number'):
        read_measurement(path)
