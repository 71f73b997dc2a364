# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""NVML on a GPU that runs engines: its energy counter, its power, and the power node."""

from __future__ import annotations

import itertools
import os
import statistics
import time
from collections.abc import Sequence
from typing import Any

import pytest

os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
pytest.importorskip('pynvml', reason='nvidia-ml-py is not installed')

from eipl_trt_ros.energy.frames import FrameSpan, frame_spans
from eipl_trt_ros.energy.history import PowerSample
from eipl_trt_ros.energy.integrate import Energy
from eipl_trt_ros.energy.measurement import MeasuredRun, read_measurement
from eipl_trt_ros.energy.meter import PAPER_FRAMES
from eipl_trt_ros.energy.recorder import PowerRecorder
from eipl_trt_ros.energy.sampler import DEFAULT_INTERVAL
from eipl_trt_ros.energy.sources import NvmlSource, SourceState
from eipl_trt_ros.engines.demonstrations import Demonstration
from eipl_trt_ros.predictor import Predictor

pytestmark = [pytest.mark.gpu, pytest.mark.alone]
S = 1_000_000_000
SECONDS = 13.0  # the warm-up of 3 s, and 10 samples as the paper takes them


@pytest.fixture
def frames(gpu: Any) -> Frames:
    """Frames of SARNN in fp32, over the sample demonstration."""
    return Frames(Predictor(gpu.bundle('sarnn'), gpu.backend('sarnn')), gpu.demonstration('sarnn'))


class Frames:
    """Frames of a predictor, image included, over a demonstration again and again."""

    def __init__(self, predictor: Predictor, demonstration: Demonstration) -> None:
        self._predictor = predictor
        rows = zip(demonstration.images, demonstration.joints, strict=True)
        self._rows = itertools.cycle(list(rows))

    def run_one(self) -> FrameSpan:
        picture, joints = next(self._rows)
        started = time.monotonic_ns()
        self._predictor.step(picture, joints)
        self._predictor.predicted_image()
        finished = time.monotonic_ns()
        return FrameSpan(0, 0, started, finished, self._predictor.timing.total)

    def run(self, count: int, seconds: float) -> list[FrameSpan]:
        """Run frames back to back, at least so many and for so long."""
        spans = [self.run_one()]
        while len(spans) < count or spans[-1].finished_ns - spans[0].started_ns < seconds * S:
            spans.append(self.run_one())
        columns = zip(*((s.started_ns, s.finished_ns, s.computed_ns) for s in spans), strict=True)
        return frame_spans(*columns)


def joules(energy: Energy) -> str:
    return f'{energy.energy_mj / 1e3:.2f} +- {energy.uncertainty_mj / 1e3:.2f} J'


def told(run: MeasuredRun) -> str:
    (of_one,) = run.predictors.values()
    window = run.window
    assert window.integral is not None
    counter, integral = window.energy, window.integral
    return (
        f'{of_one.energy.frames} frames in {window.seconds:.2f} s, '
        f'{of_one.energy.seconds_per_frame * 1e3:.4f} ms each in steps 1 to 5; '
        f'{window.method} {joules(counter)}, integral of power {joules(integral)}: '
        f'{(integral.energy_mj / counter.energy_mj - 1) * 100:+.2f} %; '
        f'mean power {window.mean_power_mw} mW ({window.lowest_power_mw} to '
        f'{window.highest_power_mw}), interval {window.interval_seconds} s '
        f'(longest {window.longest_interval_seconds}), idle {run.idle}; '
        f'per frame: integrated {of_one.energy.integrated_energy_per_frame_mj:.4f} mJ, '
        f'above idle {of_one.above_idle}, paper {of_one.paper}'
    )


def test_a_reading_holds_power_counter_and_temperature(measured):
    source = NvmlSource(0.1)
    source.open()
    try:
        assert source.status.state is SourceState.READY
        (first,) = source.read()
        time.sleep(0.5)
        (second,) = source.read()
    finally:
        source.close()
    measured(f'{source.info}; {first}')
    assert source.info.version
    assert 'without its host' in source.info.scope
    for sample in (first, second):
        assert sample.total_mw is not None
        assert 1_000 < sample.total_mw < source.info.maximum_w * 1_000
        assert 0 < sample.temperatures_c['GPU'] < 120
    assert first.energy_mj is not None
    assert second.energy_mj is not None
    counted = (second.energy_mj - first.energy_mj) / ((second.stamp_ns - first.stamp_ns) / S)
    assert counted == pytest.approx(second.total_mw, rel=0.5)


def test_counter_and_integral_agree_over_ten_thousand_frames(frames, measured):
    frames.run(100, 0.0)
    with PowerRecorder('nvml', interval_s=0.1) as power:
        power.wait_for_power(30.0)
        frames.run(100, 2.0)
        idle = power.idle(4.0)
        spans = frames.run(PAPER_FRAMES, SECONDS)
        run = power.measure({'sarnn fp32': spans}, idle)
        first = power.measure({'sarnn fp32': spans[:PAPER_FRAMES]}, idle, warm_up_s=0.0)
    measured(f'after the warm-up: {told(run)}')
    measured(f'the first {PAPER_FRAMES} frames, no warm-up: {told(first)}')
    (of_one,) = run.predictors.values()
    assert len(spans) >= PAPER_FRAMES
    assert first.window.integral is not None
    assert first.window.integral.energy_mj == pytest.approx(
        first.window.energy.energy_mj, rel=0.05
    )
    assert run.window.method == 'energy counter'
    assert run.window.integral is not None
    assert run.window.integral.energy_mj == pytest.approx(run.window.energy.energy_mj, rel=0.05)
    assert of_one.paper is not None
    assert of_one.paper.samples >= 9
    assert of_one.paper.mean_power_mw * run.window.seconds == pytest.approx(
        run.window.energy.energy_mj, rel=0.05
    )
    assert of_one.above_idle is not None
    assert 0 < of_one.above_idle.energy_mj < of_one.energy.integrated_energy_per_frame_mj


