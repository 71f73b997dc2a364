# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The power node over real topics: a known power in, the expected millijoules out."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
import queue
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import make_pictures
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from power_board import MS, STAMP, Board, record, values_of
from rclpy.exceptions import InvalidParameterValueException
from rclpy.serialization import serialize_message
from ros_world import PATIENCE, until
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore
from std_msgs.msg import Int64MultiArray
from std_srvs.srv import Trigger

from eipl_trt_ros.energy.recordings import read_recording
from eipl_trt_ros.energy.sources import find_sensors
from eipl_trt_ros.errors import EnergyError
from eipl_trt_ros.nodes.conversion import nanoseconds
from eipl_trt_ros.nodes.power_node import PowerNode

KIND = 'diagnostic_msgs/msg/DiagnosticArray'


def test_frames_at_a_constant_power_cost_what_they_must(world, tmp_path):
    board = Board(world, record(tmp_path / 'power.csv', lambda _: 8_000.0))
    board.publisher()
    time.sleep(0.1)
    for number in range(5):
        time.sleep(0.03)
        frame = board.run_frame(number, busy=20 * MS, computed=15 * MS)
        message, values = board.energy()
        assert nanoseconds(message.header.stamp) == frame.stamp
        assert values['frame'] == str(number)
        assert float(values['energy of this frame (mJ)']) == pytest.approx(8_000 * 0.020)
        assert float(values['energy per frame, paper (mJ)']) == pytest.approx(8_000 * 0.015)
        window = float(values['window (s)'])
        per_frame = float(values['energy per frame, integrated (mJ)'])
        assert per_frame == pytest.approx(8_000 * window / (number + 1), rel=0.05)
        assert float(values['frames per joule']) == pytest.approx(1_000 / per_frame, rel=0.01)
        assert float(values['mean power (mW)']) == 8_000
        assert float(values['power of SOC (mW)']) == 2_000
        assert float(values['temperature of tj (C)']) == 48.5
    assert float(values['sampling interval (s)']) == pytest.approx(0.05, abs=1e-3)
    (status,) = message.status
    assert status.level == DiagnosticStatus.OK
    assert status.name == f'{world.namespace[1:]}/predictor: frame energy'
    assert 'mJ per frame as in the paper' in status.message


def test_a_frame_on_a_ramp_costs_its_own_part_of_it(world, tmp_path):
    board = Board(world, record(tmp_path / 'power.csv', lambda t: 4_000.0 + 2_000.0 * t))
    board.publisher()
    time.sleep(0.3)
    frame = board.run_frame(0, busy=100 * MS, computed=80 * MS)
    _, values = board.energy()
    begin_ns = board.node._source._begin_ns
    t0, t1 = ((edge - begin_ns) / 1e9 for edge in (frame.started, frame.finished))
    exact = 4_000 * (t1 - t0) + 1_000 * (t1**2 - t0**2)
    assert float(values['energy of this frame (mJ)']) == pytest.approx(exact, rel=1e-4)


def test_predictors_on_one_board_share_its_power_by_busy_time(world, tmp_path):
    topics = 'left/frame_timing, right/frame_timing'
    csv = record(tmp_path / 'power.csv', lambda _: 8_000.0)
    board = Board(world, csv, timing_topics=topics)
    for name in ('left', 'right'):
        board.publisher(name)
    time.sleep(0.2)
    board.run_frame(0, busy=30 * MS, computed=30 * MS, predictor='left', ago=20 * MS)
    board.run_frame(0, busy=10 * MS, computed=10 * MS, predictor='right')
    names = [
        f'{world.namespace}/{name}: share of the board by busy time' for name in ('left', 'right')
    ]

    def both(status: DiagnosticStatus) -> bool:
        return set(names) <= set(values_of(status))

    values = values_of(board.summary(both))
    assert [values[name] for name in names] == ['0.7500', '0.2500']
    assert float(values[f'{world.namespace}/left: energy per frame, paper (mJ)']) == 240
    notes = [board.energy()[1]['note'] for _ in range(2)]
    assert 'by busy time, which is a convention' in notes[-1]  # the first may come alone


