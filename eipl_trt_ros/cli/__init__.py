# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The program ``eipl_trt``: one verb per module of this folder."""

from __future__ import annotations

import argparse
import importlib
import logging
import sys
from collections.abc import Sequence

from eipl_trt_ros import __version__
from eipl_trt_ros.errors import EiplTrtError

_VERBS = ('import_', 'export', 'build', 'precision', 'info', 'evaluate', 'bench')


def make_parser() -> argparse.ArgumentParser:
    """Return the parser with every verb's own parser in it."""
    parser = argparse.ArgumentParser(
        prog='eipl_trt',
        description='Bundles of deep predictive learning models: make, inspect, evaluate, time.',
    )
    parser.add_argument('--version', action='version', version=f'%(prog)s {__version__}')
    parser.add_argument('-v', '--verbose', action='store_true', help='say more while working')
    subparsers = parser.add_subparsers(title='verbs', metavar='VERB', required=True)
    for verb in _VERBS:
        importlib.import_module(f'{__name__}.{verb}').add_parser(subparsers)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run one verb.

    Args:
        arguments: the command line without the program's name; that of the process by default.

    Returns:
        The exit code: 0, or 2 after an error that was explained in one line.

    """
    args = make_parser().parse_args(arguments)
    logging.basicConfig(
        level=logging.INFO if args.verbose else logging.WARNING,
        format='%(levelname)s: %(message)s',
    )
    try:
        return int(args.run(args))
    except EiplTrtError as error:
        print(f'eipl_trt: {error}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
