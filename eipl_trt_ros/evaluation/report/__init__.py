# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What an evaluation found, as tables, a page, JSON and CSV; and two of them side by side."""
