# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Measurements of the power node, from the service that starts one to the file."""

from __future__ import annotations

import json
import time

import pytest
from power_board import MS, Board, record, values_of
from rclpy.parameter import Parameter
from recordings import demonstration
from ros_world import until

from eipl_trt_ros.cli import main


def test_a_measurement_is_written_as_it_was(world, tmp_path):
    path = tmp_path / 'energy.json'
    ramp = record(tmp_path / 'power.csv', lambda t: 4_000.0 + 2_000.0 * t)
    board = Board(world, ramp, result_file=str(path), warm_up=0.3, idle_power=3.0)
    board.publisher()
    time.sleep(0.2)
    assert board.call('start_measurement').success
    assert 'runs already' in board.call('start_measurement').message
    time.sleep(0.1)
    frames = []
    for number in range(60):
        frames.append(board.run_frame(number, busy=10 * MS, computed=8 * MS))
        time.sleep(0.01)
    newest = lambda: board.node._live.newest.stamp_ns  # noqa: E731
    until(lambda: newest() > frames[-1].finished, 'power after the last frame')
    until(lambda: board.node._live.frames.total() == 60, 'all frames')
    stopped = board.call('stop_measurement')
    assert stopped.success, stopped.message
    assert str(path) in stopped.message
    result = json.loads(path.read_text())
    begin_ns = board.node._source._begin_ns
    t0 = (frames[0].started - begin_ns) / 1e9 + 0.3
    t1 = (frames[-1].finished - begin_ns) / 1e9
    exact = 4_000 * (t1 - t0) + 1_000 * (t1**2 - t0**2)
    assert result['window']['energy_mj'] == pytest.approx(exact, rel=1e-6)
    (of_one,) = result['predictors'].values()
    inside = sum(frame.finished > frames[0].started + 300 * MS for frame in frames)
    energy = of_one['energy']
    assert energy['frames'] == inside
    assert energy['integrated_energy_per_frame_mj'] == pytest.approx(exact / inside, rel=1e-6)
    paper = of_one['paper']
    assert paper['mean_power_mw'] == pytest.approx(4_000 + 1_000 * (t0 + t1), rel=0.1)
    assert paper['total_energy_mj'] == pytest.approx(paper['mean_power_mw'] * (t1 - t0))
    assert paper['energy_per_frame_mj'] == pytest.approx(paper['mean_power_mw'] * 0.008)
    assert result['above_idle']['energy_mj'] == pytest.approx(exact - 3_000 * (t1 - t0), rel=1e-6)


def test_a_measurement_goes_into_the_report_of_an_evaluation(
    world, tmp_path, random_bundle, capsys
):
    path = tmp_path / 'energy.json'
    recording = record(tmp_path / 'power.csv', lambda _: 8_000.0)
    board = Board(world, recording, result_file=str(path), idle_power=3.0)
    board.publisher()
    time.sleep(0.2)
    assert board.call('start_measurement').success
    time.sleep(0.1)
    for number in range(10):
        frame = board.run_frame(number, busy=10 * MS, computed=8 * MS)
        time.sleep(0.015)
    until(lambda: board.node._live.newest.stamp_ns > frame.finished, 'power after the last frame')
    until(lambda: board.node._live.frames.total() == 10, 'all frames')
    stopped = board.call('stop_measurement')
    assert stopped.success, stopped.message
    bundle = random_bundle('cnnrnn')
    bag = demonstration(bundle.joint_names).write(tmp_path / 'bag')
    words = ['evaluate', '--bag', str(bag), '--bundle', str(bundle.path), '--power', 'none']
    words += ['--frames', '20', '--out', str(tmp_path), '--power-measurement', str(path)]
    assert main(words) == 0
    shown = capsys.readouterr().out
    report = json.loads((tmp_path / 'report.json').read_text())
    [given] = report['power_measurements']
    assert given['measurement'] == json.loads(path.read_text())
    assert f'--power-measurement {path}' in report['command']
    page = (tmp_path / 'report.html').read_text()
    for text in ('energy.json', 'recording power.csv', '8,000', '2,000', '3000 ±0', '64'):
        assert text in shown
        assert f'<td>{text}</td>' in page or f'<th>{text}</th>' in page
    path.write_bytes(path.read_bytes()[:-40])
    assert main(words) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith(f'eipl_trt: the measurement {path} cannot be read: ')


