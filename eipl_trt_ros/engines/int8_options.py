# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What can be chosen about int8; imports nothing that is heavy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from eipl_trt_ros.errors import EngineError

Method = Literal['percentile', 'entropy', 'minmax']
Way = Literal['explicit', 'calibrated']
WAYS: tuple[Way, ...] = get_args(Way)
METHODS: tuple[Method, ...] = get_args(Method)
OPERATORS = ('Conv', 'ConvTranspose', 'Gemm')
DEFAULT_BUDGET = 1.02
DEFAULT_IMAGE_BUDGET = 1.0


@dataclass(frozen=True)
class Int8Options:
    """
    How graphs are quantised.

    Attributes:
        demonstrations: recordings or folders of arrays, see `read_demonstrations`; of those that
            the model was trained on, never those it is judged by. None: the bundle's own recipe,
            of which a build takes the layers of ``operators``.
        way: ``explicit`` writes quantisers into the graph, by a recipe; ``calibrated`` leaves
            ranges and layers to TensorRT's own calibrator, where the version has one.
        method: how ranges are cut off, one of `METHODS`.
        operators: which ONNX operators are quantised, some of `OPERATORS`.
        budget: highest joint error, as a multiple of fp32's; layers are left out until it is met.
        image_budget: highest mean difference from fp32's image, in grey levels; likewise.

    Raises:
        EngineError: an option makes no sense.

    """

    demonstrations: tuple[Path, ...] = ()
    method: Method = 'percentile'
    operators: tuple[str, ...] = OPERATORS
    budget: float = DEFAULT_BUDGET
    image_budget: float = DEFAULT_IMAGE_BUDGET
    way: Way = 'explicit'

    def __post_init__(self) -> None:
        if self.way not in WAYS:
            msg = f'the way is {self.way!r}, expected one of {", ".join(WAYS)}'
            raise EngineError(msg)
        if self.way == 'calibrated' and not self.demonstrations:
            msg = "TensorRT's own calibration needs demonstrations: name them with --calibration"
            raise EngineError(msg)
        if self.method not in METHODS:
            msg = f'the method is {self.method!r}, expected one of {", ".join(METHODS)}'
            raise EngineError(msg)
        unknown = sorted(set(self.operators) - set(OPERATORS))
        if unknown or not self.operators:
            msg = f'the operators are {self.operators}, expected some of {", ".join(OPERATORS)}'
            raise EngineError(msg)
        if not (math.isfinite(self.budget) and self.budget >= 1):
            msg = f'the budget is {self.budget}, expected a number of 1 or more'
            raise EngineError(msg)
        if not (math.isfinite(self.image_budget) and self.image_budget >= 0):
            msg = f'the image budget is {self.image_budget}, expected 0 grey levels or more'
            raise EngineError(msg)
