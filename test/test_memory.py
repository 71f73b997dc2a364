# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import platform
import subprocess
import sys

import pytest

_PROGRAM = """
import resource, sys
import numpy as np
from eipl_trt_ros.memory import keep_freed_memory
if sys.argv[1] == 'kept':
    assert keep_freed_memory()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
blocks = [np.ones(3 << 20, np.uint8) for _ in range(3)]
del blocks
before = faults()
for _ in range(20):
    blocks = [np.ones(3 << 20, np.uint8) for _ in range(3)]
    del blocks
print(faults() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != 'glibc', reason='another C library')
def test_freed_memory_is_used_again_without_new_pages() -> None:
    found = {}
    for way in ('default', 'kept'):
        command = [sys.executable, '-c', _PROGRAM, way]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found[way] = int(done.stdout)
    assert found['kept'] < 0.1 * found['default']
