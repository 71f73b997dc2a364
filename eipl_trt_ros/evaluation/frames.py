# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
The frames that a model would run over a recording, and what is wrong with the recording.

The synchronizer is the very one of the node and is fed in the order of the log, so the frames are
those that the node would run on a machine that never falls behind.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.closing import Closing
from eipl_trt_ros.errors import BagError
from eipl_trt_ros.evaluation.bags import Bag, ImageEvent, JointsEvent
from eipl_trt_ros.progress import Progress, untold
from eipl_trt_ros.sync import DropCause, Synchronizer

_GAP = 1.0  # seconds without a frame that are worth a word
_UNREADABLE = 'picture cannot be decoded'


@dataclass(frozen=True)
class Frame:
    """
    One frame of a recording.

    Attributes:
        stamp_ns: stamp of its image, in nanoseconds.
        log_ns: when the image was recorded, in nanoseconds.
        reset: whether the model's state is reset before it, because time went back.
        picture: uint8 (h, w, 3) in the bundle's encoding; may be a view of the recording.
        joints: float64 (D,) in the bundle's order, joint units (rad); NaN where not measured.

    """

    stamp_ns: int
    log_ns: int
    reset: bool
    picture: NDArray[np.uint8]
    joints: NDArray[np.float64]


@dataclass(frozen=True)
class ReadSettings:
    """
    How a recording is read.

    Attributes:
        image_topic: topic of the pictures; ``None``: the only one of an image type.
        joint_topic: topic of the joints; ``None``: the only one that fits.
        slop: how far apart an image and the joints nearest to it may be, in seconds.

    """

    image_topic: str | None = None
    joint_topic: str | None = None
    slop: float = 0.05


@dataclass
class _Health:
    """What was met while reading that a person should know."""

    damage: str = ''
    lost: int = 0
    unreadable: str = ''
    unreadable_count: int = 0
    joints_back: int = 0
    newest_joints_ns: int | None = None
    last_ns: int | None = None
    gaps: list[tuple[float, int]] = field(default_factory=list)

    def see_joints(self, stamp_ns: int) -> None:
        if self.newest_joints_ns is not None and stamp_ns < self.newest_joints_ns:
            self.joints_back += 1
        self.newest_joints_ns = stamp_ns

    def see_frame(self, stamp_ns: int) -> None:
        if self.last_ns is not None:
            seconds = (stamp_ns - self.last_ns) / 1e9
            if seconds >= _GAP:
                self.gaps.append((seconds, self.last_ns))
        self.last_ns = stamp_ns


