# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""From what ran to the rows that tables, report and JSON share: one a bundle and configuration."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eipl_trt_ros.backends import StepTimes
from eipl_trt_ros.bundle import YAML_NAME, Bundle
from eipl_trt_ros.evaluation.accuracy import Accuracy, accuracy_of
from eipl_trt_ros.evaluation.configurations import Identity
from eipl_trt_ros.evaluation.drift import Drift
from eipl_trt_ros.evaluation.energy_run import EnergyResult
from eipl_trt_ros.evaluation.live import LiveRun, aligned, equal_frames
from eipl_trt_ros.evaluation.metrics import Latency, latency
from eipl_trt_ros.evaluation.offline import Pass
from eipl_trt_ros.evaluation.spread import Figure, Timing, ratio_of, timing_of
from eipl_trt_ros.evaluation.timing import BLOCK, StepLog
from eipl_trt_ros.files import sha256_of

# the paper's five steps (section 4) -> the parts of a frame that belong to them
FIVE_STEPS = {
    'pre-process': ('pre_process',),
    'copy in': ('copy_in', 'image_copy_in'),
    'infer': ('infer', 'image_infer'),
    'copy out': ('copy_out', 'image_copy_out'),
    'post-process': ('post_process', 'image_post_process'),
}
_MOTION = StepTimes.STEPS[:5]


@dataclass(frozen=True)
class Times:
    """
    How long a configuration takes a frame, in milliseconds.

    Attributes:
        device: steps (2) to (4), motion and image: the paper's table 4.
        frame: steps (1) to (5), motion and image: the paper's table 5.
        device_command, command: the same without the image, which runs behind the command.
        steps: each of the five steps, motion and image together.
        parts: the same, motion and image graph apart, by `StepTimes.STEPS`.
        speed_device, speed_frame, speed_command: how many times as fast as others run in the
            same blocks of frames, ratio of the medians: by ``'baseline'`` and ``'fp32'``.
        every: of how many frames that ran one was timed, see `frames_apart`.

    """

    device: Timing
    frame: Timing
    device_command: Timing
    command: Timing
    steps: Mapping[str, Latency]
    parts: Mapping[str, Latency]
    speed_device: Mapping[str, Figure]
    speed_frame: Mapping[str, Figure]
    speed_command: Mapping[str, Figure]
    every: int


@dataclass(frozen=True)
class LiveFigures:
    """
    What only a live run can tell.

    Attributes:
        images: images published to the node.
        frames: frames that it ran.
        dropped: images that did not become frames, by cause.
        equal: frames equal to the offline pass to the last bit, of ``expected`` ones.
        joint_mse: of the node's predictions, in normalised units.
        command_ms: from the image's stamp to the arrival of the predicted joints.
        camera_ms: what the camera took of it, as recorded.
        node_ms: what the node took of it: from the arrival of the image to the joints.
        motion_ms: steps (1) to (5) of the motion graph, in the node.
        frame_ms: the same with the image graph.

    """

    images: int
    frames: int
    dropped: Mapping[str, int]
    equal: int
    expected: int
    joint_mse: float
    command_ms: Latency
    camera_ms: Latency
    node_ms: Latency
    motion_ms: Latency
    frame_ms: Latency


@dataclass(frozen=True)
class BagFigures:
    """One recording's part in a row; where times come from a recording, it is the first."""

    bag: str
    path: Path
    images: int
    dropped: Mapping[str, int]
    accuracy: Accuracy


@dataclass
class Row:
    """
    One configuration of one bundle: the figures, and the data behind them for the charts.

    Attributes:
        bundle: the model.
        identity: what runs it.
        reference: whether it is the fp32 that the others of its bundle are compared with.
        accuracy: over all recordings.
        bags: by recording.
        drifts: closed-loop rollouts.
        times: None where nothing was timed.
        energy: None where none was asked for.
        live: None without a live run.
        passes: the passes behind the accuracy.
        log: the timed frames.
        live_run, equal: the live run, and which frames were equal to the pass.

    """

    bundle: Bundle
    identity: Identity
    reference: bool
    accuracy: Accuracy
    bags: tuple[BagFigures, ...]
    drifts: tuple[Drift, ...]
    times: Times | None = None
    energy: EnergyResult | None = None
    live: LiveFigures | None = None
    passes: Sequence[Pass] = field(default=(), repr=False)
    log: StepLog | None = field(default=None, repr=False)
    live_run: LiveRun | None = field(default=None, repr=False)
    equal: NDArray[np.bool_] | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """Bundle and configuration, for people."""
        return f'{self.bundle.name}, {self.identity.label}'

    @property
    def dropped(self) -> dict[str, int]:
        """Images that did not become frames, by cause, over all recordings."""
        total: dict[str, int] = {}
        for bag in self.bags:
            for cause, count in bag.dropped.items():
                total[cause] = total.get(cause, 0) + count
        return total

    def as_dict(self) -> dict[str, Any]:
        """Return the figures as plain values for JSON; what was not measured is ``None``."""
        return plain(
            {
                'bundle': self.bundle.name,
                'model': self.bundle.model.type,
                'configuration': asdict(self.identity),
                'reference': self.reference,
                'accuracy': self.accuracy,
                'bags': self.bags,
                'drift': self.drifts,
                'times': self.times,
                'energy': None if self.energy is None else _energy(self.energy),
                'live': self.live,
            }
        )


