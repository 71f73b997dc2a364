# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""``python -m eipl_trt_ros.sim``: record demonstrations, write a bag, roll a bundle out."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from eipl_trt_ros.backends import BACKENDS
from eipl_trt_ros.command_line import run_module
from eipl_trt_ros.sim import demonstrations
from eipl_trt_ros.sim.bag import record_samples, write_bag
from eipl_trt_ros.sim.environment import PandaEnvironment
from eipl_trt_ros.sim.positions import SPLITS
from eipl_trt_ros.sim.rollout import judge, open_policy

_log = logging.getLogger('eipl_trt_ros.sim')


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run one command.

    Args:
        argv: arguments; ``None``: those of the process.

    Returns:
        0, or 2 after an error, which is told in one line.

    """
    return run_module(_parser(), argv)


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
    rollout.add_argument('--workers', type=int, default=1, help='processes (default: 1)')
    rollout.set_defaults(run=_rollout)
    return parser


def _demonstrations(args: argparse.Namespace) -> None:
    joints = []
    for split in SPLITS:
        requests = demonstrations.requests_for(split, getattr(args, split))
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
                partial(open_policy, bundle, args.backend),
                args.split,
                args.count,
                controls=args.controls,
                workers=args.workers,
            ),
        )


if __name__ == '__main__':
    sys.exit(main())
