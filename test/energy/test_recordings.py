# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Recorded power: CSV files, bags of what a power node published, and what is neither."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from power_bags import status_of, write_bag
from rosbags.rosbag2 import StoragePlugin

from eipl_trt_ros.energy.history import PowerSample
from eipl_trt_ros.energy.recordings import read_recording
from eipl_trt_ros.energy.sample_text import read_sample, sample_values
from eipl_trt_ros.energy.sources import make_source
from eipl_trt_ros.errors import EnergyError

S = 1_000_000_000
BEGIN = 5_000 * S  # a board that has been up for a while


def sample(second: float, power: float = 7_219.0) -> PowerSample:
    stamp = BEGIN + round(second * S)
    return PowerSample(stamp, power, {'VDD_SOC': 1_500.5}, None, {'tj': 48.5}, '7W')


powers = st.floats(-1e7, 1e7).map(lambda value: round(value, 3))
names = st.text('ABC_ ()', min_size=1)


@given(
    st.builds(
        PowerSample,
        stamp_ns=st.integers(0, 2**63),
        total_mw=st.none() | powers,
        rails_mw=st.dictionaries(names, powers),
        energy_mj=st.none() | st.integers(0, 2**50).map(float),
        temperatures_c=st.dictionaries(names, powers),
        power_mode=st.none() | st.text(),
    )
)
def test_a_sample_goes_into_texts_and_comes_back(sample):
    assert read_sample(sample_values(sample)) == sample


@pytest.mark.parametrize('plugin', StoragePlugin)
def test_a_bag_of_samples_is_played_as_it_was(tmp_path, plugin):
    path = tmp_path / 'bag'
    samples = [sample(0), sample(0.503, 8_000.0), sample(1.006, 6_350.125)]
    told = [('/power/power', status_of('power: power sample', sample_values(s))) for s in samples]
    write_bag(path, told, plugin=plugin)
    recording = read_recording(path)
    assert recording.scope == 'board input VDD_IN'
    assert [s.stamp_ns for s in recording.samples] == [0, round(0.503 * S), round(1.006 * S)]
    assert [s.total_mw for s in recording.samples] == [7_219, 8_000, 6_350.125]
    for read in recording.samples:
        assert read.rails_mw == {'VDD_SOC': 1_500.5}
        assert read.temperatures_c == {'tj': 48.5}
        assert read.power_mode == '7W'
    source = make_source('recorded', interval_s=9.0, recording=str(path))
    assert source.info.scope == 'recording bag of board input VDD_IN'
    assert source.info.interval_s == pytest.approx(0.503)
    source.open()
    (first,) = source.read()
    assert first.total_mw == 7_219


def test_samples_told_twice_or_late_count_once_and_in_their_order(tmp_path):
    path = tmp_path / 'bag'
    told = [
        ('/power/power', status_of('a/power: power sample', sample_values(sample(2)))),
        ('/diagnostics', status_of('a/power: power', sample_values(sample(2)))),
        ('/diagnostics', status_of('a/power: power', sample_values(sample(1)))),
        ('/diagnostics', status_of('a/power: power', {'source': 'jtop'})),  # none came yet
        ('/diagnostics', status_of('a/predictor: predictor', {'power (mW)': '1'})),
        ('/power/energy', status_of('a/predictor: frame energy', sample_values(sample(9)))),
    ]
    write_bag(path, told)
    assert [s.stamp_ns for s in read_recording(path).samples] == [0, S]


def test_a_bag_of_two_power_nodes_is_refused_with_their_names(tmp_path):
    path = tmp_path / 'bag'
    told = [
        ('/diagnostics', status_of(f'{robot}/power: power', sample_values(sample(second))))
        for second in range(3)
        for robot in ('left', 'right')
    ]
    write_bag(path, told)
    with pytest.raises(EnergyError, match=r'several nodes \(left/power, right/power\)'):
        read_recording(path)


def test_a_bag_without_power_says_what_was_expected(tmp_path):
    path = tmp_path / 'bag'
    write_bag(path, [('/diagnostics', status_of('a/predictor: predictor', {}))])
    with pytest.raises(EnergyError, match='holds no power: expected diagnostic_msgs'):
        read_recording(path)
    with pytest.raises(EnergyError, match='no such bag'):
        read_recording(tmp_path / 'nowhere.mcap')
    (tmp_path / 'empty').mkdir()
    with pytest.raises(EnergyError, match=r'no metadata\.yaml'):
        read_recording(tmp_path / 'empty')


def test_a_bag_with_a_number_that_is_none_is_refused(tmp_path):
    path = tmp_path / 'bag'
    values = sample_values(sample(0)) | {'power (mW)': 'much'}
    write_bag(path, [('/power/power', status_of('power: power sample', values))])
    with pytest.raises(EnergyError, match=r"cannot be read: could not convert .* 'much'"):
        read_recording(path)


def test_a_damaged_bag_is_refused(tmp_path):
    path = tmp_path / 'bag'
    told = [
        ('/power/power', status_of('power: power sample', sample_values(sample(second))))
        for second in range(50)
    ]
    write_bag(path, told, plugin=StoragePlugin.SQLITE3)
    (file,) = path.glob('*.db3')
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(EnergyError, match=r'bag'):
        read_recording(path)


@pytest.mark.parametrize(
    ('text', 'reason'),
    [
        ('', r'the columns \(none\); expected time_s'),
        ('time_s,watts\n0,1\n', 'the columns time_s, watts; expected time_s, total_mw'),
        ('time_s,total_mw,volts\n0,1,5\n', 'volts'),
        ('time_s,total_mw\n0,1\n', 'holds 1 power samples'),
        ('time_s,total_mw\n1,1\n1,1\n', 'time_s does not increase after 1'),
        ('time_s,total_mw\n0,1\n1,many\n', "line 3: could not convert string to float: 'many'"),
        ('time_s,total_mw\n0,1\n,1\n', 'line 3: time_s is missing'),
        ('time_s,total_mw\n0,1\n1,2,3\n', 'line 3'),
    ],
)
def test_a_file_that_is_no_recording_is_refused(tmp_path, text, reason):
    path = tmp_path / 'power.csv'
    path.write_text(text)
    with pytest.raises(EnergyError, match=reason):
        read_recording(path)
