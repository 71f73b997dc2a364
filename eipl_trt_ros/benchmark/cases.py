# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
The ways of running a model that are timed against each other.

To add one: write a class with `Case`'s members and put its maker into `CASES`. Every case starts
from the same camera picture and joints and ends with the predicted joints (and image, where it
computes one) in host memory, in their own units: the paper's steps 1 to 5.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from eipl_trt_ros.benchmark.eager import EagerCase
from eipl_trt_ros.benchmark.paper import PaperCase
from eipl_trt_ros.benchmark.plain import OpenVinoCase, PlainCase
from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.predictor import open_predictor


class Case(Protocol):
    """One way of running one model."""

    name: str
    """One of `CASES`."""

    def frame(self, picture: NDArray[np.uint8], joints: NDArray[np.float64]) -> object:
        """Run one frame: uint8 (h, w, 3) and float64 (D,) in joint units."""

    def overhead(self) -> float:
        """Share of pre- and post-processing in the last frame, 0 to 1; NaN if unknown."""

    def close(self) -> None:
        """Release everything."""


class PredictorCase:
    """
    A backend of this package under its predictor.

    Args:
        name: of the case.
        bundle: the model.
        backend: name of the backend.
        threads: CPU threads for one inference.
        image: whether the predicted image is computed too.
        precision: of the backend.

    """

    def __init__(
        self,
        name: str,
        bundle: Bundle,
        *,
        backend: str,
        threads: int,
        image: bool,
        precision: str = 'fp32',
    ) -> None:
        self.name = name
        self._image = image
        self._predictor = open_predictor(bundle, backend, precision=precision, threads=threads)

    def frame(self, picture: NDArray[np.uint8], joints: NDArray[np.float64]) -> object:
        """Run one frame; see `Case`."""
        motion = self._predictor.step(picture, joints)
        return self._predictor.predicted_image() if self._image else motion.joints

    def overhead(self) -> float:
        """Share of steps 1 and 5 in the last frame; see `Case`."""
        timing = self._predictor.timing
        extra = timing.pre_process + timing.post_process + timing.image_post_process
        return extra / timing.total if timing.total else math.nan

    def close(self) -> None:
        """Close the predictor; see `Case`."""
        self._predictor.close()


def _compiled(name: str, bundle: Bundle, threads: int) -> Case:
    return EagerCase(name, bundle, threads, compiled=True)


Maker = Callable[[str, Bundle, int], Case]
"""Takes the case's name, a bundle and the number of CPU threads."""


def _ours(*, image: bool, precision: str = 'fp32') -> Maker:
    def make(name: str, bundle: Bundle, threads: int) -> Case:
        return PredictorCase(
            name,
            bundle,
            backend='onnxruntime',
            threads=threads,
            image=image,
            precision=precision,
        )

    return make


EAGER, COMPILED = 'PyTorch eager', 'torch.compile'
MOTION, MOTION_AND_IMAGE = 'ours, motion only', 'ours, motion and image'
CASES: Mapping[str, Maker] = {
    EAGER: EagerCase,
    COMPILED: _compiled,
    "paper's structure": PaperCase,
    'EIPL export': PlainCase,
    'EIPL export, OpenVINO': OpenVinoCase,
    MOTION_AND_IMAGE: _ours(image=True),
    MOTION: _ours(image=False),
}
"""What is timed, by name, in the order of the table; the first is what ratios compare with."""


def with_precisions(precisions: Sequence[str]) -> Mapping[str, Maker]:
    """
    Give `CASES`, and ours in more precisions than fp32.

    Args:
        precisions: ``fp32``, ``fp16``, ``int8``.

    """
    more = {
        f'{name}, {precision}': _ours(image=name == MOTION_AND_IMAGE, precision=precision)
        for precision in precisions
        if precision != 'fp32'
        for name in (MOTION_AND_IMAGE, MOTION)
    }
    return {**CASES, **more}


def is_ours(case: str) -> bool:
    """Tell by its name whether a case runs this package; the others are peers."""
    return case.startswith('ours')
