#!/usr/bin/env python3
# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Reads the board's power, and publishes what the predictors' frames cost.

It is a process of its own: reading power must not disturb the frames, and jtop's client, which it
may load, changes settings of its process.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy
from std_msgs.msg import Int64MultiArray
from std_srvs.srv import Trigger

from eipl_trt_ros.energy.frames import FrameSpan
from eipl_trt_ros.energy.history import PowerSample
from eipl_trt_ros.energy.idle import IdlePower, idle_power
from eipl_trt_ros.energy.live import FrameEnergy, LiveMeter
from eipl_trt_ros.energy.measurement import Measurement, write_measurement
from eipl_trt_ros.energy.sampler import Sampler
from eipl_trt_ros.energy.sources import make_source
from eipl_trt_ros.errors import EiplTrtError, EnergyError, InputError
from eipl_trt_ros.nodes.conversion import set_stamp
from eipl_trt_ros.nodes.frame_timing import FrameTiming, decode
from eipl_trt_ros.nodes.managed import RosLogHandler
from eipl_trt_ros.nodes.parameters import declare, wrong_choice
from eipl_trt_ros.nodes.power_report import PowerDiagnostics, frame_status, sample_status
from eipl_trt_ros.nodes.power_settings import SETTINGS, read_power_settings
from eipl_trt_ros.nodes.process import run_node, spin

_DIAGNOSTICS_PERIOD = 1.0  # seconds; REP 107
_FRAMES = QoSProfile(depth=1000, reliability=ReliabilityPolicy.RELIABLE)
_SUFFIX = '/frame_timing'
_BURST = 1000  # all frames between two power samples are published at once
_CORE_LOG = logging.getLogger('eipl_trt_ros')


def frame_span(timing: FrameTiming) -> FrameSpan:
    """Return when a predictor was at work on a frame."""
    image_graph = (
        timing.image_copy_in
        + timing.image_infer
        + timing.image_copy_out
        + timing.image_post_process
    )
    return FrameSpan(
        stamp_ns=timing.stamp,
        number=timing.frame,
        started_ns=timing.started,
        finished_ns=timing.finished,
        computed_ns=timing.motion_total + image_graph,
    )


