# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The recent positions of each joint, and what a joint's position was at a given time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Sample:
    """
    A joint's position at a time that was asked for.

    Attributes:
        position: in the joint's unit (rad).
        stamp_ns: stamp of the measured sample nearest to that time.
        reached: whether a sample at or after that time was there, so that a later message will
            not change the position any more.

    """

    position: float
    stamp_ns: int
    reached: bool


class JointHistory:
    """
    The last positions of one joint, sorted by stamp, in memory taken once.

    Args:
        capacity: how many samples are kept. 1024 are one second of the fastest controllers.
        jump_ns: a sample older than the newest by more than this means that time has jumped
            back: what was there is forgotten.

    """

    def __init__(self, *, capacity: int = 1024, jump_ns: int = 1_000_000_000) -> None:
        # twice the capacity: samples are appended until the end is reached, and then the last
        # `capacity` are moved to the front, so that they always lie in one piece for the search
        self._stamps: NDArray[np.int64] = np.zeros(2 * capacity, np.int64)
        self._positions: NDArray[np.float64] = np.zeros(2 * capacity)
        self._capacity = capacity
        self._jump_ns = jump_ns
        self._begin = 0
        self._end = 0
        self._newest = 0

    def __len__(self) -> int:
        return self._end - self._begin

    @property
    def newest_ns(self) -> int | None:
        """Stamp of the newest sample."""
        return self._newest if self._end else None

    @property
    def newest_position(self) -> float | None:
        """The newest sample."""
        return float(self._positions[self._end - 1]) if self._end > self._begin else None

    def clear(self) -> None:
        """Forget all samples."""
        self._begin = self._end = 0

    def add(self, stamp_ns: int, position: float) -> None:
        """Add a finite position; samples may come late, and a repeated one replaces the first."""
        if self._end and stamp_ns <= self._newest:
            if stamp_ns < self._newest - self._jump_ns:
                self.clear()
            else:
                self._add_late(stamp_ns, position)
                return
        self._make_room()
        self._stamps[self._end] = self._newest = stamp_ns
        self._positions[self._end] = position
        self._end += 1

    def _make_room(self) -> None:
        if self._end == len(self._stamps):
            kept = self._capacity - 1
            for array in (self._stamps, self._positions):
                array[:kept] = array[-kept:]
            self._end = kept
        self._begin = max(0, self._end + 1 - self._capacity)

    def _add_late(self, stamp_ns: int, position: float) -> None:
        place = self._begin + int(self._stamps[self._begin : self._end].searchsorted(stamp_ns))
        if self._stamps[place] != stamp_ns:
            if place == self._begin and len(self) == self._capacity:
                return  # older than all that is kept
            shift = self._end - place
            self._make_room()
            place = self._end - shift
            for array in (self._stamps, self._positions):
                array[place + 1 : self._end + 1] = array[place : self._end]
            self._end += 1
        self._stamps[place] = stamp_ns
        self._positions[place] = position

    def at(self, stamp_ns: int, slop_ns: int) -> Sample | None:
        """
        Return the position at a time.

        Between a sample before and one after it is interpolated linearly. Where only one of the
        two is within the slop, that one is taken as it is.

        Args:
            stamp_ns: the time asked for.
            slop_ns: how far away a sample may be to be used.

        Returns:
            The position, or None where no sample is near enough.

        """
        stamps = self._stamps
        after = self._begin + int(stamps[self._begin : self._end].searchsorted(stamp_ns))
        following = int(stamps[after]) if after < self._end else None
        if following == stamp_ns:
            return Sample(float(self._positions[after]), stamp_ns, True)
        before = after - 1
        previous = int(stamps[before]) if before >= self._begin else None
        reached = following is not None
        if following is not None and following - stamp_ns > slop_ns:
            following = None
        if previous is not None and stamp_ns - previous > slop_ns:
            previous = None
        if previous is not None and following is not None:
            return self._between(before, stamp_ns, previous, following)
        if previous is not None:
            return Sample(float(self._positions[before]), previous, reached)
        if following is not None:
            return Sample(float(self._positions[after]), following, reached)
        return None

    def _between(self, before: int, stamp_ns: int, previous: int, following: int) -> Sample:
        share = (stamp_ns - previous) / (following - previous)
        low, high = float(self._positions[before]), float(self._positions[before + 1])
        nearest = previous if share <= 0.5 else following
        return Sample((1.0 - share) * low + share * high, nearest, True)
