# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""``eipl_trt build``: TensorRT engines of a bundle's graphs, for the machine it runs on."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from eipl_trt_ros.bundle import load_bundle
from eipl_trt_ros.errors import require
from eipl_trt_ros.spec import GRAPHS

_PRECISIONS = ('fp32', 'fp16')


def add_parser(subparsers: Any) -> None:
    """Add the verb's command line."""
    parser = subparsers.add_parser(
        'build',
        help='build TensorRT engines of a bundle, for this machine',
        description="Build TensorRT engines of a bundle's graphs into its folder 'engines', for "
        'the GPU and the TensorRT of this machine. Run it on the robot, once: engines that are '
        'there already and still fit are kept.',
        epilog='example: eipl_trt build samples/sarnn --precision fp32 fp16',
    )
    parser.add_argument(
        'bundles', type=Path, nargs='+', metavar='BUNDLE', help='folder of a bundle'
    )
    parser.add_argument(
        '--precision',
        nargs='+',
        choices=_PRECISIONS,
        default=['fp32', 'fp16'],
        metavar='P',
        help=f'some of {", ".join(_PRECISIONS)} (default: fp32 fp16)',
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
    console = require('rich.console', install='pip install rich', needed_for='eipl_trt build')
    from eipl_trt_ros.engines.build import BuildOptions, build_engines  # noqa: PLC0415

    options = BuildOptions(tf32=args.tf32, workspace_mib=args.workspace, force=args.force)
    for path in args.bundles:
        with console.Console(stderr=True).status(f'{path}') as status:

            def tell(title: str, place: Path = path, shown: Any = status) -> None:
                shown.update(f'{place}: building {title}')

            engines = build_engines(load_bundle(path), args.precision, args.graph, options, tell)
        for engine in engines:
            manifest = engine.manifest
            how = 'was there' if engine.cached else f'built in {manifest.seconds:.1f} s'
            print(
                f'{path}: {manifest.recipe.graph} {manifest.recipe.precision} {how}, '
                f'{manifest.bytes / 1e6:.1f} MB: engines/{manifest.plan}'
            )
    return 0


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        msg = f'{text} is not above 0'
        raise argparse.ArgumentTypeError(msg)
    return value
