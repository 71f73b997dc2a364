# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""``eipl_trt evaluate``: run bundles over recordings: how well, how fast, at what cost."""

from __future__ import annotations

import argparse
import logging
import shlex
from pathlib import Path
from typing import Any

from eipl_trt_ros.backends import BACKENDS, PRECISION_CHOICES
from eipl_trt_ros.cli.options import add_bundle_option
from eipl_trt_ros.cli.progress_bar import progress_bar
from eipl_trt_ros.energy.sources import SOURCES
from eipl_trt_ros.errors import EvaluationError, require

_log = logging.getLogger(__name__)

_POWER = ('none', *SOURCES)
_FRAMES = 300
_DESCRIPTION = """\
Run bundles over recorded bags: how well they predict the next joints and images, how fast, and
what a frame costs in energy: the tables 4 to 7 of the paper, for your models on this machine.

All configurations are timed in turn, in one run. Energy is measured when --frames is given and
this machine tells its power. With --live the bag is also played in real time to the ROS 2 node,
and what the node publishes is compared frame by frame with the plain pass."""

_EXAMPLES = """examples:
  eipl_trt evaluate --bag samples/demonstration --bundle samples/sarnn --out result
  eipl_trt evaluate --bag samples/demonstration --bundle samples/sarnn \\
      --bundle samples/cnnrnn --bundle samples/cnnrnnln --precision fp32 fp16 int8 \\
      --baseline torch --frames 10000 --out result
  eipl_trt evaluate --live --bag samples/demonstration --bundle samples/sarnn --out result
  eipl_trt evaluate --bag day1 --bag day2 --bag day3 --jobs 4 --bundle mine --out result
  eipl_trt evaluate --compare result/report.json other/report.json
  eipl_trt evaluate --compare paper result/report.json

The folder of --out gets report.html (open it in any browser), report.json, frames.csv and
times.csv."""


