# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""``eipl_trt evaluate``: run bundles over a recording and report how well and how fast."""

from __future__ import annotations

import argparse
import logging
import shlex
from pathlib import Path
from typing import Any

from eipl_trt_ros.backends import BACKENDS, PRECISION_CHOICES
from eipl_trt_ros.bundle import load_bundle
from eipl_trt_ros.cli.progress_bar import progress_bar
from eipl_trt_ros.errors import require

_log = logging.getLogger(__name__)

_DESCRIPTION = """\
Run bundles over a recorded bag: how well they predict the next joints and images, and how fast.

Without --live the bag goes straight through the predictor. With --live it is played in real time
to the ROS 2 node, and what the node publishes is compared frame by frame with the plain pass."""

_EXAMPLES = """examples:
  eipl_trt evaluate --bag samples/demonstration --bundle samples/sarnn --out result
  eipl_trt evaluate --live --bag samples/demonstration \\
      --bundle samples/sarnn --bundle samples/cnnrnn --out result

The folder of --out gets report.html (open it in any browser), report.json and frames.csv."""


def add_parser(subparsers: Any) -> None:
    """Add the verb's command line."""
    parser = subparsers.add_parser(
        'evaluate',
        help='run bundles over a recorded bag and report accuracy and latency',
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        '--bag', type=Path, required=True, metavar='DIR', help='folder of a rosbag2 recording'
    )
    parser.add_argument(
        '--bundle',
        type=Path,
        required=True,
        action='append',
        dest='bundles',
        metavar='DIR',
        help='folder of a bundle; give it several times to compare bundles',
    )
    parser.add_argument(
        '--out',
        type=Path,
        required=True,
        metavar='DIR',
        help='folder for the report; made if missing',
    )
    parser.add_argument('--live', action='store_true', help='play the bag to the ROS 2 node')
    parser.add_argument(
        '--image-topic',
        metavar='TOPIC',
        help='topic of the pictures (default: the only one of an image type)',
    )
    parser.add_argument(
        '--joint-topic',
        metavar='TOPIC',
        help="topic of the joints (default: the only one that holds the bundle's)",
    )
    parser.add_argument(
        '--backend', choices=BACKENDS, default='auto', help='what runs the model (default: auto)'
    )
    parser.add_argument(
        '--precision', choices=PRECISION_CHOICES, default='fp32', help='arithmetic (default: fp32)'
    )
    parser.add_argument(
        '--threads', type=int, default=1, help='processor threads for one inference (default: 1)'
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Evaluate, print the table and write the report."""
    for package in ('rich', 'jinja2', 'matplotlib', 'rosbags'):  # before minutes of playing
        require(package, install=f'pip install {package}', needed_for='eipl_trt evaluate')
    if args.live:
        require('rclpy', install='source the setup.bash of ROS 2', needed_for='--live')
    from eipl_trt_ros.evaluation.offline import PassSettings, run_offline  # noqa: PLC0415
    from eipl_trt_ros.evaluation.summary import figures_of, make_result  # noqa: PLC0415

    settings = PassSettings(
        image_topic=args.image_topic,
        joint_topic=args.joint_topic,
        backend=args.backend,
        precision=args.precision,
        threads=args.threads,
    )
    bundles = [load_bundle(path) for path in args.bundles]
    args.out.mkdir(parents=True, exist_ok=True)
    results = []
    for bundle in bundles:
        with progress_bar(f'{bundle.name}: offline pass') as progress:
            passed = run_offline(bundle, args.bag, settings, progress)
        live = None
        if args.live:
            from eipl_trt_ros.nodes.live_run import run_live  # noqa: PLC0415

            with progress_bar(f'{bundle.name}: playing to the node') as progress:
                live = run_live(bundle, args.bag, passed, settings, progress)
        results.append(make_result(passed, live))
    _write(args, results, [figures_of(result) for result in results])
    return 0


def _write(args: argparse.Namespace, results: list[Any], figures: list[Any]) -> None:
    from rich.console import Console  # noqa: PLC0415

    from eipl_trt_ros.evaluation.outputs import write_frames, write_json  # noqa: PLC0415
    from eipl_trt_ros.evaluation.report import write_report  # noqa: PLC0415
    from eipl_trt_ros.evaluation.tables import table_of  # noqa: PLC0415

    context = _context(args, results)
    Console().print(table_of(figures))
    write_json(args.out / 'report.json', context, figures)
    write_frames(args.out / 'frames.csv', results)
    write_report(args.out / 'report.html', context, results, figures)
    print(f'report: {args.out / "report.html"}')


def _context(args: argparse.Namespace, results: list[Any]) -> dict[str, Any]:
    import datetime as dt  # noqa: PLC0415

    from eipl_trt_ros.evaluation.machine import bag_checksum, describe_machine  # noqa: PLC0415

    first = results[0].run
    now = dt.datetime.now(dt.timezone.utc)
    return {
        'when': now.strftime('%Y-%m-%d %H:%M UTC'),
        'command': _command(args),
        'machine': describe_machine(),
        'bag': {
            'name': args.bag.resolve().name,
            'image_topic': first.image_topic,
            'joint_topic': first.joint_topic,
            'seconds': first.seconds,
            'sha256': bag_checksum(args.bag),
        },
    }


def _command(args: argparse.Namespace) -> str:
    """Write the command line that does this again."""
    words = ['eipl_trt', 'evaluate']
    words += ['--live'] if args.live else []
    words += ['--bag', str(args.bag)]
    for path in args.bundles:
        words += ['--bundle', str(path)]
    words += ['--out', str(args.out)]
    for option in ('image_topic', 'joint_topic'):
        if getattr(args, option) is not None:
            words += [f'--{option.replace("_", "-")}', getattr(args, option)]
    for option, default in (('backend', 'auto'), ('precision', 'fp32'), ('threads', 1)):
        if getattr(args, option) != default:
            words += [f'--{option}', str(getattr(args, option))]
    return shlex.join(words)
