# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Times ways of running one model against each other, in one process and in turn."""
