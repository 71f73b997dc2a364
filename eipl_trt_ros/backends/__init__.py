# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What executes a model's graphs. `load_backend` picks one; nothing heavy is imported before."""

from eipl_trt_ros.backends.base import Backend, StepTimes
from eipl_trt_ros.backends.loader import BACKENDS, PRECISION_CHOICES, PRECISIONS, load_backend
from eipl_trt_ros.backends.shared_inputs import SharedInputs

__all__ = [
    'BACKENDS',
    'PRECISIONS',
    'PRECISION_CHOICES',
    'Backend',
    'SharedInputs',
    'StepTimes',
    'load_backend',
]