class FrameReader(Closing):
    """
    Reads the frames of a recording for one bundle, once.

    A damaged recording is read as far as it goes; `problems` then says so.

    Args:
        path: the recording.
        bundle: whose joints, encoding and rate count.
        settings: how to read.

    Raises:
        BagError: the recording cannot be opened, or lacks a topic or joints.

    """

    def __init__(self, path: Path, bundle: Bundle, settings: ReadSettings) -> None:
        measured = [joint.name for joint in bundle.joints if joint.source == 'joint_states']
        self.bag = Bag(
            path,
            joint_names=measured,
            image_topic=settings.image_topic,
            joint_topic=settings.joint_topic,
        )
        self._encoding = bundle.camera.encoding
        self._synchronizer = Synchronizer(
            bundle.joints, rate_hz=bundle.rate_hz, slop=settings.slop
        )
        self._health = _Health()
        self.images = 0
        """Images met so far."""

    def close(self) -> None:
        """Let go of the recording's files."""
        self.bag.close()

    @property
    def dropped(self) -> dict[str, int]:
        """Images that did not become frames, by cause; those between two ticks do not count."""
        causes = {
            cause.value: count
            for cause, count in self._synchronizer.counters.items()
            if count and cause is not DropCause.RATE
        }
        if self._health.unreadable_count:
            causes[_UNREADABLE] = self._health.unreadable_count
        return causes

    def frames(self, progress: Progress = untold) -> Iterator[Frame]:
        """
        Yield the frames in the order of the log.

        Args:
            progress: told the share of the images that are done.

        Raises:
            BagError: no image became a frame; the text says why and what was expected.

        """
        count, recorded = 0, self.bag.image_count
        try:
            for event in self.bag.events():
                if isinstance(event, JointsEvent):
                    self._health.see_joints(event.stamp_ns)
                    self._synchronizer.add_joints(
                        event.stamp_ns, event.names, event.positions.tolist()
                    )
                    continue
                self.images += 1
                progress(self.images / recorded)
                frame = self._frame(event)
                if frame is not None:
                    count += 1
                    yield frame
        except BagError as error:
            if not count:
                raise
            self._health.damage = f'{error}; what came before the damage was evaluated'
        else:
            self._health.lost = recorded - self.images
        if not count:
            raise BagError(self._nothing())

    def _frame(self, event: ImageEvent) -> Frame | None:
        offer = self._synchronizer.offer(event.stamp_ns)
        if offer.cause is not None:
            return None
        try:
            picture = event.picture(self._encoding)
        except BagError as error:
            self._health.unreadable = self._health.unreadable or str(error)
            self._health.unreadable_count += 1
            return None
        self._health.see_frame(event.stamp_ns)
        return Frame(event.stamp_ns, event.log_ns, offer.reset, picture, offer.joints)

    def _nothing(self) -> str:
        causes = ', '.join(f'{cause}: {count}' for cause, count in self.dropped.items())
        msg = (
            f'{self.bag.path}: none of the {self.images} images of {self.bag.image_topic} became '
        )
        msg += f'a frame ({causes or "no image"}): do their stamps and those of '
        msg += f'{self.bag.joint_topic} cover the same time? {self.bag.path} holds '
        return (
            msg
            + self.bag.contents()
            + (f'; first picture: {self._health.unreadable}' if self._health.unreadable else '')
        )

    def problems(self) -> tuple[str, ...]:
        """Tell, once the frames were read, what is wrong with the recording, a line each."""
        health, dropped = self._health, self.dropped
        lines = [health.damage] if health.damage else []
        if health.lost > 0:
            lines.append(
                f'{self.bag.path}: damaged: it says that it holds {self.bag.image_count} images '
                f'of {self.bag.image_topic}, but {health.lost} of them are not there'
            )
        if health.gaps:
            longest, after = max(health.gaps)
            lines.append(
                f'{len(health.gaps)} gap(s) of {_GAP:g} s or more without a frame, the longest '
                f'{longest:.1f} s after stamp {after / 1e9:.3f} s: predictions across a gap are '
                'not compared, and the state is reset where the node would'
            )
        jumps = self._synchronizer.jumps
        if jumps:
            lines.append(f'time goes back {jumps} time(s): the state was reset there')
        if dropped.get(DropCause.LATE.value):
            lines.append(
                f'{dropped[DropCause.LATE.value]} image(s) bear an older stamp than the image '
                'before: left out, as the node does'
            )
        if health.joints_back:
            lines.append(f'{health.joints_back} joint message(s) bear an older stamp than before')
        if health.unreadable:
            lines.append(f'{health.unreadable_count} picture(s) left out: {health.unreadable}')
        return tuple(lines)


def first_stretch(
    path: Path,
    bundle: Bundle,
    settings: ReadSettings,
    *,
    frames: int,
    megabytes: float = 512.0,
) -> list[Frame]:
    """
    Read the begin of a recording into memory, up to the first reset or gap.

    Args:
        path: the recording.
        bundle: the model.
        settings: how to read.
        frames: how many frames at most.
        megabytes: how much memory the pictures may take.

    Raises:
        BagError: see `FrameReader`.

    """
    kept: list[Frame] = []
    size = 0.0
    with FrameReader(path, bundle, settings) as reader:
        for frame in reader.frames():
            size += frame.picture.nbytes / 1e6
            if kept and (_broken(kept[-1], frame) or len(kept) == frames or size > megabytes):
                break
            kept.append(frame)
    return kept


def _broken(before: Frame, frame: Frame) -> bool:
    return frame.reset or frame.stamp_ns - before.stamp_ns >= _GAP * 1e9
