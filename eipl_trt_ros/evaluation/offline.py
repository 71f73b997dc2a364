# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
The deterministic pass: a recording through the synchronizer and the predictor, no ROS.

All configurations of a bundle see the same frames in one reading of the recording. Two passes
over one recording give the same predictions to the last bit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.evaluation.configurations import Identity, Lineup, Opened
from eipl_trt_ros.evaluation.frames import Frame, FrameReader, ReadSettings
from eipl_trt_ros.evaluation.metrics import grey_levels, neighbours
from eipl_trt_ros.evaluation.strip import Strip
from eipl_trt_ros.progress import Progress, untold


@dataclass(frozen=True)
class PassSettings:
    """
    How a recording is read and one configuration of a bundle is run.

    Attributes:
        image_topic, joint_topic, slop: see `ReadSettings`.
        backend: name of the backend, see `load_backend`.
        precision: ``fp32``, ``fp16`` or ``int8``.
        threads: CPU threads for one inference.

    """

    image_topic: str | None = None
    joint_topic: str | None = None
    backend: str = 'auto'
    precision: str = 'fp32'
    threads: int = 1
    slop: float = 0.05

    @property
    def reading(self) -> ReadSettings:
        """How the recording is read."""
        return ReadSettings(self.image_topic, self.joint_topic, self.slop)


@dataclass(frozen=True)
class Pass:
    """
    What one configuration of one bundle gave over one recording; N frames, D joints, K points.

    Attributes:
        bundle: the model that ran.
        identity: the configuration that ran it.
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
        image_errors: float64 (M, 2), for each frame whose successor is known, mean absolute
            difference in grey levels of the camera's next image from the predicted one, and from
            this one (the guess that nothing moves).
        image_differences: float64 (N,), mean absolute difference in grey levels of the predicted
            image from that of the reference configuration; NaN where there is none.
        dropped: how many images did not become frames, by cause; the images between two ticks
            of the model's rate are not among them.
        problems: what is wrong with the recording, a line each.
        strip: pictures for the report.

    """

    bundle: Bundle
    identity: Identity
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
    image_errors: NDArray[np.float64]
    image_differences: NDArray[np.float64]
    dropped: Mapping[str, int]
    problems: tuple[str, ...]
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
    """Collects what one configuration gives while a pass runs."""

    predicted: list[NDArray[np.float64]] = field(default_factory=list)
    encoder_points: list[NDArray[np.float32]] = field(default_factory=list)
    decoder_points: list[NDArray[np.float32]] = field(default_factory=list)
    digests: list[str] = field(default_factory=list)
    errors: list[tuple[float, float]] = field(default_factory=list)
    differences: list[float] = field(default_factory=list)
    strip: Strip = field(default_factory=Strip)

    def add(self, one: Opened, linked: bool, reference: NDArray[np.uint8] | None) -> None:
        """
        Copy what the predictor's last frame gave.

        Args:
            one: the configuration.
            linked: whether the frame shows what was to be predicted at the frame before.
            reference: the image that the reference predicted.

        """
        backend = one.predictor.backend
        image = one.predictor.predicted_image()
        last = self.strip.newest
        if linked and last is not None:
            seen, predicted = last
            self.errors.append(
                (grey_levels(predicted, backend.image), grey_levels(seen, backend.image))
            )
        self.differences.append(np.nan if reference is None else grey_levels(image, reference))
        self.predicted.append(backend.predicted_joints.astype(np.float64))
        if backend.encoder_points is not None and backend.decoder_points is not None:
            self.encoder_points.append(backend.encoder_points.copy())
            self.decoder_points.append(backend.decoder_points.copy())
        self.digests.append(digest_of(image))
        self.strip.add(backend.image, image)


def digest_of(image: NDArray[np.uint8]) -> str:
    """Return a short text that is equal for equal images (not a protection of anything)."""
    return hashlib.sha1(np.ascontiguousarray(image).data, usedforsecurity=False).hexdigest()


def run_passes(
    bundle: Bundle,
    bag_path: Path,
    lineup: Lineup,
    reading: ReadSettings,
    progress: Progress = untold,
) -> list[Pass]:
    """
    Run the configurations of a bundle over a recording, side by side.

    Args:
        bundle: the model.
        bag_path: the recording.
        lineup: the configurations; their state is reset first.
        reading: how to read.
        progress: told the share of the images that are done.

    Returns:
        One pass for each configuration, in the same order.

    Raises:
        BagError: the recording cannot be read, lacks a topic or joints, or gives no frame.
        BackendError: a backend fails.

    """
    recorders = [_Recorder() for _ in lineup.opened]
    frames: list[Frame] = []
    for one in lineup.opened:
        one.predictor.reset()
    with FrameReader(bag_path, bundle, reading) as reader:
        for frame in reader.frames(progress):
            _run(frame, _linked(frames, frame, bundle.rate_hz), lineup, recorders)
            frames.append(_without_picture(frame))
        return [
            _gather(bundle, one, recorder, frames, reader)
            for one, recorder in zip(lineup.opened, recorders, strict=True)
        ]


def _run(frame: Frame, linked: bool, lineup: Lineup, recorders: Sequence[_Recorder]) -> None:
    for one in lineup.opened:
        if frame.reset:
            one.predictor.reset()
        one.predictor.step(frame.picture, frame.joints)
    place = lineup.reference
    reference = None if place is None else lineup.opened[place].predictor.predicted_image()
    for one, recorder in zip(lineup.opened, recorders, strict=True):
        recorder.add(one, linked, reference)


def _linked(before: Sequence[Frame], frame: Frame, rate_hz: float) -> bool:
    if not before:
        return False
    stamps = np.array([before[-1].stamp_ns, frame.stamp_ns], np.int64)
    return neighbours(stamps, np.array([False, frame.reset]), rate_hz).size > 0


_NO_PICTURE: NDArray[np.uint8] = np.zeros((0, 0, 3), np.uint8)


def _without_picture(frame: Frame) -> Frame:
    return Frame(frame.stamp_ns, frame.log_ns, frame.reset, _NO_PICTURE, frame.joints.copy())


def _gather(
    bundle: Bundle,
    one: Opened,
    recorder: _Recorder,
    frames: Sequence[Frame],
    reader: FrameReader,
) -> Pass:
    return Pass(
        bundle=bundle,
        identity=one.identity,
        image_topic=reader.bag.image_topic,
        joint_topic=reader.bag.joint_topic,
        seconds=reader.bag.duration,
        images=reader.images,
        stamps_ns=np.array([frame.stamp_ns for frame in frames], np.int64),
        camera_ms=np.array([(frame.log_ns - frame.stamp_ns) / 1e6 for frame in frames]),
        resets=np.array([frame.reset for frame in frames], np.bool_),
        joints=np.array([frame.joints for frame in frames], np.float64),
        predicted=np.array(recorder.predicted),
        encoder_points=_stacked(recorder.encoder_points),
        decoder_points=_stacked(recorder.decoder_points),
        digests=tuple(recorder.digests),
        image_errors=np.array(recorder.errors, np.float64).reshape(-1, 2),
        image_differences=np.array(recorder.differences),
        dropped=reader.dropped,
        problems=reader.problems(),
        strip=recorder.strip,
    )


def _stacked(points: list[NDArray[np.float32]]) -> NDArray[np.float32] | None:
    return np.array(points) if points else None
