# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Pictures of a pass for its animation, as many as the memory of a small board allows."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

_LIMIT = 240

Pair = tuple[NDArray[np.uint8], NDArray[np.uint8]]


@dataclass
class Strip:
    """
    Keeps each camera image with the image predicted from it, evenly thinned when they get many.

    When more than ``limit`` pairs are held, every second one goes, and from then on only every
    second new one is kept. Ten minutes at 10 Hz so need 24 MB, not 600.

    Attributes:
        limit: how many pairs are held at most.
        stride: the pairs held are those of every ``stride``-th frame, from frame 0.
        pairs: (camera image, predicted image), uint8 (H, W, 3) each, copies.
        newest: the pair added last, whether held or not.

    """

    limit: int = _LIMIT
    stride: int = 1
    pairs: list[Pair] = field(default_factory=list)
    newest: Pair | None = None
    _added: int = 0

    def add(self, camera: NDArray[np.uint8], predicted: NDArray[np.uint8]) -> None:
        """Copy the pair of the next frame."""
        self.newest = (camera.copy(), predicted.copy())
        if self._added % self.stride == 0:
            self.pairs.append(self.newest)
            if len(self.pairs) > self.limit:
                self.pairs = self.pairs[::2]
                self.stride *= 2
        self._added += 1

    @property
    def frames(self) -> range:
        """The numbers of the frames whose pairs are held."""
        return range(0, len(self.pairs) * self.stride, self.stride)
