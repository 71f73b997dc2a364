# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What every program of this package does around its commands."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Sequence

from eipl_trt_ros.errors import EiplTrtError


def run_module(
    parser: argparse.ArgumentParser,
    arguments: Sequence[str] | None,
    before: Callable[[], object] = lambda: None,
) -> int:
    """
    Run one command of a program that logs what it does, such as ``python -m eipl_trt_ros.sim``.

    Args:
        parser: its commands; each sets ``run`` to what is called with the parsed arguments.
        arguments: the command line without the program's name; that of the process if None.
        before: a check to make once the arguments are known to be right.

    Returns:
        0, or 2 after an error, which is told in one line.

    """
    logging.basicConfig(level=logging.INFO, format='%(message)s')
    logging.getLogger('OpenGL').setLevel(logging.WARNING)
    args = parser.parse_args(arguments)
    try:
        before()
        args.run(args)
    except EiplTrtError as error:
        logging.getLogger(__name__).error('error: %s', error)
        return 2
    return 0
