# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Counts what the safety rules had to do, and keeps a log of it from flooding."""

from __future__ import annotations

import enum

_NO_LINES: tuple[str, ...] = ()


class Intervention(enum.Enum):
    """What was found wrong with a prediction, or with the arm."""

    NOT_FINITE = 'prediction not finite'
    POSITION = 'beyond a position limit'
    JUMP = 'too far from the measured position'
    VELOCITY = 'faster than the velocity limit'
    ACCELERATION = 'sharper than the acceleration limit'
    NOT_MEASURED = 'a joint is not measured'


class Interventions:
    """
    Counts by kind, and tells of which a line is due.

    Args:
        interval_ns: least time between two lines on the same kind.

    """

    def __init__(self, interval_ns: int = 5_000_000_000) -> None:
        self.counts = dict.fromkeys(Intervention, 0)
        """How often each kind was found."""
        self._interval_ns = interval_ns
        self._told_ns: dict[Intervention, int] = {}
        self._told_count = dict.fromkeys(Intervention, 0)
        self._lines: list[str] = []

    def add(self, kind: Intervention, what: str, now_ns: int) -> None:
        """
        Count one, and keep a line for the log if one is due.

        Args:
            kind: what was found.
            what: joint and numbers, and what was done.
            now_ns: any clock that goes on steadily.

        """
        self.counts[kind] += 1
        told = self._told_ns.get(kind)
        if told is not None and now_ns - told < self._interval_ns:
            return
        silent = self.counts[kind] - self._told_count[kind] - 1
        self._told_ns[kind], self._told_count[kind] = now_ns, self.counts[kind]
        since = f' ({silent} more since the last such line)' if silent else ''
        self._lines.append(f'{kind.value}: {what}{since}')

    def take_lines(self) -> tuple[str, ...]:
        """Return the lines that are due, each once."""
        if not self._lines:
            return _NO_LINES
        lines, self._lines = tuple(self._lines), []
        return lines
