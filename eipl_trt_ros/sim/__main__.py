# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""``python -m eipl_trt_ros.sim``: demonstrations, a bag, and bundles in closed loop."""

from __future__ import annotations

import argparse
import itertools
import json
import logging
import shlex
import sys
from collections.abc import Sequence
from datetime import datetime, timezone
from functools import partial
from pathlib import Path

import numpy as np

from eipl_trt_ros.arbiter import ARBITERS
from eipl_trt_ros.backends import BACKENDS, PRECISION_CHOICES
from eipl_trt_ros.bundle import load_bundle
from eipl_trt_ros.cli.progress_bar import progress_bar
from eipl_trt_ros.command_line import run_module
from eipl_trt_ros.errors import require
from eipl_trt_ros.evaluation.machine import describe_machine
from eipl_trt_ros.files import atomic_write
from eipl_trt_ros.sim import demonstrations, success
from eipl_trt_ros.sim.bag import record_samples, write_bag
from eipl_trt_ros.sim.environment import PandaEnvironment
from eipl_trt_ros.sim.live_report import write_live_report
from eipl_trt_ros.sim.positions import AREAS, SIDES, SPLITS
from eipl_trt_ros.sim.rollout import judge, open_policy
from eipl_trt_ros.sim.side_report import side_summary, side_table
from eipl_trt_ros.sim.success_report import comparison_table, success_table, summary

