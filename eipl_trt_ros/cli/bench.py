# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""``eipl_trt bench``: time ways of running a model against each other."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from eipl_trt_ros.bundle import load_bundle
from eipl_trt_ros.cli.progress_bar import progress_bar
from eipl_trt_ros.errors import require

_EXAMPLES = """examples:
  eipl_trt bench --bundle samples/sarnn --bundle samples/cnnrnn
  eipl_trt bench --bundle samples/sarnn --threads 2 --frames 1000 --json bench.json

A frame is the whole way from the camera picture and the joints to the predicted joints (and
image) in host memory. The ways run in turn, frame by frame, in one process."""


def add_parser(subparsers: Any) -> None:
    """Add the verb's command line."""
    parser = subparsers.add_parser(
        'bench',
        help='time a model in PyTorch, in ONNX Runtime and as this package runs it',
        description='Time ways of running a model against each other on this machine.',
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        '--bundle',
        type=Path,
        required=True,
        action='append',
        dest='bundles',
        metavar='DIR',
        help='folder of a bundle; give it several times for several models',
    )
    parser.add_argument(
        '--frames', type=_count, default=300, help='frames timed of each way (default: 300)'
    )
    parser.add_argument(
        '--threads', type=_count, default=1, help='processor threads for one frame (default: 1)'
    )
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the figures to a file')
    parser.set_defaults(run=run)


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        msg = f'{number} is less than 1'
        raise argparse.ArgumentTypeError(msg)
    return number


def run(args: argparse.Namespace) -> int:
    """Time each bundle and show a table of it."""
    rich_console = require('rich.console', install='pip install rich', needed_for='eipl_trt bench')
    from eipl_trt_ros.benchmark.measure import time_bundle  # noqa: PLC0415
    from eipl_trt_ros.benchmark.tables import table_of  # noqa: PLC0415
    from eipl_trt_ros.evaluation.machine import describe_machine  # noqa: PLC0415

    console = rich_console.Console()
    bundles = [load_bundle(path) for path in args.bundles]
    found: dict[str, dict[str, Any]] = {}
    for bundle in bundles:
        with progress_bar(f'{bundle.name}: timing') as progress:
            timings, missing = time_bundle(
                bundle, frames=args.frames, threads=args.threads, progress=progress
            )
        for note in missing:
            console.print(f'left out: {note}', style='yellow', markup=False)
        console.print(table_of(bundle.name, timings))
        found[bundle.name] = {name: asdict(timing) for name, timing in timings.items()}
    machine = describe_machine()
    console.print(f'{machine["Processor"]}, {args.threads} thread(s)', markup=False)
    if args.json is not None:
        data = {'machine': machine, 'threads': args.threads, 'models': found}
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(data, indent=2) + '\n', encoding='utf-8')
    return 0
