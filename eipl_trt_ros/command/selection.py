# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Which of the predicted joints are driven by position."""

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

    def write(self, joints: NDArray[np.floating], out: NDArray[np.float64]) -> None:
        """
        Write the driven joints' values.

        Args:
            joints: (D,), joint units (rad), in the bundle's order.
            out: float64, one for each of `names`, overwritten.

        """
        np.copyto(out, joints[self._indices])
