# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""``python -m eipl_trt_ros.training``: train a model, measure it, let it grasp."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from eipl_trt_ros.command_line import run_module
from eipl_trt_ros.errors import require
from eipl_trt_ros.sim.positions import SPLITS

# Commands import what they need: --help must answer where torch or mujoco is missing.
_log = logging.getLogger('eipl_trt_ros.training')


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run one command.

    Args:
        argv: arguments; ``None``: those of the process.

    Returns:
        0, or 2 after an error, which is told in one line.

    """
    return run_module(_parser(), argv, _check_torch)


def _check_torch() -> None:
    require('torch', install='pip install -r requirements/train.txt', needed_for='training')


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog='python -m eipl_trt_ros.training', description=__doc__)
    commands = parser.add_subparsers(required=True, metavar='COMMAND')

    train = commands.add_parser('train', help='train one model on recorded demonstrations')
    train.add_argument('settings', type=Path, help='YAML file, see config/training')
    train.add_argument(
        'data', type=Path, help='folder with train, validation and joint_bounds.npy'
    )
    train.add_argument('out', type=Path, help='folder for the checkpoints')
    train.add_argument(
        '--set',
        action='append',
        default=[],
        metavar='NAME=VALUE',
        help='change one setting of the file; may be repeated',
    )
    train.add_argument('--seconds', type=float, help='take so long, whatever the settings say')
    train.add_argument('--start', type=Path, help="begin with this checkpoint's weights")
    train.add_argument('--checkpoints', type=int, default=4, help='how many (default: 4)')
    train.add_argument('--device', default='cuda', help='torch device (default: cuda)')
    train.set_defaults(run=_train)

    measure = commands.add_parser('measure', help='joint error and attention on demonstrations')
    measure.add_argument('data', type=Path)
    measure.add_argument('checkpoints', type=Path, nargs='+')
    measure.add_argument('--split', choices=SPLITS, default='test', help='default: test')
    measure.add_argument('--device', default='cpu', help='torch device (default: cpu)')
    measure.set_defaults(run=_measure)

    judge = commands.add_parser('judge', help='closed-loop rollouts in the simulation')
    judge.add_argument('checkpoints', type=Path, nargs='+')
    judge.add_argument('--split', choices=SPLITS, default='validation', help='default: validation')
    judge.add_argument('--count', type=int, default=12, help='cube places (default: 12)')
    judge.add_argument(
        '--controls', type=int, default=0, help='repeat so many with the cube hidden (default: 0)'
    )
    judge.add_argument('--workers', type=int, default=1, help='processes (default: 1)')
    judge.set_defaults(run=_judge)
    return parser


def _train(args: argparse.Namespace) -> None:
    import torch  # noqa: PLC0415

    from eipl_trt_ros.training.checkpoint import read_checkpoint  # noqa: PLC0415
    from eipl_trt_ros.training.data import load_bounds, load_demonstrations  # noqa: PLC0415
    from eipl_trt_ros.training.settings import TrainingError, load_settings  # noqa: PLC0415
    from eipl_trt_ros.training.trainer import train  # noqa: PLC0415

    changes = [change.partition('=') for change in args.set]
    if not all(sign for _, sign, _ in changes):
        msg = f'--set wants NAME=VALUE, found {args.set}'
        raise TrainingError(msg)
    settings = load_settings(args.settings, {name: value for name, _, value in changes})
    start = read_checkpoint(args.start).model.state_dict() if args.start else None
    device = torch.device(args.device)
    # Ten bits of mantissa are enough to train with, and the matrix units then do the work.
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    train(
        load_demonstrations(args.data, 'train', device),
        load_demonstrations(args.data, 'validation', device),
        load_bounds(args.data),
        settings,
        args.out,
        seconds=args.seconds,
        start=start,
        checkpoints=args.checkpoints,
    )


def _measure(args: argparse.Namespace) -> None:
    import torch  # noqa: PLC0415

    from eipl_trt_ros.models import SARNN  # noqa: PLC0415
    from eipl_trt_ros.sim.scene import project  # noqa: PLC0415
    from eipl_trt_ros.training.attention import correlations, encoder_points  # noqa: PLC0415
    from eipl_trt_ros.training.checkpoint import read_checkpoint  # noqa: PLC0415
    from eipl_trt_ros.training.data import load_demonstrations  # noqa: PLC0415
    from eipl_trt_ros.training.trainer import joint_error  # noqa: PLC0415

    device = torch.device(args.device)
    data = load_demonstrations(args.data, args.split, device)
    for checkpoint in args.checkpoints:
        model = read_checkpoint(checkpoint).model.to(device)
        _log.info(
            '%s: joint MSE on %d %s demonstrations %.3e',
            checkpoint,
            len(data),
            args.split,
            joint_error(model, data),
        )
        if isinstance(model, SARNN):
            points = encoder_points(model, data)
            for name, frames in (('first frame', slice(0, 1)), ('all frames', slice(None))):
                found = correlations(points[:, frames], project(data.cubes.numpy()[:, frames]))
                _log.info(
                    '  correlation of each point with the cube, %s: x %s, y %s',
                    name,
                    found[:, 0].round(2).tolist(),
                    found[:, 1].round(2).tolist(),
                )


def _judge(args: argparse.Namespace) -> None:
    from eipl_trt_ros.sim.rollout import judge  # noqa: PLC0415
    from eipl_trt_ros.training.policy import load_policy  # noqa: PLC0415

    for checkpoint in args.checkpoints:
        _log.info(
            '%s',
            judge(
                str(checkpoint),
                partial(load_policy, checkpoint),
                args.split,
                args.count,
                controls=args.controls,
                workers=args.workers,
            ),
        )


if __name__ == '__main__':
    sys.exit(main())
