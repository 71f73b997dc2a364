# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What TensorRT says while it works."""

from __future__ import annotations

import collections
import logging
from collections.abc import Sequence
from typing import Any

_log = logging.getLogger(__name__)


def make_logger(trt: Any, messages: collections.deque[str]) -> Any:
    """Make a logger for TensorRT: to `logging`, and the last errors to ``messages``."""
    levels = {
        trt.ILogger.INTERNAL_ERROR: logging.ERROR,
        trt.ILogger.ERROR: logging.ERROR,
        trt.ILogger.WARNING: logging.INFO,  # advice on kernels, dozens a build
        trt.ILogger.INFO: logging.DEBUG,  # hundreds of lines a build
        trt.ILogger.VERBOSE: logging.DEBUG,
    }

    class Logger(trt.ILogger):  # type: ignore[misc, name-defined]
        """Called from any of TensorRT's threads; `logging` and deque are safe for that."""

        def __init__(self) -> None:
            trt.ILogger.__init__(self)

        def log(self, severity: Any, text: str) -> None:
            level = levels.get(severity, logging.DEBUG)
            if level == logging.ERROR:
                messages.append(text)
                level = logging.INFO  # raised as an exception, with this text in it
            _log.log(level, '%s', text)

    return Logger()


def one_line(messages: Sequence[str]) -> str:
    """Join the last two messages; the last alone often names a consequence only."""
    return ' | '.join(' '.join(text.split()) for text in messages[-2:]) or 'it gave no reason'
