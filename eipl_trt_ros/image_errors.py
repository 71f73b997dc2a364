# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Compares the images that several models predicted with the one that came."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

_WHITE = 255.0


class ImageErrors:
    """
    Tells of each model how much worse than the best it predicted, pixel by pixel.

    The error of a model is the mean squared difference between its prediction and what is sensed,
    less the same of the best prediction of each pixel. What no model can predict, such as the
    blur of an edge, is thereby left out, and what they disagree on is what remains: the whole
    error is mostly blur that all have in common, and would tell them hardly apart.

    Args:
        shapes: of each model's image: (height, width, 3).
        alike: whether all see the same picture; if not, the whole errors are compared.

    """

    def __init__(self, shapes: Sequence[tuple[int, ...]], *, alike: bool) -> None:
        self._apart = [np.empty(shape, np.uint8) for shape in shapes]
        self._least = np.empty(shapes[0], np.uint8) if alike else None

    def measure(
        self,
        predicted: Sequence[NDArray[np.uint8] | None],
        sensed: Sequence[NDArray[np.uint8]],
        errors: list[float],
    ) -> None:
        """
        Compare, without allocating.

        Args:
            predicted: by each model; ``None`` where there is none.
            sensed: the picture, as each model sees it.
            errors: taken in here: 0 to 1 for each model, NaN where nothing was predicted.

        """
        first = True
        for image, picture, apart in zip(predicted, sensed, self._apart, strict=True):
            if image is None:
                continue
            cv2.absdiff(image, picture, dst=apart)
            if self._least is None:
                continue
            if first:
                np.copyto(self._least, apart)
            else:
                cv2.min(self._least, apart, dst=self._least)
            first = False
        common = 0.0 if first else _squares(self._least)
        for index, (image, apart) in enumerate(zip(predicted, self._apart, strict=True)):
            worse = math.nan if image is None else _squares(apart) - common
            errors[index] = worse / (_WHITE**2 * apart.size)


def _squares(apart: NDArray[np.uint8] | None) -> float:
    return float(cv2.norm(apart, cv2.NORM_L2SQR))  # of whole numbers: exact
