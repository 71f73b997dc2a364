# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a process that runs a module of this package gets from the one that starts it."""

from __future__ import annotations

import os
from pathlib import Path

import eipl_trt_ros

ROOT = Path(eipl_trt_ros.__file__).parents[1]
"""Where this package lies."""


def child_environment() -> dict[str, str]:
    """Return the variables of this process, with this very package found before any other."""
    paths = [str(ROOT), *filter(None, [os.environ.get('PYTHONPATH')])]
    return {**os.environ, 'PYTHONPATH': os.pathsep.join(paths)}
