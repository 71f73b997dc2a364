# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import time

import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from ros_world import until

from eipl_trt_ros.nodes.diagnostics import PredictorDiagnostics
from eipl_trt_ros.nodes.statistics import FrameStatistics, Window

MS = 1_000_000


def test_a_window_gives_quantiles_of_the_newest_values_only():
    window = Window(size=4)
    assert window.quantiles() is None
    for milliseconds in (1000, 1, 2, 3, 4):
        window.add(milliseconds * MS)
    quantiles = window.quantiles()
    assert quantiles is not None
    assert quantiles.p50 == pytest.approx(2.5)
    assert quantiles.maximum == 4.0
    assert quantiles.p50 <= quantiles.p95 <= quantiles.p99 <= quantiles.maximum


def test_a_frame_longer_than_the_models_period_is_an_overrun():
    statistics = FrameStatistics(period_ns=100 * MS)
    statistics.add(30 * MS, 10 * MS, 5 * MS, 100 * MS)
    statistics.add(30 * MS, 10 * MS, 5 * MS, 101 * MS)
    statistics.add_failure()
    counts = statistics.counts()
    assert (counts.done, counts.failed, counts.overruns) == (2, 1, 1)
    assert statistics.latencies()['motion graph'].p50 == 5.0


def test_a_node_that_is_not_active_says_its_state_or_why_it_failed():
    diagnostics = PredictorDiagnostics('/left/predictor')
    status = diagnostics.idle('inactive', None)
    assert status.name == 'left/predictor: predictor'
    assert (status.level, status.message) == (DiagnosticStatus.OK, 'inactive')
    status = diagnostics.idle('unconfigured', 'cannot configure: no bundle')
    assert (status.level, status.message) == (
        DiagnosticStatus.ERROR,
        'cannot configure: no bundle',
    )


@pytest.fixture
def report(world, random_bundle):
    """Return a function that makes a report of a real node so many seconds after activation."""
    node = world.predictor(random_bundle())
    diagnostics = PredictorDiagnostics('/predictor')
    begin = time.monotonic_ns()
    diagnostics.restart(begin)

    def make(seconds: float) -> DiagnosticStatus:
        held = node._configured
        now = begin + round(seconds * 1e9)
        return diagnostics.active(node._intake, held.runner.statistics, held.predictor, now)

    make.node = node
    return make


def test_silence_on_a_topic_is_a_warning_after_two_seconds(report):
    status = report(1)
    assert (status.level, status.message) == (DiagnosticStatus.OK, 'waiting for images')
    status = report(5)
    assert status.level == DiagnosticStatus.WARN
    assert status.message == f'nothing on {report.node._intake.image_topic} for 5 s'


def test_joints_that_are_missing_are_named(report, world):
    robot = world.robot()
    robot.meet()
    robot.send_joints(0, ['joint1', 'joint2'], [0.0, 0.0])
    until(lambda: report.node._intake.joint_messages == 1)
    status = report(1)
    assert status.level == DiagnosticStatus.WARN
    assert status.message.endswith('lacks joint3, joint4, joint5, joint6, joint7')


def test_a_failed_frame_is_an_error_once(report):
    report(1)
    report.node._configured.runner.statistics.add_failure()
    assert report(1.5).level == DiagnosticStatus.ERROR
    assert report(1.9).level == DiagnosticStatus.OK


def test_rates_are_counted_between_reports(report):
    report(1)
    report.node._intake.images += 15
    status = report(1.5)
    values = {entry.key: entry.value for entry in status.values}
    assert values['images (Hz)'] == '30.00'
    assert values['predictions (Hz)'] == '0.00'
