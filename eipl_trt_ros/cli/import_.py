# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""``eipl_trt import``: turn a checkpoint of EIPL's training scripts into a bundle."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from eipl_trt_ros.errors import CheckpointError, require
from eipl_trt_ros.spec import MODEL_TYPES

_EPILOG = """\
examples:
  eipl_trt import --template > robot.yaml     # then tell in it how the robot is wired
  eipl_trt import log/20261123/SARNN.pth --robot robot.yaml --out my_model

Beside the weights lie args.json and joint_bounds.npy, or --args and --bounds tell where. What the
checkpoint does not know, the robot file tells: the rate of the training data, what was done to
the pictures (rgb8 or bgr8: EIPL's data of AIREC and OpenManipulator is bgr8), and for each joint
its name, where its value comes from and where its prediction goes.
"""


def add_parser(subparsers: Any) -> None:
    """Add the verb's command line."""
    parser = subparsers.add_parser(
        'import',
        help='turn a checkpoint of EIPL into a bundle',
        description="Turn a checkpoint of EIPL's training scripts into a bundle.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('checkpoint', type=Path, nargs='?', help='the weights, a .pth file')
    parser.add_argument(
        '--robot',
        type=Path,
        metavar='FILE',
        help='YAML file that tells how the model is wired to its robot',
    )
    parser.add_argument('--out', type=Path, metavar='FOLDER', help='the bundle; must not exist')
    parser.add_argument(
        '--template',
        action='store_true',
        help='print a robot file to start from, and do nothing else',
    )
    parser.add_argument(
        '--args',
        type=Path,
        metavar='FILE',
        dest='arguments',
        help='settings of the training (default: args.json beside the weights)',
    )
    parser.add_argument(
        '--bounds',
        type=Path,
        metavar='FILE',
        help='joint bounds (default: joint_bounds.npy beside the weights)',
    )
    parser.add_argument('--name', help="the bundle's name (default: its folder's)")
    parser.add_argument(
        '--model', choices=MODEL_TYPES, help='to be checked (default: what the weights say)'
    )
    parser.add_argument(
        '--image-size',
        type=_image_size,
        metavar='HEIGHTxWIDTH',
        help='to be checked (default: what the weights say)',
    )
    parser.add_argument(
        '--no-graphs', action='store_true', help='leave the ONNX graphs to a later eipl_trt export'
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Make the bundle, or print the template."""
    from eipl_trt_ros.export.robot_file import TEMPLATE, read_robot_file  # noqa: PLC0415

    if args.template:
        print(TEMPLATE, end='')
        return 0
    for name in ('checkpoint', 'robot', 'out'):
        if getattr(args, name) is None:
            option = name if name == 'checkpoint' else f'--{name}'
            msg = f'import needs {option}; see eipl_trt import --help'
            raise CheckpointError(msg)
    robot = read_robot_file(args.robot)
    require('torch', install='pip install torch==2.13.0', needed_for='eipl_trt import')
    require('onnx', install='pip install onnx', needed_for='eipl_trt import')
    console = require('rich.console', install='pip install rich', needed_for='eipl_trt import')
    from eipl_trt_ros.bundle import Bundle  # noqa: PLC0415
    from eipl_trt_ros.export.checkpoint import read_bounds, read_checkpoint  # noqa: PLC0415
    from eipl_trt_ros.export.create import create_bundle  # noqa: PLC0415

    beside = args.checkpoint.parent
    with console.Console(stderr=True).status('reading the checkpoint') as status:
        checkpoint = read_checkpoint(
            args.checkpoint,
            args.arguments or beside / 'args.json',
            model=args.model,
            image_size=args.image_size,
        )
        bounds = read_bounds(args.bounds or beside / 'joint_bounds.npy', checkpoint.spec.joint_dim)
        bundle = create_bundle(
            Bundle(
                path=args.out,
                name=args.name or args.out.resolve().name,
                model=checkpoint.spec,
                camera=robot.camera,
                vmin=checkpoint.vmin,
                vmax=checkpoint.vmax,
                joints=robot.joints(bounds),
                rate_hz=robot.rate_hz,
                provenance=checkpoint.provenance,
            ),
            checkpoint.tensors,
            graphs=not args.no_graphs,
            progress=lambda part: status.update(f'writing {part}'),
        )
    spec = bundle.model
    print(
        f'{bundle.path}: {spec.type}, image {spec.image_height}x{spec.image_width}, '
        f'{spec.joint_dim} joints, {bundle.rate_hz:g} Hz'
    )
    return 0


def _image_size(text: str) -> tuple[int, int]:
    height, cross, width = text.partition('x')
    if not (cross and height.isdecimal() and width.isdecimal()):
        msg = f'{text!r} is not HEIGHTxWIDTH, such as 128x128'
        raise argparse.ArgumentTypeError(msg)
    return int(height), int(width)
