# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A board whose power is known: a power node, and predictors that tell of their frames."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from ros_world import PATIENCE, until
from std_msgs.msg import Int64MultiArray
from std_srvs.srv import Trigger

from eipl_trt_ros.nodes.frame_timing import FIELDS, FrameTiming, encode
from eipl_trt_ros.nodes.power_node import PowerNode

MS = 1_000_000
STAMP = 1_700_000_000 * 10**9


def record(
    path: Path, power: Callable[[float], float], seconds: float = 60.0, interval: float = 0.05
) -> str:
    times = np.arange(0, seconds, interval)
    rows = [f'{t:.6f},{power(t):.6f},{0.25 * power(t):.6f},48.5' for t in times]
    header = 'time_s,total_mw,rail:SOC,temperature:tj'
    path.write_text('\n'.join([header, *rows]) + '\n')
    return str(path)


def timing(number: int, started: int, busy: int, computed: int) -> FrameTiming:
    values = dict.fromkeys(FIELDS, 0)
    values |= {'stamp': STAMP + number, 'frame': number, 'received': started - MS}
    values |= {'started': started, 'commanded': started + busy // 2, 'finished': started + busy}
    values |= {'infer': computed // 2, 'image_infer': computed - computed // 2}
    return FrameTiming(**values)


class Board:
    """A power node, the frame timing of predictors, and what the node publishes."""

    def __init__(self, world: Any, recording: str, **settings: Any) -> None:
        defaults = {'source': 'recorded', 'recording': recording, 'warm_up': 0.0}
        defaults |= {'interval': 0.05}
        self.node = world.add(PowerNode(**world.settings(**defaults | settings)))
        self._world = world
        self.robot = world.robot()
        prefix = f'{world.namespace}/power'
        self.energies = self.robot.listen(DiagnosticArray, f'{prefix}/frame_energy')
        self._diagnostics = self.robot.listen(DiagnosticArray, '/diagnostics')
        self._publishers: dict[str, Any] = {}

    def run_frame(
        self, number: int, *, busy: int, computed: int, predictor: str = 'predictor', ago: int = 0
    ) -> FrameTiming:
        """Tell of a frame that has just been finished."""
        frame = timing(number, time.monotonic_ns() - ago - busy, busy, computed)
        self.publisher(predictor).publish(encode(frame))
        return frame

    def publisher(self, predictor: str = 'predictor') -> Any:
        if predictor not in self._publishers:
            made = self.robot.create_publisher(Int64MultiArray, f'{predictor}/frame_timing', 100)
            until(made.get_subscription_count, 'the power node')
            self._publishers[predictor] = made
        return self._publishers[predictor]

    def energy(self) -> tuple[DiagnosticArray, dict[str, str]]:
        message = self.energies.get(timeout=PATIENCE)
        return message, values_of(message.status[0])

    def summary(self, wanted: Callable[[DiagnosticStatus], bool]) -> DiagnosticStatus:
        """Return the next summary that is as wanted."""
        deadline = time.monotonic() + PATIENCE
        last = None
        while time.monotonic() < deadline:
            for last in self._diagnostics.get(timeout=PATIENCE).status:
                # other tests' nodes may be on the topic, too
                if last.name == f'{self._world.namespace[1:]}/power: power' and wanted(last):
                    return last
        pytest.fail(f'the last summary was {last}')

    def call(self, service: str) -> Trigger.Response:
        client = self.robot.create_client(Trigger, f'power/{service}')
        assert client.wait_for_service(PATIENCE)
        future = client.call_async(Trigger.Request())
        until(future.done, service)
        return future.result()


def values_of(status: DiagnosticStatus) -> dict[str, str]:
    return {entry.key: entry.value for entry in status.values}