def _energy(result: EnergyResult) -> dict[str, Any]:
    return {
        'frames_asked': result.frames_asked,
        'frames': result.frames,
        'reason': result.reason,
        'measurement': None if result.run is None else result.run.as_dict(),
    }


def make_row(
    passes: Sequence[Pass],
    reference: Sequence[Pass] | None,
    *,
    bags: Sequence[Path],
    drifts: tuple[Drift, ...],
    tolerance: float,
) -> Row:
    """
    Sum up the passes of one configuration.

    Args:
        passes: one a recording.
        reference: those of fp32; None without.
        bags: the recordings.
        drifts: closed-loop rollouts.
        tolerance: see `CommandDifference`.

    """
    figures = tuple(
        BagFigures(
            bag.resolve().name,
            bag,
            run.images,
            dict(run.dropped),
            accuracy_of([run], None if reference is None else [reference[i]], tolerance),
        )
        for i, (bag, run) in enumerate(zip(bags, passes, strict=True))
    )
    return Row(
        bundle=passes[0].bundle,
        identity=passes[0].identity,
        reference=reference is not None and reference[0] is passes[0],
        accuracy=accuracy_of(passes, reference, tolerance),
        bags=figures,
        drifts=drifts,
        passes=passes,
    )


def add_times(rows: Sequence[Row], logs: Mapping[str, StepLog]) -> None:
    """
    Put what was timed of a bundle's configurations into their rows.

    Args:
        rows: of one bundle.
        logs: by the label of the configuration; rows without one stay without times.

    """
    timed = [row for row in rows if row.identity.label in logs]
    others = {
        'baseline': next((row for row in timed if row.identity.baseline), None),
        'fp32': next((row for row in timed if row.reference), None),
    }
    found = {name: logs[row.identity.label] for name, row in others.items() if row is not None}
    for row in timed:
        row.log = logs[row.identity.label]
        row.times = _times(row.log, found)


def _times(log: StepLog, others: Mapping[str, StepLog]) -> Times:
    def speed(part: str) -> dict[str, Figure]:
        own = getattr(log, part)
        return {name: ratio_of(getattr(other, part), own, BLOCK) for name, other in others.items()}

    return Times(
        device=timing_of(log.device, BLOCK),
        frame=timing_of(log.frame, BLOCK),
        device_command=timing_of(log.device_command, BLOCK),
        command=timing_of(log.command, BLOCK),
        steps={name: latency(log.milliseconds(*parts)) for name, parts in FIVE_STEPS.items()},
        parts={part: latency(log.milliseconds(part)) for part in StepTimes.STEPS},
        speed_device=speed('device'),
        speed_frame=speed('frame'),
        speed_command=speed('command'),
        every=log.every,
    )


def add_live(row: Row, live: LiveRun) -> None:
    """Put the live run of a row's bundle and configuration into the row."""
    run = row.passes[0]
    row.live_run = live
    row.equal = equal_frames(run, live)
    row.live = LiveFigures(
        images=live.images,
        frames=live.frames,
        dropped=dict(live.dropped),
        equal=int(row.equal.sum()),
        expected=run.frames,
        joint_mse=accuracy_of([run], None, 0.0, [aligned(run, live)]).joint_mse,
        command_ms=latency(live.command_ms),
        camera_ms=latency(run.camera_ms),
        node_ms=latency(live.node_ms),
        motion_ms=latency(_total(live.steps_ms, _MOTION)),
        frame_ms=latency(_total(live.steps_ms, StepTimes.STEPS)),
    )


def _total(
    steps_ms: Mapping[str, NDArray[np.float64]], names: Sequence[str]
) -> NDArray[np.float64]:
    return np.sum([steps_ms[name] for name in names], axis=0)


def checksum_of(bundle: Bundle) -> str:
    """Return the checksum of ``bundle.yaml``, which holds those of all other files."""
    return sha256_of(bundle.path / YAML_NAME)


def plain(value: Any) -> Any:
    """Return dataclasses, tuples and numpy numbers as JSON's values; not finite is ``None``."""
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
