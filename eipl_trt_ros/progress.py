# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""How long work tells how far it is."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[float], None]
"""Called now and then with the share of the work that is done, 0 to 1."""


def untold(_: float) -> None:
    """Tell nobody."""


def part_of(progress: Progress, index: int, count: int) -> Progress:
    """Return what tells the progress of one of several equal parts of the work."""
    return lambda share: progress((index + share) / count)
