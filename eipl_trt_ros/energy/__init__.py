# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What frames cost: power sources, and the meter that turns power into energy. No ROS in here."""
