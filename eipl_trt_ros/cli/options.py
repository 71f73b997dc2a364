# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Options that several verbs have, said once."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from eipl_trt_ros.engines.int8_options import DEFAULT_BUDGET, DEFAULT_IMAGE_BUDGET, METHODS


def add_bundles(parser: argparse.ArgumentParser) -> None:
    """Add the bundles that a verb works on, one after the other: ``args.bundles``."""
    parser.add_argument(
        'bundles', type=Path, nargs='+', metavar='BUNDLE', help='folder of a bundle'
    )


def add_bundle_option(parser: Any, *, required: bool = False) -> None:
    """
    Add the bundles that a verb compares: ``args.bundles``, None where there is none.

    Args:
        parser: a parser, or a group of its arguments.
        required: whether there must be one.

    """
    parser.add_argument(
        '--bundle',
        type=Path,
        required=required,
        action='append',
        dest='bundles',
        metavar='DIR',
        help='folder of a bundle; give it several times to compare bundles',
    )


def add_calibration(parser: argparse.ArgumentParser, what: str) -> None:
    """
    Add what int8 is calibrated with, and how: ``args.calibration``, ``method`` and the budgets.

    Args:
        parser: of the verb.
        what: help for ``--calibration``.

    """
    parser.add_argument('--calibration', type=Path, nargs='+', default=[], metavar='D', help=what)
    parser.add_argument(
        '--method',
        choices=METHODS,
        default=METHODS[0],
        help=f'how int8 cuts ranges off (default: {METHODS[0]})',
    )
    parser.add_argument(
        '--budget',
        type=float,
        default=DEFAULT_BUDGET,
        metavar='RATE',
        help="highest joint error of int8, as a multiple of fp32's: layers stay in fp16 until it "
        f'is met (default: {DEFAULT_BUDGET})',
    )
    parser.add_argument(
        '--image-budget',
        type=float,
        default=DEFAULT_IMAGE_BUDGET,
        metavar='LEVELS',
        help="highest mean difference of int8's predicted image from fp32's, in grey levels "
        f'(default: {DEFAULT_IMAGE_BUDGET})',
    )
