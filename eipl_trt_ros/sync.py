# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Pairs each camera image with the joints at its stamp, at the model's rate.

Free of ROS: the node and the offline evaluation use the same class, so both see the same pairs.
Stamps are integer nanoseconds. Not safe for threads: one thread calls it.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eipl_trt_ros.joint_history import JointHistory
from eipl_trt_ros.rate_gate import RateGate
from eipl_trt_ros.robot import JointSpec

_LARGEST = float(np.finfo(np.float32).max)
_PLANS = 64  # distinct lists of joint names remembered; a driver has one, and a robot has few


class DropCause(enum.Enum):
    """Why an image did not become a frame."""

    RATE = 'between two ticks of the model'
    """Not a loss: the camera is faster than the model."""
    REPEATED = 'repeated'
    LATE = 'late'
    """A newer image came first."""
    NO_JOINTS = 'no joints'
    """A joint that the model needs was never heard of."""
    SLOP = 'joints too far away in time'


@dataclass(frozen=True)
class Offer:
    """
    What becomes of an image that was offered.

    Attributes:
        cause: why it is dropped; None where it is to become a frame.
        reset: whether time has jumped back since the last frame, or gone on for too long, so that
            the model's state must be reset before this one. Stays set until an image is accepted.
        joints: float64 (D,) in the bundle's order, in joint units; NaN where a joint that is fed
            back was not measured. Empty where the image is dropped.
        joint_stamp_ns: stamp of the measured sample nearest to the image; of several joints,
            that of the one farthest away. None where the image is dropped or nothing is measured.
        interpolated: whether each measured joint had a sample at or after the image's stamp;
            otherwise the newest before it was taken.

    """

    cause: DropCause | None
    reset: bool
    joints: NDArray[np.float64]
    joint_stamp_ns: int | None = None
    interpolated: bool = False


_NOTHING: NDArray[np.float64] = np.empty(0)


