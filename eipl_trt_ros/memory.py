# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""How the C library deals with freed memory: a setting of the whole process, for programs only."""

from __future__ import annotations

import ctypes
import platform

_M_TRIM_THRESHOLD = -1
_M_TOP_PAD = -2
_M_MMAP_THRESHOLD = -3
_KEPT = 256 * 1024 * 1024
_LARGEST = 32 * 1024 * 1024  # glibc takes no more for M_MMAP_THRESHOLD


def keep_freed_memory() -> bool:
    """
    Tell glibc to keep freed memory instead of handing it back to the kernel.

    Each image message, and each result of a layer in PyTorch, is a block of memory of its size. By
    default glibc takes such a block from the kernel and gives it back, and the kernel clears it
    page by page: a third of the way of a 640x480 image from publisher to callback, and up to 40 %
    of a SARNN frame in PyTorch. Kept, the same memory is used again.

    Returns:
        Whether the C library knows these settings.

    """
    if platform.libc_ver()[0] != 'glibc':
        return False
    libc = ctypes.CDLL(None)
    settings = (
        (_M_MMAP_THRESHOLD, _LARGEST),
        (_M_TRIM_THRESHOLD, _KEPT),
        (_M_TOP_PAD, _LARGEST),
    )
    return all(libc.mallopt(which, value) == 1 for which, value in settings)