class PowerNode(Node):
    """
    Publishes the energy of frames; see `power_settings` for its parameters.

    Subscribes to the frame timing of one or more predictors; publishes ``~/frame_energy``, a
    ``DiagnosticArray`` per frame under the image's stamp, ``~/power``, one per power sample, and
    ``/diagnostics``; serves ``~/start_measurement`` and ``~/stop_measurement``.

    Raises:
        EnergyError: the source was asked for something that does not exist.
        MissingPackageError: the source that was asked for needs a package.

    """

    def __init__(self, name: str = 'power', **settings: Any) -> None:
        super().__init__(name, **settings)
        self.add_on_set_parameters_callback(self._check_parameters)
        declare(self, SETTINGS)
        self._log_handler = RosLogHandler(self.get_logger())
        self._settings = read_power_settings(self)
        self._source = make_source(
            self._settings.source,
            interval_s=self._settings.interval,
            recording=self._settings.recording,
            gpu=self._settings.gpu,
        )
        self._lock = threading.Lock()  # guards what follows, used by sampler and executor
        self._measurement: Measurement | None = None
        self._measurement_began = 0.0
        idle_w = self._settings.idle_power
        self._idle = IdlePower(idle_w * 1000.0) if idle_w else None
        self._refused_before: Counter[str] = Counter()
        self._unread = ''
        self._unread_count = 0
        self._frame_energy = self.create_publisher(DiagnosticArray, '~/frame_energy', _BURST)
        self._power = self.create_publisher(DiagnosticArray, '~/power', 10)
        self._diagnostics_publisher = self.create_publisher(DiagnosticArray, '/diagnostics', 10)
        self._predictors = self._subscribe()
        self._live = LiveMeter(
            self._predictors, window_s=self._settings.window, warm_up_s=self._settings.warm_up
        )
        self._diagnostics = PowerDiagnostics(self.get_fully_qualified_name(), time.monotonic_ns())
        self.create_service(Trigger, '~/start_measurement', self._answer(self._start))
        self.create_service(Trigger, '~/stop_measurement', self._answer(self._stop))
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(_DIAGNOSTICS_PERIOD, self._every_second, clock=steady)
        self._sampler = Sampler(
            self._source,
            interval_s=self._settings.interval,
            jitter=self._settings.jitter,
            maximum_w=self._settings.maximum_power or None,
            take=self._take_sample,
        )
        self._sampler.start()
        _CORE_LOG.addHandler(self._log_handler)

    def _check_parameters(self, parameters: Sequence[Parameter]) -> SetParametersResult:
        reason = wrong_choice(SETTINGS, parameters)
        return SetParametersResult(successful=reason is None, reason=reason or '')

    def _subscribe(self) -> list[str]:
        """Subscribe to every predictor; return their names."""
        names = []
        for topic in self._settings.timing_topics.split(','):
            if not topic.strip():
                continue
            full = self.resolve_topic_name(topic.strip())
            name = full.removesuffix(_SUFFIX)
            names.append(name)
            self.create_subscription(
                Int64MultiArray, full, partial(self._take_frame, name), _FRAMES
            )
        return names

    def _take_frame(self, predictor: str, message: Int64MultiArray) -> None:
        try:
            span = frame_span(decode(message))
        except InputError as error:
            self._unread = f'{predictor}: {error}'
            self._unread_count += 1
            return
        with self._lock:
            usable = self._live.add_frame(predictor, span, time.monotonic_ns())
            if usable and self._measurement is not None:
                self._measurement.add_frame(predictor, span)

    def _take_sample(self, sample: PowerSample) -> None:
        """Account for a sample, and publish the frames whose energy is known by it."""
        with self._lock:
            energies = self._live.add_sample(sample, self._source.info.interval_s)
            if self._measurement is not None:
                self._measurement.add_sample(sample)
        self._publish_sample(sample)
        for energy in energies:
            self._publish_frame(energy)

    def _publish_sample(self, sample: PowerSample) -> None:
        name = self.get_fully_qualified_name()
        message = DiagnosticArray(status=[sample_status(name, sample, self._source.info)])
        message.header.stamp = self.get_clock().now().to_msg()
        self._power.publish(message)

    def _publish_frame(self, energy: FrameEnergy) -> None:
        message = DiagnosticArray(status=[frame_status(energy, self._source.info, self._idle)])
        set_stamp(message.header.stamp, energy.span.stamp_ns)
        self._frame_energy.publish(message)

    def _answer(
        self, work: Callable[[], str]
    ) -> Callable[[Trigger.Request, Trigger.Response], Trigger.Response]:
        """Return a service that does some work, and tells what came of it or why it failed."""

        def serve(_: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
            try:
                response.message = work()
                response.success = True
                self.get_logger().info(response.message)
            except EiplTrtError as error:
                response.message = str(error)
                self.get_logger().error(response.message)
            return response

        return serve

    def _result_file(self) -> Path:
        text = str(self.get_parameter('result_file').value)
        path = Path(text)
        if not text or not path.parent.is_dir():
            msg = f"the parameter 'result_file' is {text!r}, expected a file in an existing folder"
            raise EnergyError(msg)
        return path

    def _start(self) -> str:
        path = self._result_file()
        with self._lock:
            if self._measurement is not None:
                msg = 'a measurement runs already: stop it first'
                raise EnergyError(msg)
            self._measurement = Measurement(self._predictors, warm_up_s=self._settings.warm_up)
            self._measurement_began = time.monotonic()
            self._refused_before = self._sampler.plausibility.refused.copy()
        return f'measuring; ~/stop_measurement ends it and writes {path}'

    def _stop(self) -> str:
        path = self._result_file()
        with self._lock:
            measurement, self._measurement = self._measurement, None
            refused = self._sampler.plausibility.refused - self._refused_before
        if measurement is None:
            msg = 'no measurement runs: start one first'
            raise EnergyError(msg)
        run = measurement.result(self._source.info, idle=self._idle, refused=refused)
        write_measurement(path, run)
        text = f'measured {run.elapsed_s:.1f} s, written to {path}'
        if run.predictors:
            return text
        self._idle = idle_power(run.window)
        return f'{text}; no frames: {self._idle.power_mw / 1000:.3f} W are the idle power from now'

    def _every_second(self) -> None:
        self._end_forgotten_measurement()
        with self._lock:
            status = self._diagnostics.report(
                self._source,
                self._sampler.plausibility,
                self._live,
                unread=self._unread,
                unread_count=self._unread_count,
                idle=self._idle,
                measurement='none' if self._measurement is None else 'running',
                now_ns=time.monotonic_ns(),
            )
        message = DiagnosticArray(status=[status])
        message.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics_publisher.publish(message)

    def _end_forgotten_measurement(self) -> None:
        if self._measurement is None:
            return
        seconds = time.monotonic() - self._measurement_began
        if seconds > self._settings.longest_measurement:
            self._end_measurement(f'nobody stopped the measurement for {seconds:.0f} s')

    def _end_measurement(self, why: str) -> None:
        self.get_logger().warning(why)
        self._answer(self._stop)(Trigger.Request(), Trigger.Response())

    def come_to_rest(self) -> None:
        """Take no more samples, and write a measurement that runs; any thread may call it."""
        self._sampler.close()
        if self._measurement is not None:
            self._end_measurement('the node is told to end while it measures')

    def destroy_node(self) -> None:
        """Stop sampling and destroy the node."""
        _CORE_LOG.removeHandler(self._log_handler)
        self._sampler.close()
        super().destroy_node()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the node; the entry point of ``ros2 run eipl_trt_ros power_node``."""
    return run_node(PowerNode, spin, arguments, before_end=PowerNode.come_to_rest)


if __name__ == '__main__':
    sys.exit(main())