def test_the_real_predictor_is_heard(world, tmp_path, random_bundle):
    board = Board(world, record(tmp_path / 'power.csv', lambda _: 8_000.0))
    world.predictor(random_bundle())
    board.robot.meet()
    until(lambda: board.robot.count_subscribers(f'{world.namespace}/predictor/frame_timing'))
    picture = make_pictures(1, 128, 128)[0]
    for index in range(20):
        stamp = STAMP + index * 100 * MS
        board.robot.send_joints(stamp, random_bundle().joint_names, [0.0] * 8)
        board.robot.send_picture(stamp, picture)
        time.sleep(0.02)
        if not board.energies.empty():
            break
    message, values = board.energy()
    assert (nanoseconds(message.header.stamp) - STAMP) % (100 * MS) == 0
    busy = float(values['time in work (ms)'])
    assert busy > float(values['steps 1 to 5 (ms)']) > 0
    assert float(values['energy of this frame (mJ)']) == pytest.approx(8 * busy, rel=1e-3)


def test_a_source_that_ends_is_an_error_and_the_node_stays_up(world, tmp_path):
    board = Board(world, record(tmp_path / 'power.csv', lambda _: 8_000.0, seconds=0.5))
    board.publisher()
    status = board.summary(lambda status: status.level == DiagnosticStatus.ERROR)
    assert status.message == 'the recording power.csv has ended; start again'
    board.run_frame(0, busy=10 * MS, computed=10 * MS)
    board.summary(lambda status: status.level == DiagnosticStatus.ERROR)
    assert board.energies.empty()


def test_a_source_that_falls_silent_is_stale(world, tmp_path):
    path = tmp_path / 'power.csv'
    path.write_text('time_s,total_mw\n0,5000\n0.05,5000\n0.1,5000\n600,5000\n')
    board = Board(world, str(path))
    status = board.summary(lambda status: status.level == DiagnosticStatus.STALE)
    assert status.message.startswith('no power for ')


@pytest.mark.parametrize(
    ('power', 'reason'),
    [(0.0, '0 mW'), (-7_000.0, '-7000 mW'), (65_535e3, 'more than the plausible 200 W')],
)
def test_nonsense_gives_no_energy_and_says_why(world, tmp_path, power, reason):
    csv = record(tmp_path / 'power.csv', lambda _: power)
    board = Board(world, csv, maximum_power=200.0)
    board.publisher()
    board.run_frame(0, busy=10 * MS, computed=10 * MS)
    status = board.summary(lambda status: status.level == DiagnosticStatus.ERROR)
    assert reason in status.message
    assert 'check the sensor' in status.message
    assert 'mean power (mW)' not in values_of(status)
    assert board.energies.empty()


def test_a_sample_of_nonsense_among_good_ones_is_a_warning(world, tmp_path):
    board = Board(
        world, record(tmp_path / 'power.csv', lambda t: 0.0 if t % 1 > 0.92 else 8_000.0)
    )
    status = board.summary(lambda status: status.level == DiagnosticStatus.WARN)
    assert 'samples refused: the total is 0 mW' in status.message
    assert 'samples refused: zero' in values_of(status)


@pytest.mark.skipif(bool(find_sensors(Path('/'))), reason='this machine has such a sensor')
def test_a_machine_without_the_source_is_an_error_with_its_remedy(world):
    board = Board(world, '', source='ina3221')
    status = board.summary(lambda _: True)
    assert status.level == DiagnosticStatus.ERROR
    assert 'no INA3221 power sensor; on a Jetson' in status.message


def test_a_message_that_is_no_frame_timing_is_a_warning(world, tmp_path):
    board = Board(world, record(tmp_path / 'power.csv', lambda _: 8_000.0))
    board.publisher().publish(Int64MultiArray())
    status = board.summary(lambda status: status.level == DiagnosticStatus.WARN)
    assert 'no frame timing of this version' in status.message


