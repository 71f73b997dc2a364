# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A camera and joints as a process of their own, to be killed."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import rclpy

sys.path[:0] = [str(Path(__file__).parents[up]) for up in (1, 2)]

from live_arm import LiveArm  # noqa: E402, the path comes first


def main() -> None:
    rclpy.init()
    position = np.array([float(text) for text in sys.argv[2].split(',')])
    arm = LiveArm(position, namespace=sys.argv[1])
    arm.joints = sys.argv[3] == 'camera and joints'
    rclpy.spin(arm)


if __name__ == '__main__':
    main()