def add_parser(subparsers: Any) -> None:
    """Add the verb's command line."""
    parser = subparsers.add_parser(
        'evaluate',
        help='run bundles over recorded bags and report accuracy, time and energy',
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    what = parser.add_argument_group('what to evaluate')
    what.add_argument(
        '--bag',
        type=Path,
        action='append',
        dest='bags',
        metavar='DIR',
        help='folder of a rosbag2 recording; several times for several, times are of the first',
    )
    add_bundle_option(what)
    what.add_argument(
        '--out', type=Path, metavar='DIR', help='folder for the report; made if missing'
    )
    what.add_argument(
        '--compare',
        nargs=2,
        metavar=('A', 'B'),
        help='instead: put two report.json side by side; "paper" stands for the paper\'s figures',
    )
    add('--live', action='store_true', help='play the first bag to the ROS 2 node, too')
    add('--image-topic', metavar='TOPIC', help='topic of the pictures (default: the only one)')
    add(
        '--joint-topic',
        metavar='TOPIC',
        help="topic of the joints (default: the only one that holds the bundle's)",
    )
    add('--backend', choices=BACKENDS, default='auto', help='what runs the model (default: auto)')
    add(
        '--precision',
        choices=PRECISION_CHOICES,
        nargs='+',
        default=['fp32'],
        dest='precisions',
        help='one or several to compare; auto: the one that would be chosen (default: fp32)',
    )
    add(
        '--baseline',
        choices=[name for name in BACKENDS if name != 'auto'],
        help='also run this backend in fp32 and give speeds against it; the paper took torch',
    )
    add(
        '--threads',
        type=_count,
        default=1,
        help='processor threads for one inference (default: 1)',
    )
    add(
        '--frames',
        type=_count,
        metavar='N',
        help=f'frames of each configuration to time (default: {_FRAMES}), and to run under the '
        'power source (default: none; the paper took 10000); the data are looped',
    )
    add(
        '--energy-frames',
        type=_count,
        metavar='N',
        help='another number for the runs under the power source',
    )
    add('--power', choices=_POWER, default='auto', help='where power is read (default: auto)')
    add(
        '--power-recording',
        default='',
        metavar='PATH',
        help="for --power recorded: a CSV file, or the folder of a bag of a power_node's topics",
    )
    add(
        '--power-measurement',
        type=Path,
        action='append',
        default=[],
        dest='power_measurements',
        metavar='FILE',
        help='a JSON file that power_node wrote, to be put into the report; may be repeated',
    )
    add(
        '--tolerance',
        type=float,
        default=0.002,
        metavar='RAD',
        help="a command this near to fp32's counts as the same (default: 0.002)",
    )
    add('--jobs', type=_count, default=1, help='processes that share the bags (default: 1)')
    add(
        '--dask',
        default='',
        metavar='ADDRESS',
        help='share the bags among the workers of this Dask scheduler (tcp://host:8786) instead; '
        '"local" starts --jobs workers here',
    )
    add(
        '--overhead',
        action='store_true',
        help='also measure how much longer the measured loop takes than a bare one',
    )
    parser.set_defaults(run=run)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        msg = f'{text!r} is not a whole number from 1 on'
        raise argparse.ArgumentTypeError(msg)
    return int(text)


def run(args: argparse.Namespace) -> int:
    """Evaluate, print the tables and write the report; or compare two."""
    if args.compare is not None:
        return _compare(*args.compare)
    missing = [name for name in ('bag', 'bundle', 'out') if not getattr(args, _PLACES[name])]
    if missing:
        msg = f'evaluate needs {", ".join(f"--{name}" for name in missing)}, or --compare A B'
        raise EvaluationError(msg)
    for package in ('rich', 'jinja2', 'matplotlib', 'rosbags'):  # before minutes of playing
        require(package, install=f'pip install {package}', needed_for='eipl_trt evaluate')
    if args.live:
        require('rclpy', install='source the setup.bash of ROS 2', needed_for='--live')
    from eipl_trt_ros.evaluation.run import evaluate  # noqa: PLC0415

    live = None
    if args.live:
        from eipl_trt_ros.nodes.live_run import run_live  # noqa: PLC0415

        live = run_live
    args.out.mkdir(parents=True, exist_ok=True)
    found = evaluate(_plan(args), progress_bar, live)
    _write(args, found)
    for error in found.errors:
        _log.error('%s', error)
    return 2 if found.errors else 0


_PLACES = {'bag': 'bags', 'bundle': 'bundles', 'out': 'out'}


def _plan(args: argparse.Namespace) -> Any:
    from eipl_trt_ros.evaluation.configurations import configurations  # noqa: PLC0415
    from eipl_trt_ros.evaluation.energy_run import EnergySettings  # noqa: PLC0415
    from eipl_trt_ros.evaluation.frames import ReadSettings  # noqa: PLC0415
    from eipl_trt_ros.evaluation.run import Plan  # noqa: PLC0415

    energy = None
    energy_frames = args.energy_frames or args.frames
    if args.power != 'none' and energy_frames is not None:
        energy = EnergySettings(args.power, args.power_recording, energy_frames)
    precisions = tuple(dict.fromkeys(args.precisions))
    return Plan(
        bundles=tuple(dict.fromkeys(args.bundles)),
        bags=tuple(dict.fromkeys(args.bags)),
        wanted=configurations(args.backend, precisions, args.baseline),
        reading=ReadSettings(args.image_topic, args.joint_topic),
        threads=args.threads,
        frames=args.frames or _FRAMES,
        energy=energy,
        tolerance=args.tolerance,
        jobs=args.jobs,
        dask=args.dask,
        overhead=args.overhead,
        power_measurements=tuple(dict.fromkeys(args.power_measurements)),
    )


def _write(args: argparse.Namespace, found: Any) -> None:
    from eipl_trt_ros.evaluation.report import outputs, overview  # noqa: PLC0415
    from eipl_trt_ros.evaluation.report.boards import board_of  # noqa: PLC0415
    from eipl_trt_ros.evaluation.report.page import write_report  # noqa: PLC0415
    from eipl_trt_ros.evaluation.report.paper_tables import paper_tables  # noqa: PLC0415
    from eipl_trt_ros.evaluation.report.power_sheets import power_sheets  # noqa: PLC0415

    record = outputs.record_of(found, _command(args))
    outputs.write_json(args.out / 'report.json', record)
    outputs.write_frames(args.out / 'frames.csv', found.rows)
    outputs.write_times(args.out / 'times.csv', found.rows)
    write_report(args.out / 'report.html', found, record)
    tables = [overview.overview(found.rows), *paper_tables(board_of(record))]
    _print([*tables, *power_sheets(found.power)])
    for name, overhead in found.overhead.items():
        share, own = overhead.share, overhead.own
        print(
            f'evaluation overhead, {name}: the measured loop takes {100 * share.value:.2f} % '
            f'longer (quartiles {100 * share.low:.2f} to {100 * share.high:.2f}) than a bare loop '
            f'that never asks for times, {100 * own.value:.2f} % longer than one that asks as '
            f'often and keeps nothing; {overhead.rounds} runs of {overhead.frames} frames, '
            + ('each asked' if overhead.every == 1 else f'one of {overhead.every} asked')
        )
    for line in dict.fromkeys(problem for bag in found.bags for problem in bag.problems):
        print(f'recording: {line}')
    for line in found.warnings:
        print(f'times: {line}')
    for line in found.notes:
        print(f'note: {line}')
    print(f'report: {args.out / "report.html"}')


def _compare(first: str, second: str) -> int:
    require('rich', install='pip install rich', needed_for='eipl_trt evaluate')
    from eipl_trt_ros.evaluation.report.boards import read_board  # noqa: PLC0415
    from eipl_trt_ros.evaluation.report.paper_tables import compared  # noqa: PLC0415

    boards = [read_board(path) for path in (first, second)]
    _print(compared(*boards))
    for board in boards:
        print(f'{board.name}: {board.source}')
    return 0


def _print(sheets: list[Any]) -> None:
    from rich.console import Console  # noqa: PLC0415

    console = Console()
    if not console.is_terminal:
        console = Console(width=200)  # a file has no edge at which to break cells
    for sheet in sheets:
        console.print(f'\n{sheet.title}\n', markup=False, highlight=False)
        console.print(sheet.table())
        if sheet.note:
            console.print(sheet.note, markup=False, highlight=False, style='dim')


def _command(args: argparse.Namespace) -> str:
    """Write the command line that does this again."""
    words = ['eipl_trt', 'evaluate']
    words += ['--live'] if args.live else []
    for path in args.bags:
        words += ['--bag', str(path)]
    for path in args.bundles:
        words += ['--bundle', str(path)]
    words += ['--out', str(args.out)]
    if args.precisions != ['fp32']:
        words += ['--precision', *args.precisions]
    for option, default in _DEFAULTS.items():
        if getattr(args, option) != default:
            words += [f'--{option.replace("_", "-")}', str(getattr(args, option))]
    for path in args.power_measurements:
        words += ['--power-measurement', str(path)]
    words += ['--overhead'] if args.overhead else []
    return shlex.join(words)


_DEFAULTS = {
    'image_topic': None,
    'joint_topic': None,
    'backend': 'auto',
    'baseline': None,
    'threads': 1,
    'frames': None,
    'energy_frames': None,
    'power': 'auto',
    'power_recording': '',
    'tolerance': 0.002,
    'jobs': 1,
    'dask': '',
}
