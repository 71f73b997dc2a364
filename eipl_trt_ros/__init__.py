# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Deep predictive learning on a robot: camera and joint angles in, the next joint command out."""

__version__ = '0.1.0'
