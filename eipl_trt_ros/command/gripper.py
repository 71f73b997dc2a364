# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""From a predicted value to a gripper's open or close."""

from __future__ import annotations

from eipl_trt_ros.robot import JointSpec


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
