# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The ROS nodes: thin layers over the ROS-free core. Only here are rclpy and messages imported."""