def test_what_a_measurement_lacks_is_said(world, tmp_path):
    board = Board(world, record(tmp_path / 'power.csv', lambda _: 8_000.0))
    response = board.call('start_measurement')
    assert not response.success
    assert "'result_file' is ''" in response.message
    given = Parameter('result_file', value=str(tmp_path / 'energy.json'))
    assert world.run(lambda: board.node.set_parameters([given]))[0].successful
    assert 'no measurement runs' in board.call('stop_measurement').message
    assert board.call('start_measurement').success
    board.publisher()
    response = board.call('stop_measurement')
    assert not response.success
    assert 'expected at least 2' in response.message
    assert not (tmp_path / 'energy.json').exists()


def test_a_measurement_without_frames_is_the_idle_power_from_then_on(world, tmp_path):
    path = tmp_path / 'energy.json'
    step = record(tmp_path / 'power.csv', lambda t: 3_000.0 if t < 1.0 else 8_000.0)
    board = Board(world, step, result_file=str(path), window=0.3)
    board.publisher()
    assert board.call('start_measurement').success
    time.sleep(0.3)
    assert '3.000 W are the idle power from now' in board.call('stop_measurement').message
    assert json.loads(path.read_text())['idle'] is None
    begin_ns = board.node._source._begin_ns
    until(lambda: time.monotonic_ns() > begin_ns + 1_500 * MS, 'the step')
    board.run_frame(0, busy=20 * MS, computed=15 * MS)
    _, values = board.energy()
    per_frame = float(values['energy per frame, integrated (mJ)'])
    above = float(values['energy per frame above idle, integrated (mJ)'])
    assert above == pytest.approx(per_frame * 5 / 8, rel=1e-3)
    status = board.summary(lambda _: True)
    assert values_of(status)['idle power (mW)'] == '3000'


def test_frames_of_another_clock_get_no_energy_and_spoil_no_measurement(world, tmp_path):
    path = tmp_path / 'energy.json'
    csv = record(tmp_path / 'power.csv', lambda _: 8_000.0)
    board = Board(world, csv, result_file=str(path))
    board.publisher()
    assert board.call('start_measurement').success
    for number in range(3):
        time.sleep(0.15)
        board.run_frame(number, busy=10 * MS, computed=8 * MS)
        board.run_frame(number, busy=10 * MS, computed=8 * MS, ago=3_600_000 * MS)  # from a bag
    board.summary(lambda status: 'frames without energy' in ' '.join(values_of(status)))
    until(lambda: board.node._live.frames.total() == 6, 'all frames')
    heard_ns = time.monotonic_ns()
    until(lambda: board.node._live.newest.stamp_ns > heard_ns, 'power after the last frame')
    assert board.call('stop_measurement').success
    result = json.loads(path.read_text())
    (of_one,) = result['predictors'].values()
    assert of_one['energy']['frames'] == 3
    assert result['elapsed_s'] < 60
    assert result['window']['mean_power_mw'] == 8_000


def test_a_measurement_that_nobody_stops_ends_by_itself(world, tmp_path):
    path = tmp_path / 'energy.json'
    csv = record(tmp_path / 'power.csv', lambda _: 8_000.0)
    board = Board(world, csv, result_file=str(path), longest_measurement=1.0)
    assert board.call('start_measurement').success
    until(path.exists, 'the file')
    assert json.loads(path.read_text())['window']['mean_power_mw'] == 8_000