def test_what_it_publishes_is_a_recording_of_its_power(world, tmp_path):
    board = Board(world, record(tmp_path / 'power.csv', lambda t: 4_000.0 + 2_000.0 * t))
    inbox = board.robot.listen(DiagnosticArray, f'{world.namespace}/power/power')
    messages = [inbox.get(timeout=PATIENCE) for _ in range(10)]
    path = tmp_path / 'bag'
    store = get_typestore(Stores.ROS2_HUMBLE)
    with Writer(path, version=8, storage_plugin=StoragePlugin.MCAP) as writer:
        connection = writer.add_connection('/power', KIND, typestore=store)
        for message in messages:
            stamp = nanoseconds(message.header.stamp)
            writer.write(connection, stamp, serialize_message(message))
    recording = read_recording(path)
    assert recording.scope == 'recording power.csv'
    powers = np.array([sample.total_mw for sample in recording.samples])
    times = np.array([sample.stamp_ns for sample in recording.samples]) / 1e9
    assert powers == pytest.approx(powers[0] + 2_000 * times, abs=0.01)
    assert len(powers) == 10
    assert recording.samples[0].temperatures_c == {'tj': 48.5}
    assert recording.samples[0].rails_mw['SOC'] == pytest.approx(powers[0] / 4, abs=0.001)


def test_parameters_that_make_no_sense_are_refused(world):
    with pytest.raises(EnergyError, match='recording'):
        PowerNode(**world.settings(source='recorded'))
    with pytest.raises(InvalidParameterValueException, match='expected one of auto, jtop'):
        PowerNode(**world.settings(source='moon'))
    with pytest.raises(InvalidParameterValueException, match='out of range'):
        PowerNode(**world.settings(interval=0.0))


def test_every_field_of_the_settings_is_a_described_parameter(world, tmp_path):
    node = Board(world, record(tmp_path / 'power.csv', lambda _: 8_000.0)).node
    for field in dataclasses.fields(node._settings):
        assert len(node.describe_parameter(field.name).description) > 10


@pytest.mark.parametrize(
    'number', [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name
)
def test_a_process_told_to_end_writes_what_it_measured_and_leaves_quietly(world, tmp_path, number):
    csv = record(tmp_path / 'power.csv', lambda _: 8_000.0)
    result = tmp_path / 'energy.json'
    command = [sys.executable, '-m', 'eipl_trt_ros.nodes.power_node', '--ros-args']
    settings = ('source:=recorded', f'recording:={csv}', f'result_file:={result}')
    for setting in (*settings, 'interval:=0.02', 'warm_up:=0.0'):
        command += ['-p', setting]
    command += ['-r', f'__ns:={world.namespace}']
    environment = {**os.environ, 'ROS_DOMAIN_ID': str(world.domain)}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            robot, power = world.robot(), f'{world.namespace}/power'
            inbox: queue.Queue[Any] = robot.listen(DiagnosticArray, f'{power}/power')
            start = robot.create_client(Trigger, f'{power}/start_measurement')
            assert start.wait_for_service(PATIENCE)
            started = start.call_async(Trigger.Request())
            until(started.done, 'the start')
            assert started.result().success, started.result().message
            for _ in range(20):
                inbox.get(timeout=PATIENCE)
            process.send_signal(number)
            _, errors = process.communicate(timeout=20)
        finally:
            process.kill()
    assert process.returncode == 0, errors
    assert 'Traceback' not in errors
    assert 'told to end while it measures' in errors
    assert json.loads(result.read_text())['window']['mean_power_mw'] == 8_000


@pytest.mark.skipif(importlib.util.find_spec('jtop') is not None, reason='jtop is installed')
def test_a_source_whose_package_is_missing_ends_the_process_with_one_line():
    command = [sys.executable, '-m', 'eipl_trt_ros.nodes.power_node', '--ros-args']
    command += ['-p', 'source:=jtop']
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert 'sudo pip3 install jetson-stats' in done.stderr
    assert 'Traceback' not in done.stderr