class Synchronizer:
    """
    Keeps the recent joint positions and decides for each image whether it becomes a frame.

    An image is never held back for a joint message: whatever is known when it is offered counts.

    Args:
        joints: the bundle's joints, in its order.
        rate_hz: rate of the model, in Hz.
        slop: how far from the image's stamp a joint sample may be, in seconds.
        jump: how far back a stamp must go, in seconds, to mean that time itself went back (a bag
            that starts again) and not that a message is late.
        gap: after longer than this without a frame, in seconds, the state is too old to go on
            with and must be reset.

    """

    def __init__(
        self,
        joints: Sequence[JointSpec],
        *,
        rate_hz: float,
        slop: float = 0.05,
        jump: float = 1.0,
        gap: float = 2.0,
    ) -> None:
        self._slop_ns = round(slop * 1e9)
        self._jump_ns = round(jump * 1e9)
        self._index = {joint.name: index for index, joint in enumerate(joints)}
        self._needed = [joint.source == 'joint_states' for joint in joints]
        self._driven = [joint.sink == 'position' for joint in joints]
        self._histories = [JointHistory(jump_ns=self._jump_ns) for _ in joints]
        self._plans: dict[tuple[str, ...], list[tuple[int, JointHistory]]] = {}
        self._gate = RateGate(round(1e9 / rate_hz))
        self._gap_ns = round(gap * 1e9)
        self._last_image: int | None = None
        self._last_frame: int | None = None
        self._reset_due = False
        self.counters = dict.fromkeys(DropCause, 0)
        """Images dropped, by cause."""
        self.accepted = 0
        """Images that became frames."""
        self.jumps = 0
        """How often time went back."""
        self.gaps = 0
        """How often there was no frame for too long."""

    @property
    def missed_ticks(self) -> int:
        """Ticks of the model's rate for which there was no frame."""
        return self._gate.missed

    @property
    def newest_joints_ns(self) -> int | None:
        """
        Stamp up to which every joint is known that the model needs or that is to be driven.

        None where one that the model needs was never heard of.
        """
        known: list[int] = []
        for needed, driven, history in zip(
            self._needed, self._driven, self._histories, strict=True
        ):
            if history.newest_ns is not None:
                if needed or driven:
                    known.append(history.newest_ns)
            elif needed:
                return None
        return min(known, default=None)

    def newest_joints(self, out: NDArray[np.float64]) -> None:
        """
        Write the newest position of each joint, whatever its stamp.

        Args:
            out: float64 (D,), in the bundle's order, overwritten; NaN where never heard of.

        """
        for index, history in enumerate(self._histories):
            position = history.newest_position
            out[index] = math.nan if position is None else position

    @property
    def missing_joints(self) -> tuple[str, ...]:
        """Names of needed joints that were never heard of."""
        return tuple(
            name for name, i in self._index.items() if self._needed[i] and not self._histories[i]
        )

    def add_joints(self, stamp_ns: int, names: Sequence[str], positions: Sequence[float]) -> None:
        """
        Take in one joint message.

        Args:
            stamp_ns: when the joints were measured.
            names: in any order, perhaps only some of the model's joints, perhaps others too.
            positions: one a name; those that are missing, NaN, infinite or no float32, as models
                take them, are passed over.

        """
        key = tuple(names)
        plan = self._plans.get(key)
        if plan is None:
            plan = self._plan(key)
        count = len(positions)
        for place, history in plan:
            if place < count:
                position = float(positions[place])
                if -_LARGEST <= position <= _LARGEST:  # neither NaN nor infinite
                    history.add(stamp_ns, position)

    def _plan(self, names: tuple[str, ...]) -> list[tuple[int, JointHistory]]:
        """Return for each of the model's joints among the names its place and its history."""
        if len(self._plans) == _PLANS:
            self._plans.clear()
        index = self._index
        plan = [
            (place, self._histories[index[name]])
            for place, name in enumerate(names)
            if name in index
        ]
        self._plans[names] = plan
        return plan

    def worth_waiting(self, stamp_ns: int) -> bool:
        """Tell whether an image would be a frame, but joints newer than it have not come yet."""
        last = self._last_image
        if last is not None and last - self._jump_ns <= stamp_ns <= last:
            return False
        newest = self.newest_joints_ns
        return self._gate.due(stamp_ns) and (newest is None or newest < stamp_ns)

    def offer(self, stamp_ns: int) -> Offer:
        """
        Offer an image; call it once for each, in the order of arrival.

        Args:
            stamp_ns: the image's stamp.

        Returns:
            Its joints, or why it is dropped.

        """
        cause = self._order(stamp_ns)
        if cause is None:
            self._gate.observe(stamp_ns)
            cause = None if self._gate.due(stamp_ns) else DropCause.RATE
        if cause is not None:
            return self._drop(cause)
        return self._pair(stamp_ns)

    def _order(self, stamp_ns: int) -> DropCause | None:
        last = self._last_image
        if last is not None and last - self._jump_ns <= stamp_ns <= last:
            return DropCause.REPEATED if stamp_ns == last else DropCause.LATE
        if last is not None and stamp_ns < last:
            self._jump_back(stamp_ns)
        self._last_image = stamp_ns
        return None

    def _jump_back(self, stamp_ns: int) -> None:
        """Forget the time after the jump; joints that jumped back before the image stay."""
        self.jumps += 1
        self._reset_due = True
        self._last_frame = None
        self._gate.restart()
        for history in self._histories:
            newest = history.newest_ns
            if newest is not None and newest > stamp_ns + self._jump_ns:
                history.clear()

    def _pair(self, stamp_ns: int) -> Offer:
        joints = np.full(len(self._histories), math.nan)
        farthest: int | None = None
        interpolated = True
        for i, history in enumerate(self._histories):
            sample = history.at(stamp_ns, self._slop_ns)
            if sample is not None:
                joints[i] = sample.position
            if not self._needed[i]:
                continue
            if sample is None:
                return self._drop(DropCause.SLOP if history else DropCause.NO_JOINTS)
            interpolated = interpolated and sample.reached
            if farthest is None or abs(sample.stamp_ns - stamp_ns) > abs(farthest - stamp_ns):
                farthest = sample.stamp_ns
        self._gate.take(stamp_ns)
        self.accepted += 1
        last, self._last_frame = self._last_frame, stamp_ns
        if last is not None and stamp_ns - last > self._gap_ns:
            self.gaps += 1
            self._reset_due = True
        reset, self._reset_due = self._reset_due, False
        return Offer(None, reset, joints, farthest, interpolated)

    def _drop(self, cause: DropCause) -> Offer:
        self.counters[cause] += 1
        return Offer(cause, self._reset_due, _NOTHING)
