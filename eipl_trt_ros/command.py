# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""From predicted joints to what a robot's controllers take: positions, and open or close."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from eipl_trt_ros.robot import JointSpec


class PositionCommand:
    """
    Picks the joints that are driven by position out of the model's joint vector.

    Args:
        joints: the bundle's joints, in its order.

    """

    def __init__(self, joints: Sequence[JointSpec]) -> None:
        chosen = [i for i, joint in enumerate(joints) if joint.sink == 'position']
        self.names = tuple(joints[i].name for i in chosen)
        """Names of the driven joints, in the bundle's order."""
        self._indices = np.array(chosen, np.intp)

    def write(self, predicted: NDArray[np.floating], out: NDArray[np.float64]) -> None:
        """
        Write the positions to send.

        Args:
            predicted: (D,), joint units (rad), in the bundle's order.
            out: float64, one for each of `names`, overwritten.

        """
        out[:] = predicted[self._indices]


class OpenCloseSwitch:
    """
    Turns one predicted value into close (True) or open (False), with hysteresis.

    Between the two thresholds the last decision holds, so that a value that wavers around one
    threshold does not make a gripper chatter.

    Args:
        joint: a joint whose sink is ``open_close``.

    """

    def __init__(self, joint: JointSpec) -> None:
        if joint.close_above is None or joint.open_below is None:
            msg = f'joint {joint.name!r} has no thresholds: its sink is {joint.sink!r}'
            raise ValueError(msg)
        self._close_above = joint.close_above
        self._open_below = joint.open_below
        self.closed: bool | None = None
        """The last decision; None before the first."""

    def update(self, predicted: float) -> bool | None:
        """Return whether to close, given the newest prediction; None until that is clear."""
        if predicted > self._close_above:
            self.closed = True
        elif predicted < self._open_below:
            self.closed = False
        return self.closed

    def reset(self) -> None:
        """Forget the last decision, at the start of an episode."""
        self.closed = None
