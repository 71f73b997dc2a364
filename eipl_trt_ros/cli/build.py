# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""``eipl_trt build``: TensorRT engines of a bundle's graphs, for the machine it runs on."""

from __future__ import annotations

import argparse
from typing import Any

from eipl_trt_ros.backends.loader import PRECISIONS
from eipl_trt_ros.bundle import load_bundle
from eipl_trt_ros.cli.options import add_bundles, add_calibration
from eipl_trt_ros.cli.steps import steps
from eipl_trt_ros.engines.int8_options import OPERATORS, WAYS, Int8Options
from eipl_trt_ros.engines.manifest import Manifest
from eipl_trt_ros.errors import require
from eipl_trt_ros.spec import GRAPHS


def add_parser(subparsers: Any) -> None:
    """Add the verb's command line."""
    parser = subparsers.add_parser(
        'build',
        help='build TensorRT engines of a bundle, for this machine',
        description="Build TensorRT engines of a bundle's graphs into its folder 'engines', for "
        'the GPU and the TensorRT of this machine. Run it on the robot, once: engines that are '
        'there already and still fit are kept.',
        epilog='examples: eipl_trt build samples/sarnn; '
        'eipl_trt build samples/sarnn --precision int8',
    )
    add_bundles(parser)
    parser.add_argument(
        '--precision',
        nargs='+',
        choices=PRECISIONS,
        default=['fp32', 'fp16'],
        metavar='P',
        help=f'some of {", ".join(PRECISIONS)} (default: fp32 fp16)',
    )
    parser.add_argument(
        '--graph',
        nargs='+',
        choices=GRAPHS,
        default=['motion', 'image'],
        metavar='G',
        help=f'some of {", ".join(GRAPHS)} (default: motion image; '
        'the mixed ones are for an input_mixing below 1)',
    )
    add_calibration(
        parser,
        'calibrate int8 anew and keep the result in the bundle; demonstrations of the '
        'training: recordings, or folders with images.npy and joints.npy; undisturbed ones, some '
        "hundred frames (default: the bundle's own int8.json)",
    )
    parser.add_argument(
        '--int8-way',
        choices=WAYS,
        default=WAYS[0],
        help="how int8 comes about: explicit quantisers in the graph, or TensorRT's own entropy "
        'calibrator, which TensorRT 8.5 to 10 have; that one chooses layers itself, and what '
        f'it costs in accuracy is not measured (default: {WAYS[0]})',
    )
    parser.add_argument(
        '--int8-operators',
        nargs='+',
        choices=OPERATORS,
        default=OPERATORS,
        metavar='OP',
        help=f'layers that may be quantised: some of {", ".join(OPERATORS)} (default: all)',
    )
    parser.add_argument(
        '--tf32', action='store_true', help='let fp32 round factors to 10 bits (TF32)'
    )
    parser.add_argument(
        '--workspace',
        type=_positive,
        metavar='MIB',
        help="most scratch memory of a layer, in MiB (default: TensorRT's own)",
    )
    parser.add_argument('--force', action='store_true', help='build also what is there already')
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Build the engines of each bundle."""
    require('onnx', install='pip install onnx', needed_for='eipl_trt build')
    from eipl_trt_ros.engines.build import BuildOptions, build_engines  # noqa: PLC0415

    int8 = Int8Options(
        tuple(args.calibration),
        args.method,
        tuple(args.int8_operators),
        args.budget,
        args.image_budget,
        args.int8_way,
    )
    options = BuildOptions(args.tf32, args.workspace, args.force, int8)
    for path in args.bundles:
        with steps(str(path), needed_for='eipl_trt build') as tell:
            engines = build_engines(load_bundle(path), args.precision, args.graph, options, tell)
        for engine in engines:
            how = 'was there' if engine.cached else f'built in {engine.manifest.seconds:.1f} s'
            print(f'{path}: {_described(engine.manifest, how)}')
    return 0


def _described(manifest: Manifest, how: str) -> str:
    recipe, report = manifest.recipe, manifest.int8
    words = f'{recipe.graph} {recipe.precision} {how}, {manifest.bytes / 1e6:.1f} MB'
    if report is not None:
        words += f', {len(report.layers)} of {report.candidates} layers in int8'
        if report.rate is not None:
            words += f", joint error {report.rate:.3f} of fp32's"
        if report.grey_levels is not None:
            words += f', image off by {report.grey_levels:.2f} grey levels'
    if manifest.microseconds is not None:
        words += f', {manifest.microseconds:.1f} us'
    if manifest.verdict:
        words += f' (precision auto: {manifest.verdict})'
    return f'{words}: engines/{manifest.plan}'


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        msg = f'{text} is not above 0'
        raise argparse.ArgumentTypeError(msg)
    return value
