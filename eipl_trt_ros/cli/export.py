# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""``eipl_trt export``: write a bundle's ONNX graphs and checksums anew."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from eipl_trt_ros.cli.options import add_bundles
from eipl_trt_ros.errors import require


def add_parser(subparsers: Any) -> None:
    """Add the verb's command line."""
    parser = subparsers.add_parser(
        'export',
        help="write a bundle's ONNX graphs and checksums anew",
        description="Write a bundle's ONNX graphs and checksums anew: after an import with "
        '--no-graphs, after a change of bundle.yaml or the weights by hand, or with a new '
        'version of this program. The same bundle gives the same bytes.',
        epilog='example: eipl_trt export samples/sarnn',
    )
    add_bundles(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Export each bundle."""
    require('onnx', install='pip install onnx', needed_for='eipl_trt export')
    console = require('rich.console', install='pip install rich', needed_for='eipl_trt export')
    from eipl_trt_ros.export.create import export_graphs  # noqa: PLC0415

    for path in args.bundles:
        with console.Console(stderr=True).status(f'{path}') as status:

            def tell(part: str, place: Path = path, shown: Any = status) -> None:
                shown.update(f'{place}: writing {part}')

            bundle = export_graphs(path, tell)
        graphs = ', '.join(name for name in bundle.files if name.endswith('.onnx'))
        print(f'{bundle.path}: {graphs}')
    return 0
