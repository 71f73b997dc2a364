# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
The deterministic pass: a recording through the synchronizer and the predictor, no ROS.

The synchronizer is the very one of the node and is fed in the order of the log, so the frames are
those that the node would run on a machine that never falls behind. Two passes over one recording
give the same predictions to the last bit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eipl_trt_ros.backends import StepTimes
from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.errors import BagError
from eipl_trt_ros.evaluation.bags import Bag, ImageEvent, JointsEvent
from eipl_trt_ros.evaluation.metrics import grey_levels, neighbours
from eipl_trt_ros.evaluation.strip import Strip
from eipl_trt_ros.predictor import Predictor, open_predictor
from eipl_trt_ros.progress import Progress, untold
from eipl_trt_ros.sync import DropCause, Synchronizer


@dataclass(frozen=True)
class PassSettings:
    """
    How a recording is read and a bundle is run.

    Attributes:
        image_topic: topic of the pictures; ``None``: the only one of an image type.
        joint_topic: topic of the joints; ``None``: the only one that fits.
        backend: name of the backend, see `load_backend`.
        precision: ``fp32``, ``fp16`` or ``int8``.
        threads: CPU threads for one inference.
        slop: how far apart an image and the joints nearest to it may be, in seconds.

    """

    image_topic: str | None = None
    joint_topic: str | None = None
    backend: str = 'auto'
    precision: str = 'fp32'
    threads: int = 1
    slop: float = 0.05


@dataclass(frozen=True)
class Pass:
    """
    What one pass of one bundle over one recording gave; N frames, D joints, K points.

    Attributes:
        bundle: the model that ran.
        backend, precision, device: what ran it.
        image_topic, joint_topic: what was read.
        seconds: length of the recording.
        images: how many images it offered.
        stamps_ns: int64 (N,), stamps of the images, in nanoseconds.
        camera_ms: float64 (N,), from the image's stamp to when it was recorded: what the camera
            and its driver took, in milliseconds.
        resets: bool (N,), True where the state was reset before the frame.
        joints: float64 (N, D), the measured joints at the stamps, in radians; NaN where a
            joint is fed back and was not recorded.
        predicted: float64 (N, D), the joints one step later, in radians.
        encoder_points, decoder_points: float32 (N, K, 2), SARNN only, in 0..1.
        digests: SHA-1 of each predicted image, to tell whether another run gave the same.
        image_error: mean absolute error of the predicted images against the camera's one step
            later, in grey levels; NaN where there was nothing to compare.
        image_persistence: the same for the guess that nothing moves.
        steps_ms: float64 (N,) by step name (`StepTimes.STEPS`), in milliseconds.
        dropped: how many images did not become frames, by cause; the images between two ticks
            of the model's rate are not among them.
        strip: pictures for the report.

    """

    bundle: Bundle
    backend: str
    precision: str
    device: str
    image_topic: str
    joint_topic: str
    seconds: float
    images: int
    stamps_ns: NDArray[np.int64]
    camera_ms: NDArray[np.float64]
    resets: NDArray[np.bool_]
    joints: NDArray[np.float64]
    predicted: NDArray[np.float64]
    encoder_points: NDArray[np.float32] | None
    decoder_points: NDArray[np.float32] | None
    digests: tuple[str, ...]
    image_error: float
    image_persistence: float
    steps_ms: Mapping[str, NDArray[np.float64]]
    dropped: Mapping[str, int]
    strip: Strip

    @property
    def frames(self) -> int:
        """How many frames ran."""
        return len(self.stamps_ns)

    @property
    def pairs(self) -> NDArray[np.intp]:
        """The frames whose prediction can be compared with the next one, see `neighbours`."""
        return neighbours(self.stamps_ns, self.resets, self.bundle.rate_hz)


@dataclass
class _Recorder:
    """Collects the frames of a pass while it runs."""

    rate_hz: float
    stamps: list[int] = field(default_factory=list)
    camera_ms: list[float] = field(default_factory=list)
    resets: list[bool] = field(default_factory=list)
    joints: list[NDArray[np.float64]] = field(default_factory=list)
    predicted: list[NDArray[np.float64]] = field(default_factory=list)
    encoder_points: list[NDArray[np.float32]] = field(default_factory=list)
    decoder_points: list[NDArray[np.float32]] = field(default_factory=list)
    digests: list[str] = field(default_factory=list)
    errors: list[tuple[float, float]] = field(default_factory=list)
    steps: list[dict[str, int]] = field(default_factory=list)
    strip: Strip = field(default_factory=Strip)

    def add(
        self, event: ImageEvent, reset: bool, joints: NDArray[np.float64], predictor: Predictor
    ) -> None:
        """Copy what the predictor's last frame gave."""
        backend = predictor.backend
        image = predictor.predicted_image()
        self.steps.append(predictor.timing.as_dict())
        self.stamps.append(event.stamp_ns)
        self.camera_ms.append((event.log_ns - event.stamp_ns) / 1e6)
        self.resets.append(reset)
        self._compare_pictures(backend.image)
        self.joints.append(joints.copy())
        self.predicted.append(backend.predicted_joints.astype(np.float64))
        if backend.encoder_points is not None and backend.decoder_points is not None:
            self.encoder_points.append(backend.encoder_points.copy())
            self.decoder_points.append(backend.decoder_points.copy())
        self.digests.append(digest_of(image))
        self.strip.add(backend.image, image)

    def _compare_pictures(self, camera: NDArray[np.uint8]) -> None:
        """Hold the newest camera image against what the frame before predicted and saw."""
        last = self.strip.newest
        stamps = np.array(self.stamps[-2:], np.int64)
        resets = np.array(self.resets[-2:], np.bool_)
        if last is not None and neighbours(stamps, resets, self.rate_hz).size:
            seen, predicted = last
            self.errors.append((grey_levels(predicted, camera), grey_levels(seen, camera)))


