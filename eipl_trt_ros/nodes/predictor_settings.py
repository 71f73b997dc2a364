# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The parameters of `predictor_node`."""

from __future__ import annotations

from dataclasses import dataclass, fields

from rclpy.node import Node

from eipl_trt_ros.arbiter import ARBITERS
from eipl_trt_ros.backends import BACKENDS, PRECISION_CHOICES
from eipl_trt_ros.nodes.parameters import Setting

IMAGE_TRANSPORTS = ('raw', 'compressed')
RELIABILITIES = ('best_effort', 'reliable')

AUTOSTART = Setting(
    'autostart',
    False,
    'Configure and activate at the start; leave it off where a launch file or a lifecycle manager '
    'does that.',
    read_only=True,
)

PRIORITY = Setting(
    'priority',
    0,
    'Real-time priority (SCHED_FIFO) of all threads of the process, so that other programs do not '
    'hold frames up; 0 is the usual scheduling. The system must allow it (rtprio).',
    low=0,
    high=99,
    read_only=True,
)

SETTINGS = (
    Setting('bundle', '', 'Folder of the bundle to run.'),
    Setting(
        'models',
        [''],
        'Folders of several bundles to run side by side, of which one drives; where it is set, '
        'bundle is not used.',
    ),
    Setting(
        'arbiter',
        'image',
        'What chooses the model that drives: the smallest recent error of its predicted images; '
        'or joints, for an arm that somebody else moves (those of the driver come true); or the '
        "topic '~/select_model' (a bundle's folder name).",
        choices=ARBITERS,
    ),
    Setting(
        'arbiter_memory',
        10.0,
        'Over how many frames an error of a model counts.',
        low=1.0,
        high=1000.0,
    ),
    Setting(
        'arbiter_advantage',
        0.8,
        "Another model takes over only where its error is less than this share of the driver's.",
        low=0.0,
        high=1.0,
    ),
    Setting(
        'arbiter_patience',
        5,
        'And only after so many frames in a row.',
        low=1,
        high=1000,
    ),
    Setting(
        'backend',
        'auto',
        'What executes the model; auto takes the fastest there is for the precision.',
        choices=BACKENDS,
    ),
    Setting(
        'precision',
        'fp32',
        'Precision of the inference; auto takes the fastest engines within the error budget.',
        choices=PRECISION_CHOICES,
    ),
    Setting('threads', 1, 'CPU threads for one inference.', low=1, high=64),
    Setting(
        'cpu_affinity',
        [-1],
        'Processor cores for the inference thread, and for those of one inference; [-1] is any.',
    ),
    Setting(
        'input_mixing',
        1.0,
        'Share of the sensed image and joints in what the model sees, the rest being its own last '
        'prediction; 1 is sensors only, less is smoother and slower to react.',
        low=0.0,
        high=1.0,
    ),
    Setting(
        'image_transport',
        'raw',
        "raw subscribes to the topic 'image'; compressed subscribes to 'image/compressed', where "
        "the first part is 'image' after remapping.",
        choices=IMAGE_TRANSPORTS,
    ),
    Setting(
        'image_reliability',
        'best_effort',
        'QoS of the image subscription: best_effort as for sensor data, which matches every '
        'publisher; reliable asks for lost parts of large images again, at the price of delay.',
        choices=RELIABILITIES,
    ),
    Setting(
        'slop',
        0.05,
        "How far a joint sample may be from the image's stamp, in seconds; an image with none so "
        'near is dropped.',
        low=0.0,
        high=10.0,
    ),
    Setting(
        'joint_wait',
        0.0,
        'How long to hold an image back for a joint sample at or after its stamp, in seconds; 0 '
        'takes the newest sample there is.',
        low=0.0,
        high=1.0,
    ),
    Setting(
        'time_jump',
        1.0,
        'How far a stamp must go back, in seconds, to mean that time itself went back (a bag that '
        'starts again), which resets the state; anything less is a late message.',
        low=0.01,
        high=3600.0,
    ),
    Setting(
        'reset_gap',
        2.0,
        'After longer than this between the stamps of two frames, in seconds, the state is too '
        'old to go on with and is reset.',
        low=0.01,
        high=3600.0,
    ),
)


@dataclass(frozen=True)
class PredictorSettings:
    """The values of `SETTINGS`, as they are when the node is configured."""

    bundle: str
    models: list[str]
    arbiter: str
    arbiter_memory: float
    arbiter_advantage: float
    arbiter_patience: int
    backend: str
    precision: str
    threads: int
    cpu_affinity: list[int]
    input_mixing: float
    image_transport: str
    image_reliability: str
    slop: float
    joint_wait: float
    time_jump: float
    reset_gap: float

    @property
    def cores(self) -> tuple[int, ...]:
        """Processor cores for the inference thread; empty for any."""
        return () if list(self.cpu_affinity) == [-1] else tuple(self.cpu_affinity)

    @property
    def folders(self) -> tuple[str, ...]:
        """Folders of the bundles to run; empty where none is named."""
        return tuple(filter(None, self.models)) or tuple(filter(None, [self.bundle]))


def read_settings(node: Node) -> PredictorSettings:
    """Read the parameters of a node that declared `SETTINGS`."""
    names = [field.name for field in fields(PredictorSettings)]
    return PredictorSettings(**{name: node.get_parameter(name).value for name in names})
