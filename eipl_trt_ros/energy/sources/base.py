# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What every power source is to the rest."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from eipl_trt_ros.energy.history import PowerSample

INPUT_RAILS = ('VDD_IN', 'VIN', 'POM_5V_IN')
"""Rails that feed a whole board, by the names that boards give them."""
MAXIMUM_W = 200.0
"""No Jetson module draws more; the largest is sold for 130 W."""


class SourceState(enum.Enum):
    """How a source stands."""

    READY = 'ready'
    WAITING = 'waiting'
    FAILED = 'failed'


@dataclass(frozen=True)
class SourceStatus:
    """
    How a source stands, why, and what helps.

    Attributes:
        state: whether it delivers, waits for its first sample, or failed (and tries again).
        reason: one line.
        remedy: what to do about it; empty where there is nothing to do.

    """

    state: SourceState
    reason: str
    remedy: str = ''

    def __str__(self) -> str:
        return f'{self.reason}; {self.remedy}' if self.remedy else self.reason


@dataclass(frozen=True)
class SourceInfo:
    """
    What a source measures.

    Attributes:
        name: of the source, such as ``'jtop'``.
        version: of what it reads with; empty where it needs nothing.
        total: what its total is called, such as ``'VDD_IN'``.
        scope: what the total is the power of, in words.
        interval_s: nominal time between samples, in seconds.
        maximum_w: power above this is not plausible for what it measures, in watts.
        settings: what else is known, such as the sensor's averaging.

    """

    name: str
    version: str
    total: str
    scope: str
    interval_s: float
    maximum_w: float
    settings: Mapping[str, str] = field(default_factory=dict)


class PowerSource(Protocol):
    """
    Reads the power of a board.

    A source never invents a sample: where it has none it returns none, and its status says why.
    What can heal (a service that is away) never raises and is tried again with back-off.
    """

    @property
    def info(self) -> SourceInfo:
        """What is measured; may become more exact after `open`."""
        ...

    @property
    def status(self) -> SourceStatus:
        """How the source stands."""
        ...

    def open(self) -> None:
        """
        Begin.

        Raises:
            EnergyError: the source was asked for something that does not exist.
            MissingPackageError: it needs a package that is not installed.

        """
        ...

    def read(self) -> Sequence[PowerSample]:
        """Return the samples since the last call, oldest first; never waits for one."""
        ...

    def close(self) -> None:
        """Give back everything; may be called more than once."""
        ...


def scope_of_board(total: str | None) -> tuple[str, str]:
    """
    Return name and scope of a board's total.

    Args:
        total: the input rail; None where the board has none and its rails are added up.

    """
    if total is None:
        return 'sum of the rails', 'sum of the rails that the board measures'
    return total, f'board input {total}'


class HealingSource:
    """
    What the sources share that can be away and come back: how they stand, and when to try again.

    Args:
        info: what is measured, as far as it is known before `PowerSource.open`.
        backoff: waits between tries.

    """

    def __init__(self, info: SourceInfo, backoff: Backoff | None) -> None:
        self._info = info
        self._status = SourceStatus(SourceState.WAITING, 'not opened')
        self._backoff = backoff or Backoff()

    @property
    def info(self) -> SourceInfo:
        """What is measured; more exact once the source was reached."""
        return self._info

    @property
    def status(self) -> SourceStatus:
        """How the source stands."""
        return self._status


class Backoff:
    """
    How long to wait before the next try: twice as long after each failure, up to a limit.

    Args:
        first_s: the first wait, in seconds.
        longest_s: the longest.

    """

    def __init__(self, first_s: float = 1.0, longest_s: float = 30.0) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self._next_s = first_s

    def reset(self) -> None:
        """Begin with the first wait again: it worked."""
        self._next_s = self._first_s

    def next(self) -> float:
        """Return how many seconds to wait now."""
        wait_s, self._next_s = self._next_s, min(2 * self._next_s, self._longest_s)
        return wait_s