_log = logging.getLogger('eipl_trt_ros.sim')


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run one command.

    Args:
        argv: arguments; ``None``: those of the process.

    Returns:
        0, or 2 after an error, which is told in one line.

    """
    parser = _parser()
    parser.set_defaults(argv=sys.argv[1:] if argv is None else list(argv))
    return run_module(parser, argv)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog='python -m eipl_trt_ros.sim', description=__doc__)
    commands = parser.add_subparsers(required=True, metavar='COMMAND')

    record = commands.add_parser(
        'demonstrations', help='record the expert as EIPL-style arrays (train, validation, test)'
    )
    record.add_argument('out', type=Path, help='folder to write')
    for split, count in zip(SPLITS, (400, 12, 24), strict=True):
        record.add_argument(
            f'--{split}',
            type=int,
            default=count,
            metavar='N',
            help=f'demonstrations of the {split} split (default: {count})',
        )
    record.add_argument(
        '--undisturbed',
        action='store_true',
        help='of the training, leave out those in which the arm is pushed: three out of four',
    )
    record.add_argument(
        '--side', choices=SIDES, help='only cubes on this side of the robot (default: both)'
    )
    record.add_argument('--workers', type=int, default=1, help='processes (default: 1)')
    record.set_defaults(run=_demonstrations)

    bag = commands.add_parser('bag', help='record one demonstration as a rosbag2 folder')
    bag.add_argument('out', type=Path, help='folder to write; must not exist')
    bag.add_argument('--split', choices=SPLITS, default='test', help='default: test')
    bag.add_argument('--index', type=int, default=0, help='which one of the split (default: 0)')
    bag.set_defaults(run=_bag)

    rollout = commands.add_parser('rollout', help='let bundles grasp, in closed loop')
    rollout.add_argument('bundles', type=Path, nargs='+', help='folders of bundles')
    rollout.add_argument('--split', choices=SPLITS, default='test', help='default: test')
    rollout.add_argument('--count', type=int, default=24, help='cube places (default: 24)')
    rollout.add_argument(
        '--controls', type=int, default=0, help='repeat so many with the cube hidden (default: 0)'
    )
    rollout.add_argument('--backend', choices=BACKENDS, default='auto', help='default: auto')
    rollout.add_argument(
        '--precision', choices=PRECISION_CHOICES, default='fp32', help='default: fp32'
    )
    rollout.add_argument('--workers', type=int, default=1, help='processes (default: 1)')
    rollout.set_defaults(run=_rollout)

    rates = commands.add_parser(
        'success',
        help='success rates of bundles in several precisions, place by place',
        description='Lets every bundle grasp at the same places in every precision and with every '
        'mixing. Writes results.jsonl (a line an episode, added at once; what it holds is not run '
        'again), and tables.md and summary.json of all that it holds.',
    )
    rates.add_argument('bundles', type=Path, nargs='+', help='folders of bundles')
    rates.add_argument('--out', type=Path, required=True, help='folder to write')
    rates.add_argument('--precisions', choices=PRECISION_CHOICES, nargs='+', default=['fp32'])
    rates.add_argument('--mixings', type=float, nargs='+', default=[1.0], help='0 to 1')
    rates.add_argument('--backend', choices=BACKENDS, default='onnxruntime')
    rates.add_argument(
        '--arbiters',
        choices=ARBITERS,
        nargs='+',
        default=[],
        help='also run all bundles side by side, under each of these; with topic, bundles named '
        'left and right are told where the cube lies',
    )
    for area, count in zip(AREAS, (20, 40, 10), strict=True):
        rates.add_argument(f'--{area}', type=int, default=count, help=f'places (default: {count})')
    rates.add_argument('--jobs', type=int, default=1, help='processes (default: 1)')
    rates.set_defaults(run=_success)

    live = commands.add_parser(
        'live',
        help='a bundle drives the arm over ROS topics, in real time; writes a page with a film',
        description='Runs sim_robot_node and predictor_node as processes, lets the predictor '
        'grasp, and writes report.html, a film of each of the first episodes, and verdicts.json.',
    )
    live.add_argument(
        'bundles', type=Path, nargs='+', help='folder of a bundle; several run side by side'
    )
    live.add_argument(
        '--arbiter',
        choices=ARBITERS,
        default='image',
        help='what chooses the one of several that drives (default: image)',
    )
    live.add_argument('--out', type=Path, required=True, help='folder to write')
    live.add_argument('--backend', choices=BACKENDS, default='onnxruntime')
    live.add_argument(
        '--precision', choices=PRECISION_CHOICES, default='fp32', help='default: fp32'
    )
    live.add_argument('--mixing', type=float, default=1.0, help='input mixing (default: 1)')
    live.add_argument(
        '--command-type',
        choices=('joint_trajectory', 'float64_multi_array'),
        default='joint_trajectory',
        help='which controller (default: joint_trajectory)',
    )
    live.add_argument('--place', choices=AREAS, default='unseen', help='default: unseen')
    live.add_argument('--index', type=int, default=0, help='first place (default: 0)')
    live.add_argument('--episodes', type=int, default=1, help='how many (default: 1)')
    live.add_argument('--films', type=int, default=1, help='of how many (default: 1)')
    live.set_defaults(run=_live)
    return parser


def _demonstrations(args: argparse.Namespace) -> None:
    joints = []
    for split in SPLITS:
        requests = demonstrations.requests_for(split, getattr(args, split), side=args.side)
        if args.undisturbed:
            requests = [request for request in requests if request.seed is None]
        recorded = []
        for item in demonstrations.record_all(requests, workers=args.workers):
            recorded.append(item)
            if len(recorded) % 50 == 0:
                _log.info('%s: %d of %d', split, len(recorded), len(requests))
        demonstrations.write_arrays(args.out / split, recorded)
        joints.append(np.stack([item.joints for item in recorded]))
        _log.info(
            '%s: %d demonstrations, %d of them lifted the cube',
            split,
            len(recorded),
            sum(item.lifted for item in recorded),
        )
    np.save(args.out / 'joint_bounds.npy', demonstrations.joint_bounds(np.concatenate(joints)))


def _bag(args: argparse.Namespace) -> None:
    request = demonstrations.requests_for(args.split, args.index + 1)[args.index]
    with PandaEnvironment() as environment:
        write_bag(args.out, record_samples(environment, request))
    _log.info(
        '%s: %s demonstration %d, cube at %s', args.out, args.split, args.index, request.placement
    )


def _rollout(args: argparse.Namespace) -> None:
    for bundle in args.bundles:
        _log.info(
            '%s',
            judge(
                str(bundle),
                partial(open_policy, bundle, args.backend, args.precision),
                args.split,
                args.count,
                controls=args.controls,
                workers=args.workers,
            ),
        )


def _success(args: argparse.Namespace) -> None:
    bundles = {bundle.name: bundle for bundle in args.bundles}
    # who drives first matters to every arbiter but the one that is told
    crews = [(model, '') for model in bundles]
    crews += [
        (model, by)
        for by in args.arbiters
        for model in (list(bundles)[:1] if by == 'topic' else bundles)
    ]
    variants = [
        success.Variant(model, args.backend, precision, mixing, arbiter)
        for (model, arbiter), precision, mixing in itertools.product(
            crews, args.precisions, args.mixings
        )
    ]
    attempts = success.plan(variants, {area: getattr(args, area) for area in AREAS})
    file = args.out / 'results.jsonl'
    with progress_bar(f'{len(attempts)} episodes') as progress:
        success.run_all(attempts, bundles, file, jobs=args.jobs, progress=progress)
    results = success.read_results(file)
    tables = f'{success_table(results)}\n{comparison_table(results)}'
    found = summary(results)
    if args.arbiters:
        tables += f'\n{side_table(results)}'
        found['sides'] = side_summary(results)
    weights = {
        name: load_bundle(path).files['weights.safetensors'].sha256
        for name, path in bundles.items()
    }
    found = {'machine': describe_machine(), 'weights': weights} | found
    with atomic_write(args.out / 'tables.md') as out:
        out.write(tables.encode())
    with atomic_write(args.out / 'summary.json') as out:
        out.write(json.dumps(found, indent=1).encode() + b'\n')
    _log.info('%s', tables)


def _live(args: argparse.Namespace) -> None:
    require('rclpy', install='source the setup.bash of ROS 2', needed_for='live')
    from eipl_trt_ros.nodes.sim_run import RunSettings, run_episodes  # noqa: PLC0415

    settings = RunSettings(
        backend=args.backend,
        precision=args.precision,
        input_mixing=args.mixing,
        command_type=args.command_type,
        place=args.place,
        index=args.index,
        episodes=args.episodes,
        films=args.films,
        arbiter=args.arbiter,
    )
    bundle, *beside = map(load_bundle, args.bundles)
    with progress_bar(f'{bundle.name}: {args.episodes} episodes in real time') as progress:
        episodes = run_episodes(bundle, settings, beside=beside, progress=progress)
    for episode in episodes:
        how = 'lifted' if episode.verdict['lifted'] else 'not lifted'
        drivers = f'; {", then ".join(episode.drivers)} drove' if episode.drivers else ''
        _log.info('%s: the cube is %s%s', episode.verdict['place'], how, drivers)
    together = f'with {len(beside)} beside it by {args.arbiter}, ' if beside else ''
    write_live_report(
        args.out,
        bundle,
        episodes,
        how=f'{together}{args.precision}, mixing {args.mixing:g}, {args.command_type}',
        when=datetime.now(timezone.utc).strftime('%Y-%m-%d %H:%M UTC'),
        command=shlex.join(['python', '-m', 'eipl_trt_ros.sim', *args.argv]),
        facts=describe_machine(),
    )
    _log.info('%s', args.out / 'report.html')


if __name__ == '__main__':
    sys.exit(main())
