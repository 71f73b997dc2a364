# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The parameters of `power_node`."""

from __future__ import annotations

from dataclasses import dataclass, fields

from rclpy.node import Node

from eipl_trt_ros.energy.meter import PAPER_WARM_UP
from eipl_trt_ros.energy.sampler import DEFAULT_INTERVAL, DEFAULT_JITTER
from eipl_trt_ros.energy.sources import SOURCES
from eipl_trt_ros.nodes.parameters import Setting

SETTINGS = (
    Setting(
        'source',
        'auto',
        'Where power is read: jtop (jtop.service of a Jetson), ina3221 (its sensors directly), '
        'nvml (an NVIDIA GPU), recorded (a CSV file or bag); auto takes the first that is there.',
        choices=SOURCES,
        read_only=True,
    ),
    Setting(
        'timing_topics',
        'predictor/frame_timing',
        'Topics with the frame timing of the predictors on this board, separated by commas.',
        read_only=True,
    ),
    Setting(
        'interval',
        DEFAULT_INTERVAL,
        "Mean time between power samples, in seconds. Better no multiple of the frames' period: "
        'samples that keep step with frames see the same part of each. The paper used 1.0.',
        low=0.02,
        high=10.0,
        read_only=True,
    ),
    Setting(
        'jitter',
        DEFAULT_JITTER,
        'Part of the interval by which each wait is shorter or longer at most, at random; has no '
        'effect on jtop and recorded, whose samples come by themselves.',
        low=0.0,
        high=0.5,
        read_only=True,
    ),
    Setting(
        'window',
        10.0,
        'Length of the window for means, in seconds.',
        low=0.1,
        high=600.0,
        read_only=True,
    ),
    Setting(
        'warm_up',
        PAPER_WARM_UP,
        'How long after the first frame, and after a change of the power mode, power is not used, '
        'in seconds; 3 as in the paper.',
        low=0.0,
        high=600.0,
        read_only=True,
    ),
    Setting(
        'maximum_power',
        0.0,
        'Power above this is not believed, in watts; 0 takes a limit by the source.',
        low=0.0,
        high=100_000.0,
        read_only=True,
    ),
    Setting(
        'idle_power',
        0.0,
        'Power of the board at rest, in watts, from a measurement without frames; 0 is not known. '
        'It is reported beside the other figures and never subtracted from them.',
        low=0.0,
        high=100_000.0,
        read_only=True,
    ),
    Setting('recording', '', "CSV file or bag for the source 'recorded'.", read_only=True),
    Setting(
        'gpu',
        0,
        'Index of the GPU for nvml, as nvidia-smi counts.',
        low=0,
        high=64,
        read_only=True,
    ),
    Setting('result_file', '', 'JSON file that ~/stop_measurement writes.'),
    Setting(
        'longest_measurement',
        3600.0,
        'A measurement that nobody stops is ended and written after this time, in seconds.',
        low=1.0,
        high=86_400.0,
        read_only=True,
    ),
)


@dataclass(frozen=True)
class PowerSettings:
    """The values of `SETTINGS`, except for the file, which may be changed while the node runs."""

    source: str
    timing_topics: str
    interval: float
    jitter: float
    window: float
    warm_up: float
    maximum_power: float
    idle_power: float
    recording: str
    gpu: int
    longest_measurement: float


def read_power_settings(node: Node) -> PowerSettings:
    """Return the parameters' values."""
    names = [field.name for field in fields(PowerSettings)]
    return PowerSettings(**{name: node.get_parameter(name).value for name in names})
