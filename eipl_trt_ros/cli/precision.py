# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""``eipl_trt precision``: what fp16 and int8 cost a bundle in accuracy, without a GPU."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from eipl_trt_ros.bundle import load_bundle
from eipl_trt_ros.engines.int8_options import (
    DEFAULT_BUDGET,
    DEFAULT_IMAGE_BUDGET,
    METHODS,
    Int8Options,
)
from eipl_trt_ros.errors import require


def add_parser(subparsers: Any) -> None:
    """Add the verb's command line."""
    parser = subparsers.add_parser(
        'precision',
        help='measure what fp16 and int8 cost a bundle in accuracy; needs no GPU',
        description='Run the graphs that engines are built from, as they are written, with ONNX '
        'Runtime over demonstrations that the model has not seen, and compare joints and images '
        'with those of fp32. Prints Markdown tables.',
        epilog='example: eipl_trt precision samples/sarnn --calibration validation --test test',
    )
    parser.add_argument(
        'bundles', type=Path, nargs='+', metavar='BUNDLE', help='folder of a bundle'
    )
    parser.add_argument(
        '--calibration',
        type=Path,
        nargs='+',
        required=True,
        metavar='D',
        help='demonstrations to calibrate int8 with: recordings, or folders with images.npy and '
        'joints.npy',
    )
    parser.add_argument(
        '--test',
        type=Path,
        nargs='+',
        required=True,
        metavar='D',
        help='other demonstrations, to measure with',
    )
    parser.add_argument('--method', choices=METHODS, default=METHODS[0])
    parser.add_argument('--budget', type=float, default=DEFAULT_BUDGET, metavar='RATE')
    parser.add_argument(
        '--image-budget', type=float, default=DEFAULT_IMAGE_BUDGET, metavar='LEVELS'
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Compare the precisions of each bundle."""
    require('onnx', install='pip install onnx', needed_for='eipl_trt precision')
    console = require('rich.console', install='pip install rich', needed_for='eipl_trt precision')
    from eipl_trt_ros.engines.calibrate import Calibration  # noqa: PLC0415
    from eipl_trt_ros.engines.comparison import compare_precisions  # noqa: PLC0415
    from eipl_trt_ros.engines.demonstrations import read_demonstrations  # noqa: PLC0415

    options = Int8Options(
        tuple(args.calibration),
        method=args.method,
        budget=args.budget,
        image_budget=args.image_budget,
    )
    for path in args.bundles:
        bundle = load_bundle(path)
        with console.Console(stderr=True).status(f'{path}') as status:

            def tell(part: str, place: Path = path, shown: Any = status) -> None:
                shown.update(f'{place}: {part}')

            calibration = Calibration(bundle, options, tell)
            unseen = [one for folder in args.test for one in read_demonstrations(folder, bundle)]
            found = compare_precisions(bundle, calibration, unseen, tell)
        frames = sum(len(one) for one in unseen)
        print(f'\n{bundle.name}: {len(unseen)} demonstrations, {frames} frames\n')
        print('| precision | int8 layers | joint MSE | error rate | worst joint | drift | image |')
        print('| --- | --- | --- | --- | --- | --- | --- |')
        for row in found.rows:
            cells = (
                row.precision,
                f'{row.layers} + {row.image_layers}',
                f'{row.mse:.4e}',
                f'{row.rate:.4f}',
                f'{row.worst_joint:.3f}',
                f'{row.drift:.1e}',
                f'{row.grey_levels:.3f}',
            )
            print(f'| {" | ".join(cells)} |')
        print('\n| int8 in this layer alone | error rate | joints moved (MSE) |')
        print('| --- | --- | --- |')
        for share in found.shares:
            print(f'| {share.layer} | {share.rate:.4f} | {share.deviation:.1e} |')
    return 0