def test_the_steps_of_counter_and_power(frames, measured):
    """How often the GPU renews its readings: what a sampling interval can be good for."""
    source = NvmlSource(0.002)
    source.open()
    samples: list[PowerSample] = []
    reads: list[int] = []
    try:
        begin = time.monotonic()
        while time.monotonic() - begin < 3.0:
            frames.run_one()
            before = time.monotonic_ns()
            samples += source.read()
            reads.append(time.monotonic_ns() - before)
    finally:
        source.close()
    measured(
        f'a read takes {statistics.median(reads) / 1e6:.3f} ms, at most {max(reads) / 1e6:.3f}'
    )
    steps = {
        'counter': changes([(s.stamp_ns, s.energy_mj) for s in samples]),
        'power': changes([(s.stamp_ns, s.total_mw) for s in samples]),
    }
    for name, times in steps.items():
        measured(
            f'{name}: {len(times)} new readings in 3 s, {len(samples)} reads; '
            f'median time between them {statistics.median(times) * 1e3:.1f} ms, '
            f'longest {max(times) * 1e3:.1f} ms'
        )
        assert max(times) < DEFAULT_INTERVAL, name  # else it is too short for this GPU


def changes(readings: Sequence[tuple[int, float | None]]) -> list[float]:
    """Return the seconds between the readings that differ from the one before."""
    when = [b[0] for a, b in itertools.pairwise(readings) if a[1] != b[1]]
    return [(b - a) / S for a, b in itertools.pairwise(when)]


def test_the_power_node_tells_what_frames_cost_on_this_gpu(frames, measured, tmp_path):
    pytest.importorskip('rclpy', reason='rclpy is not installed')
    from diagnostic_msgs.msg import DiagnosticArray  # noqa: PLC0415
    from ros_world import PATIENCE, World, until  # noqa: PLC0415
    from std_msgs.msg import Int64MultiArray  # noqa: PLC0415

    from eipl_trt_ros.nodes.frame_timing import FIELDS, FrameTiming, encode  # noqa: PLC0415
    from eipl_trt_ros.nodes.power_node import PowerNode  # noqa: PLC0415

    path = tmp_path / 'energy.json'
    settings = {'source': 'nvml', 'interval': 0.1, 'warm_up': 1.0, 'result_file': str(path)}
    with World() as world:
        node = world.add(PowerNode(**world.settings(**settings)))
        robot = world.robot()
        energies = robot.listen(DiagnosticArray, f'{world.namespace}/power/frame_energy')
        publisher = robot.create_publisher(Int64MultiArray, 'predictor/frame_timing', 100)
        until(publisher.get_subscription_count, 'the power node')
        until(lambda: node._live.newest, 'power')
        assert 'measuring' in world.run(node._start)
        begun = time.monotonic_ns()
        until(lambda: node._live.newest.stamp_ns > begun, 'power in the measurement')
        spans = []
        for number in range(500):
            span = frames.run_one()
            spans.append(span)
            timing = dict.fromkeys(FIELDS, 0) | {'frame': number, 'infer': span.computed_ns}
            timing |= {'started': span.started_ns, 'finished': span.finished_ns}
            publisher.publish(encode(FrameTiming(**timing)))
            time.sleep(0.01 - (time.monotonic() % 0.01))
        until(lambda: node._live.frames.total() == 500, 'all frames')
        until(lambda: node._live.newest.stamp_ns > spans[-1].finished_ns, 'the last power')
        world.run(node._stop)
        messages = [energies.get(timeout=PATIENCE)]
        while not energies.empty():
            messages.append(energies.get())
    (status,) = messages[-1].status
    values = {entry.key: entry.value for entry in status.values}
    measured(f'the last frame: {values}')
    assert values['method'] == 'energy counter'
    assert 'temperature of GPU (C)' in values
    result = read_measurement(path)
    (of_one,) = result['predictors'].values()
    measured(f'the measurement: {result["source"]}, {result["window"]}')
    assert of_one['energy']['missed'] == 0
    assert len(messages) > 300  # those of the warm-up have no energy
    window = result['window']
    assert window['energy_mj'] == pytest.approx(
        window['mean_power_mw'] * window['seconds'], rel=0.1
    )
    settled = spans[0].started_ns + 1 * S
    inside = sum(span.finished_ns > settled for span in spans)
    assert of_one['energy']['frames'] == pytest.approx(inside, abs=1)
    # a frame waits for the next image most of the time, which the paper's figure leaves out
    per_frame = of_one['energy']['integrated_energy_per_frame_mj']
    assert of_one['paper']['energy_per_frame_mj'] < per_frame
