# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The name of the processor, for people."""

from __future__ import annotations

import platform
from pathlib import Path


def processor_name() -> str:
    """Return the processor's name as the kernel gives it; on Arm often only the architecture."""
    try:
        facts = Path('/proc/cpuinfo').read_text(encoding='utf-8', errors='replace')
    except OSError:
        facts = ''
    for line in facts.splitlines():
        key, _, value = line.partition(':')
        if key.strip() == 'model name':
            return value.strip()
    return platform.processor() or platform.machine()
