# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Decides which of several models drives."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

ARBITERS = ('image', 'joints', 'topic')


@dataclass(frozen=True)
class ArbiterSettings:
    """
    How a driver is chosen.

    Attributes:
        by: ``'image'`` or ``'joints'``: the model that predicted these best lately; ``'topic'``:
            whoever is told.
        memory: over how many frames an error counts; the newest has a weight of one over it.
        advantage: another model takes over only if its error is less than this share of the
            driver's, 0 to 1.
        patience: and only after that many frames in a row.

    """

    by: str = 'image'
    memory: float = 10.0
    advantage: float = 0.8
    patience: int = 5


class Arbiter:
    """
    Keeps a running error of each model, and changes the driver with hysteresis.

    Args:
        count: how many models there are; the first drives at the beginning.
        settings: how a driver is chosen.

    """

    def __init__(self, count: int, settings: ArbiterSettings) -> None:
        self._settings = settings
        self.errors = [math.nan] * count
        """Recent error of each model; NaN before the first, infinite after a failure."""
        self.driver = 0
        """Index of the model that drives."""
        self._rival = 0
        self._lead = 0

    def reset(self) -> None:
        """Forget the errors, at the start of an episode; the driver stays."""
        self.errors = [math.nan] * len(self.errors)
        self._lead = 0

    def select(self, index: int) -> None:
        """Let a model drive from the next frame on, where that is told by topic."""
        self.driver = index

    def update(self, errors: Sequence[float]) -> int:
        """
        Take in the errors of one frame.

        Args:
            errors: of each model's last prediction, 0 or more; NaN where there was none, infinite
                where the model failed.

        Returns:
            Index of the model that drives from now on.

        """
        for index, error in enumerate(errors):
            before = self.errors[index]
            if math.isnan(error):
                continue
            known = math.isfinite(before) and math.isfinite(error)
            share = 1.0 / self._settings.memory if known else 1.0
            self.errors[index] = error if share == 1.0 else before + share * (error - before)
        if self._settings.by != 'topic':
            self._contest()
        return self.driver

    def _contest(self) -> None:
        """Let the best model take over once it has led for long enough."""
        best = min(range(len(self.errors)), key=self._rank)
        if best == self.driver or not self._leads(best):
            self._lead = 0
            return
        self._lead = self._lead + 1 if best == self._rival else 1
        self._rival = best
        if self._lead >= self._settings.patience:
            self.driver, self._lead = best, 0

    def _rank(self, index: int) -> float:
        error = self.errors[index]
        return math.inf if math.isnan(error) else error

    def _leads(self, index: int) -> bool:
        return self._rank(index) < self._settings.advantage * self._rank(self.driver)
