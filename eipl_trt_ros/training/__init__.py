# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Trains the three models on demonstrations, by full backpropagation through time."""
