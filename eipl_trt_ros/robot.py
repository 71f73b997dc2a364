# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""How a model is wired to its robot: the camera picture's way in, each joint's way in and out."""

from __future__ import annotations

import math
from dataclasses import dataclass

from eipl_trt_ros.errors import BundleError

ENCODINGS = ('rgb8', 'bgr8')
FLIPS = ('none', 'vertical', 'horizontal', 'both')
SOURCES = ('joint_states', 'prediction')
SINKS = ('position', 'open_close')


def _choose(what: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        msg = f'{what} is {value!r}, expected one of {", ".join(choices)}'
        raise BundleError(msg)


@dataclass(frozen=True)
class Crop:
    """A rectangle of the camera picture, in pixels, after the stride."""

    top: int
    left: int
    height: int
    width: int

    def __post_init__(self) -> None:
        if self.top < 0 or self.left < 0 or self.height < 1 or self.width < 1:
            msg = f'camera.crop is {self}, expected top, left >= 0 and height, width >= 1'
            raise BundleError(msg)


@dataclass(frozen=True)
class CameraSpec:
    """
    What happens to a camera picture on its way in: stride, crop, flip, resize, in this order.

    EIPL's data sets each have a recipe of their own (AIREC: every second pixel, a crop, a resize;
    robosuite: a vertical flip, a resize), and their channel order differs (AIREC and
    OpenManipulator are BGR, robosuite is RGB), so nothing here has a default.
    """

    encoding: str
    """Channel order of the training pictures, ``rgb8`` or ``bgr8``."""
    stride: int
    """Keep every n-th row and column; 1 keeps all."""
    crop: Crop | None
    flip: str
    """``vertical`` turns the picture upside down, ``horizontal`` mirrors it."""

    def __post_init__(self) -> None:
        _choose('camera.encoding', self.encoding, ENCODINGS)
        _choose('camera.flip', self.flip, FLIPS)
        if self.stride < 1:
            msg = f'camera.stride is {self.stride}, expected 1 or more'
            raise BundleError(msg)


@dataclass(frozen=True)
class JointSpec:
    """One dimension of the joint vector: its bounds, where it comes from and where it goes."""

    name: str
    minimum: float
    """Lower bound of the training data, in the joint's unit (rad for a revolute joint)."""
    maximum: float
    source: str
    """``joint_states``: the measured position; ``prediction``: the model's own last prediction."""
    sink: str
    """``position``: the prediction is a position command; ``open_close``: a gripper's switch."""
    initial: float | None = None
    """For ``prediction``: the value before the first prediction."""
    close_above: float | None = None
    """For ``open_close``: the gripper closes when the prediction rises above this."""
    open_below: float | None = None
    """For ``open_close``: the gripper opens when the prediction falls below this."""

    def __post_init__(self) -> None:
        where = f'joint {self.name!r}'
        if not self.name:
            msg = 'a joint has an empty name; it must be the name used in joint_states'
            raise BundleError(msg)
        _choose(f'{where}: source', self.source, SOURCES)
        _choose(f'{where}: sink', self.sink, SINKS)
        if not (math.isfinite(self.minimum) and math.isfinite(self.maximum)):
            msg = f'{where}: bounds [{self.minimum}, {self.maximum}] are not finite'
            raise BundleError(msg)
        if self.minimum >= self.maximum:
            msg = (
                f'{where}: bounds [{self.minimum}, {self.maximum}] span nothing, so the joint '
                'cannot be normalised; a joint that never moved in training needs a wider bound'
            )
            raise BundleError(msg)
        if (self.source == 'prediction') != (self.initial is not None):
            msg = f"{where}: 'initial' is given exactly when the source is 'prediction'"
            raise BundleError(msg)
        if self.initial is not None and not self.minimum <= self.initial <= self.maximum:
            msg = f'{where}: initial {self.initial} is outside [{self.minimum}, {self.maximum}]'
            raise BundleError(msg)
        self._check_hysteresis(where)

    def _check_hysteresis(self, where: str) -> None:
        given = self.close_above is not None, self.open_below is not None
        if given != (self.sink == 'open_close',) * 2:
            msg = (
                f"{where}: 'close_above' and 'open_below' are given exactly when the sink is "
                "'open_close'"
            )
            raise BundleError(msg)
        if (
            self.close_above is not None
            and self.open_below is not None
            and not self.open_below < self.close_above
        ):
            msg = (
                f'{where}: open_below {self.open_below} must be less than close_above '
                f'{self.close_above}, or the gripper would chatter'
            )
            raise BundleError(msg)
