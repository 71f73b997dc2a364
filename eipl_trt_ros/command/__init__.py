# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""From predicted joints to commands that a controller can be given; free of ROS and of threads."""
