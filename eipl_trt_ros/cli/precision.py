# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""``eipl_trt precision``: calibrates int8, and measures what fp16 and int8 cost in accuracy."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eipl_trt_ros.bundle import load_bundle
from eipl_trt_ros.cli.options import add_bundles, add_calibration
from eipl_trt_ros.cli.steps import steps
from eipl_trt_ros.engines.int8_options import Int8Options
from eipl_trt_ros.engines.int8_recipe import RECIPE_NAME, Int8Recipe, read_recipe
from eipl_trt_ros.errors import EngineError, require

if TYPE_CHECKING:
    from eipl_trt_ros.engines.comparison import Comparison


def add_parser(subparsers: Any) -> None:
    """Add the verb's command line."""
    parser = subparsers.add_parser(
        'precision',
        help='calibrate int8; measure what fp16 and int8 cost in accuracy; needs no GPU',
        description='Find out with --calibration which layers of a bundle can be int8, and keep '
        'that in its file int8.json. With --test, run the graphs that engines are built from, as '
        'they are written, with ONNX Runtime over demonstrations that the model has not seen, and '
        'compare joints and images with those of fp32; prints Markdown tables.',
        epilog='example: eipl_trt precision samples/sarnn --calibration train --test test',
    )
    add_bundles(parser)
    add_calibration(
        parser,
        'demonstrations of the training to calibrate int8 with: recordings, or folders with '
        "images.npy and joints.npy (default: keep the bundle's int8.json)",
    )
    parser.add_argument(
        '--test',
        type=Path,
        nargs='+',
        default=[],
        metavar='D',
        help='other demonstrations, to measure with',
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Compare the precisions of each bundle."""
    require('onnx', install='pip install onnx', needed_for='eipl_trt precision')
    from eipl_trt_ros.engines.calibrate import calibrate  # noqa: PLC0415
    from eipl_trt_ros.engines.comparison import compare_precisions  # noqa: PLC0415
    from eipl_trt_ros.engines.demonstrations import (  # noqa: PLC0415
        digest,
        read_demonstrations,
    )

    if not (args.calibration or args.test):
        msg = 'nothing to do: name demonstrations with --calibration, --test, or both'
        raise EngineError(msg)
    options = Int8Options(
        tuple(args.calibration),
        method=args.method,
        budget=args.budget,
        image_budget=args.image_budget,
    )
    compared = []
    for path in args.bundles:
        bundle = load_bundle(path)
        with steps(str(path), needed_for='eipl_trt precision') as tell:
            if args.calibration:
                bundle = calibrate(bundle, options, tell)
            recipe = read_recipe(bundle)
            unseen = [one for folder in args.test for one in read_demonstrations(folder, bundle)]
            if digest(unseen) == recipe.calibration.sha256:
                msg = (
                    f'{path} was calibrated with the demonstrations of --test: measure with others'
                )
                raise EngineError(msg)
            if unseen:
                compared.append((bundle.name, compare_precisions(bundle, unseen, tell)))
        if args.calibration:
            print(f'{path / RECIPE_NAME}: {_described(recipe)}')
    if compared:
        _print_tables(compared)
    return 0


def _described(recipe: Int8Recipe) -> str:
    parts = []
    for one in recipe.graphs:
        words = f'{one.graph} {len(one.layers)} of {one.candidates} layers in int8'
        if one.rate is not None:
            words += f", joint error {one.rate:.3f} of fp32's"
        if one.grey_levels is not None:
            words += f', image off by {one.grey_levels:.2f} grey levels'
        parts.append(words)
    return '; '.join(parts)


def _print_tables(compared: Sequence[tuple[str, Comparison]]) -> None:
    _print_row(
        'model',
        'precision',
        'layers in int8, motion + image',
        'joint MSE',
        'error rate',
        'worst joint',
        'largest difference',
        'after 100 steps alone, mean (worst)',
        'image',
    )
    print('| --- ' * 9 + '|')
    for name, found in compared:
        for row in found.rows:
            _print_row(
                name if row.precision == 'fp32' else '',
                row.precision,
                f'{row.layers} + {row.image_layers}' if row.precision == 'int8' else '',
                f'{row.mse:.3e}',
                f'{row.rate:.4f}',
                f'{row.worst_joint:.3f}',
                f'{row.drift:.1e}',
                f'{row.alone:.1e} ({row.worst_alone:.1e})',
                f'{row.grey_levels:.2f}',
            )
    print()
    _print_row('model', 'int8 in this layer alone', 'error rate', 'joints moved (MSE)', 'in int8')
    print('| --- ' * 5 + '|')
    for name, found in compared:
        for share in found.shares:
            taken = 'yes' if share.layer in found.layers else 'no'
            _print_row(name, share.layer, f'{share.rate:.3f}', f'{share.deviation:.1e}', taken)


def _print_row(*cells: str) -> None:
    print(f'| {" | ".join(cells)} |')