def digest_of(image: NDArray[np.uint8]) -> str:
    """Return a short text that is equal for equal images (not a protection of anything)."""
    return hashlib.sha1(np.ascontiguousarray(image).data, usedforsecurity=False).hexdigest()


def run_offline(
    bundle: Bundle, bag_path: Path, settings: PassSettings, progress: Progress = untold
) -> Pass:
    """
    Run a bundle over a recording.

    Args:
        bundle: the model.
        bag_path: the recording.
        settings: how to read and run.
        progress: told the share of the images that are done.

    Returns:
        All that the pass gave.

    Raises:
        BagError: the recording cannot be read, lacks a topic or joints, or gives no frame.
        BackendError: the backend cannot be made or fails.

    """
    measured = [joint.name for joint in bundle.joints if joint.source == 'joint_states']
    with (
        open_predictor(
            bundle, settings.backend, precision=settings.precision, threads=settings.threads
        ) as predictor,
        Bag(
            bag_path,
            joint_names=measured,
            image_topic=settings.image_topic,
            joint_topic=settings.joint_topic,
        ) as bag,
    ):
        return _run(bag, predictor, settings, progress)


def _run(bag: Bag, predictor: Predictor, settings: PassSettings, progress: Progress) -> Pass:
    bundle = predictor.bundle
    synchronizer = Synchronizer(bundle.joints, rate_hz=bundle.rate_hz, slop=settings.slop)
    recorder = _Recorder(bundle.rate_hz)
    images, recorded = 0, bag.image_count
    for event in bag.events():
        if isinstance(event, JointsEvent):
            synchronizer.add_joints(event.stamp_ns, event.names, event.positions.tolist())
            continue
        images += 1
        progress(images / recorded)
        offer = synchronizer.offer(event.stamp_ns)
        if offer.reset:
            predictor.reset()
        if offer.cause is not None:
            continue
        predictor.step(event.picture(bundle.camera.encoding), offer.joints)
        recorder.add(event, offer.reset, offer.joints, predictor)
    dropped = {
        cause.value: count
        for cause, count in synchronizer.counters.items()
        if count and cause is not DropCause.RATE
    }
    if not recorder.stamps:
        causes = ', '.join(f'{cause}: {count}' for cause, count in dropped.items())
        msg = f'{bag.path}: none of the {images} images of {bag.image_topic} became a frame '
        msg += f'({causes}): do their stamps and those of {bag.joint_topic} cover the same time?'
        raise BagError(msg)
    return _gather(bag, predictor, recorder, images, dropped)


def _gather(
    bag: Bag,
    predictor: Predictor,
    recorder: _Recorder,
    images: int,
    dropped: Mapping[str, int],
) -> Pass:
    errors = np.array(recorder.errors or [(np.nan, np.nan)])
    return Pass(
        bundle=predictor.bundle,
        backend=predictor.backend.name,
        precision=predictor.backend.precision,
        device=predictor.backend.device,
        image_topic=bag.image_topic,
        joint_topic=bag.joint_topic,
        seconds=bag.duration,
        images=images,
        stamps_ns=np.array(recorder.stamps, np.int64),
        camera_ms=np.array(recorder.camera_ms),
        resets=np.array(recorder.resets, np.bool_),
        joints=np.array(recorder.joints, np.float64),
        predicted=np.array(recorder.predicted),
        encoder_points=_stacked(recorder.encoder_points),
        decoder_points=_stacked(recorder.decoder_points),
        digests=tuple(recorder.digests),
        image_error=float(errors[:, 0].mean()),
        image_persistence=float(errors[:, 1].mean()),
        steps_ms={
            name: np.array([steps[name] for steps in recorder.steps]) / 1e6
            for name in StepTimes.STEPS
        },
        dropped=dropped,
        strip=recorder.strip,
    )


def _stacked(points: list[NDArray[np.float32]]) -> NDArray[np.float32] | None:
    return np.array(points) if points else None
