# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Runs a bundle over a recorded bag and says how well and how fast it predicts."""
