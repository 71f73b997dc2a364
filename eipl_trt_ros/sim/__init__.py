# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A simulated Franka Panda that grasps a cube: scene, expert, demonstrations, closed loop."""
