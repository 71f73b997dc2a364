# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""From what a pass and a live run gave to the figures that table, report and JSON share."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eipl_trt_ros.bundle import YAML_NAME, Bundle
from eipl_trt_ros.evaluation import metrics
from eipl_trt_ros.evaluation.live import LiveRun, aligned, equal_frames
from eipl_trt_ros.evaluation.metrics import Latency, latency
from eipl_trt_ros.evaluation.offline import Pass
from eipl_trt_ros.files import sha256_of

# the paper's five steps (section 4) -> the parts of a frame that belong to them
FIVE_STEPS = {
    'pre-process': ('pre_process',),
    'copy in': ('copy_in', 'image_copy_in'),
    'infer': ('infer', 'image_infer'),
    'copy out': ('copy_out', 'image_copy_out'),
    'post-process': ('post_process', 'image_post_process'),
}
_MOTION = ('pre_process', 'copy_in', 'infer', 'copy_out', 'post_process')


@dataclass(frozen=True)
class JointFigures:
    """How well one joint was predicted; MSE in normalised units, RMSE in the joint's own unit."""

    name: str
    mse: float
    mse_persistence: float
    rmse: float
    rmse_persistence: float


@dataclass(frozen=True)
class LiveFigures:
    """
    What only a live run can tell.

    Attributes:
        images: images published to the node.
        frames: frames that it ran.
        dropped: images that did not become frames, by cause.
        equal: frames equal to the offline pass to the last bit, of ``expected`` ones.
        command_ms: from the image's stamp to the arrival of the command.
        camera_ms: what the camera took of it, as recorded.
        node_ms: what the node took of it: from the arrival of the image to the command.

    """

    images: int
    frames: int
    dropped: Mapping[str, int]
    equal: int
    expected: int
    command_ms: Latency
    camera_ms: Latency
    node_ms: Latency


@dataclass(frozen=True)
class Figures:
    """
    All figures of one bundle on one recording.

    Attributes:
        frames: frames of the run the figures are of: the live run where there was one.
        dropped: images that did not become frames in it, by cause.
        joint_mse: the paper's section 5.3, in normalised units.
        joint_mse_persistence: the same for the guess that nothing moves.
        image_error, image_persistence: mean absolute grey levels, one step ahead.
        steps_ms: each of the five steps over motion and image graph, by `FIVE_STEPS`.
        parts_ms: the same, motion and image graph apart, by `StepTimes.STEPS`.
        motion_ms: steps 1 to 5 of the motion graph: inputs to command.
        frame_ms: steps 1 to 5 of both graphs.

    """

    name: str
    model: str
    backend: str
    precision: str
    device: str
    bundle_sha256: str
    rate_hz: float
    images: int
    frames: int
    dropped: Mapping[str, int]
    pairs: int
    joint_mse: float
    joint_mse_persistence: float
    joints: tuple[JointFigures, ...]
    image_error: float
    image_persistence: float
    steps_ms: Mapping[str, Latency]
    parts_ms: Mapping[str, Latency]
    motion_ms: Latency
    frame_ms: Latency
    live: LiveFigures | None

    @property
    def dropped_total(self) -> int:
        """Images that did not become frames."""
        return sum(self.dropped.values())

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain values for JSON; what was not measured is ``None``."""
        return _plain(asdict(self))


@dataclass(frozen=True)
class Result:
    """One bundle on one recording: what ran, and the figures of it."""

    run: Pass
    live: LiveRun | None = None
    equal: NDArray[np.bool_] | None = field(default=None)

    @property
    def predicted(self) -> NDArray[np.float64]:
        """Predicted joints (N, D) by frame of the offline pass: the node's, where it ran."""
        return self.run.predicted if self.live is None else aligned(self.run, self.live)

    @property
    def steps_ms(self) -> Mapping[str, NDArray[np.float64]]:
        """Durations of the steps: the node's, where it ran."""
        return self.run.steps_ms if self.live is None else self.live.steps_ms

    def total_ms(self, *, image: bool) -> NDArray[np.float64]:
        """Steps 1 to 5 by frame, with or without the image graph's."""
        names = [name for name in self.steps_ms if image or name in _MOTION]
        return np.sum([self.steps_ms[name] for name in names], axis=0)


def make_result(run: Pass, live: LiveRun | None = None) -> Result:
    """Join a pass with the live run of the same bundle and recording, where there was one."""
    return Result(run, live, None if live is None else equal_frames(run, live))


def figures_of(result: Result) -> Figures:
    """
    Compute the figures.

    Args:
        result: a pass, and the live run if there was one.

    Returns:
        The figures; those of the live run where it differs from the pass.

    """
    run, live, bundle = result.run, result.live, result.run.bundle
    spans = (bundle.joint_maximum - bundle.joint_minimum) / (bundle.vmax - bundle.vmin)
    errors = metrics.joint_errors(result.predicted, run.joints, run.pairs, spans)
    baseline = metrics.persistence(run.joints, run.pairs, spans)
    of_live = None
    if live is not None and result.equal is not None:
        of_live = LiveFigures(
            live.images,
            live.frames,
            dict(live.dropped),
            int(result.equal.sum()),
            run.frames,
            latency(live.command_ms),
            latency(run.camera_ms),
            latency(live.node_ms),
        )
    return Figures(
        name=bundle.name,
        model=bundle.model.type,
        backend=run.backend,
        precision=run.precision,
        device=run.device,
        bundle_sha256=_checksum(bundle),
        rate_hz=bundle.rate_hz,
        images=run.images if live is None else live.images,
        frames=run.frames if live is None else live.frames,
        dropped=dict(run.dropped if live is None else live.dropped),
        pairs=errors.pairs,
        joint_mse=errors.mse,
        joint_mse_persistence=baseline.mse,
        joints=tuple(
            JointFigures(name, *(float(value) for value in values))
            for name, *values in zip(
                bundle.joint_names,
                errors.per_joint,
                baseline.per_joint,
                errors.rmse_rad,
                baseline.rmse_rad,
                strict=True,
            )
        ),
        image_error=run.image_error,
        image_persistence=run.image_persistence,
        steps_ms={
            step: latency(np.sum([result.steps_ms[part] for part in parts], axis=0))
            for step, parts in FIVE_STEPS.items()
        },
        parts_ms={part: latency(values) for part, values in result.steps_ms.items()},
        motion_ms=latency(result.total_ms(image=False)),
        frame_ms=latency(result.total_ms(image=True)),
        live=of_live,
    )


def _checksum(bundle: Bundle) -> str:
    """Checksum of ``bundle.yaml``, which holds those of all other files."""
    return sha256_of(bundle.path / YAML_NAME)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
