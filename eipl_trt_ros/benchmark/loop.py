# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Steps 1 and 5 of a frame as users of EIPL write them: numpy, float32, around a whole model."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.picture import PictureShaper

Array = NDArray[np.float32]


class WholeModelCase(ABC):
    """
    A frame with the whole model at once: picture and joints in, image and joints out.

    Args:
        name: of the case.
        bundle: the model.

    """

    def __init__(self, name: str, bundle: Bundle) -> None:
        self.name = name
        model = bundle.model
        self._shaper = PictureShaper(bundle.camera, model.image_height, model.image_width)
        self._image = np.zeros((model.image_height, model.image_width, 3), np.uint8)
        self._low, self._high = bundle.joint_minimum, bundle.joint_maximum
        self._vmin, self._span = bundle.vmin, bundle.vmax - bundle.vmin
        self._share = 0.0

    @abstractmethod
    def infer(self, image: Array, joints: Array) -> tuple[Array, Array]:
        """
        Run the model and carry its state.

        Args:
            image: (1, 3, H, W), normalised.
            joints: (1, D), normalised.

        Returns:
            The next image (1, 3, H, W) and joints (1, D), normalised.

        """

    def frame(self, picture: NDArray[np.uint8], joints: NDArray[np.float64]) -> object:
        """Run one frame; see `Case`. A joint that is fed back takes the value that it is given."""
        begin = time.perf_counter_ns()
        vmin, span = self._vmin, self._span
        self._shaper.shape_into(picture, self._image)
        planes = self._image.transpose(2, 0, 1)[None].astype(np.float32) / 255 * span + vmin
        normalised = (joints - self._low) / (self._high - self._low) * span + vmin
        before = time.perf_counter_ns()
        image, joint = self.infer(planes, normalised[None].astype(np.float32))
        after = time.perf_counter_ns()
        predicted = (joint[0] - vmin) / span * (self._high - self._low) + self._low
        levels = (np.clip(image[0], vmin, vmin + span) - vmin) / span * 255
        shown = levels.astype(np.uint8).transpose(1, 2, 0)
        end = time.perf_counter_ns()
        self._share = (end - begin - (after - before)) / (end - begin)
        return predicted, shown

    def overhead(self) -> float:
        """Share of what is done in numpy in the last frame; see `Case`."""
        return self._share

    @abstractmethod
    def close(self) -> None:
        """Let the model go; see `Case`."""
