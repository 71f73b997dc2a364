# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""``eipl_trt info``: what a bundle holds, after checking that it is whole."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from math import nan
from typing import Any

from eipl_trt_ros.bundle import Bundle, load_bundle
from eipl_trt_ros.engines.int8_recipe import read_recipe, recipe_command
from eipl_trt_ros.engines.manifest import Manifest
from eipl_trt_ros.engines.store import EngineStore
from eipl_trt_ros.errors import BundleError, EngineError, require
from eipl_trt_ros.robot import JointSpec


def add_parser(subparsers: Any) -> None:
    """Add the verb's command line."""
    parser = subparsers.add_parser(
        'info',
        help='check a bundle and show what it holds',
        description='Check a bundle, every file of it, and show what it holds.',
        epilog='example: eipl_trt info samples/sarnn',
    )
    parser.add_argument('bundle', help='folder of the bundle')
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Show one bundle."""
    bundle = load_bundle(args.bundle)
    rich_table = require('rich.table', install='pip install rich', needed_for='eipl_trt info')
    console = require(
        'rich.console', install='pip install rich', needed_for='eipl_trt info'
    ).Console()
    facts = rich_table.Table(title=f'{bundle.name} ({bundle.path})', show_header=False)
    for name, value in _facts(bundle):
        facts.add_row(name, value)
    console.print(facts)
    joints = rich_table.Table(title='joints, in the model order')
    for column in ('name', 'bounds', 'input from', 'output to'):
        joints.add_column(column)
    for joint in bundle.joints:
        joints.add_row(*_joint_row(joint))
    console.print(joints)
    files = rich_table.Table(title='files, checked')
    for column in ('file', 'bytes', 'SHA-256'):
        files.add_column(column, justify='right' if column == 'bytes' else 'left')
    for name, entry in bundle.files.items():
        files.add_row(name, f'{entry.bytes:,}', entry.sha256[:16])
    console.print(files)
    manifests = EngineStore(bundle).manifests()
    if manifests:
        _print_engines(manifests, console, rich_table.Table)
    return 0


def _print_engines(manifests: Sequence[Manifest], console: Any, table: Any) -> None:
    engines = table(title='TensorRT engines')
    for column in ('graph', 'precision', 'built by', 'for', 'bytes', 'layers in int8'):
        engines.add_column(column, justify='right' if column == 'bytes' else 'left')
    became = table(title='what became of them')
    for column in ('graph', 'precision', 'time', 'layers', 'precision auto'):
        became.add_column(column)
    for manifest in manifests:
        engines.add_row(*_engine_row(manifest))
        became.add_row(*_inspection_row(manifest))
    console.print(engines)
    console.print(became)


def _facts(bundle: Bundle) -> list[tuple[str, str]]:
    model, camera = bundle.model, bundle.camera
    sizes = ', '.join(
        f'{name} {value:g}'
        for name in ('joint_dim', 'rec_dim', 'k_dim', 'feat_dim', 'temperature', 'heatmap_size')
        if (value := getattr(model, name)) is not None
    )
    crop = 'no crop'
    if camera.crop is not None:
        crop = (
            f'crop {camera.crop.width}x{camera.crop.height} at left {camera.crop.left}, '
            f'top {camera.crop.top}'
        )
    return [
        ('model', f'{model.type}: {sizes}'),
        ('image', f'{model.image_width}x{model.image_height} {camera.encoding}'),
        ('camera picture', f'stride {camera.stride}, {crop}, flip {camera.flip}, then resize'),
        ('normalised to', f'[{bundle.vmin:g}, {bundle.vmax:g}]'),
        ('rate', f'{bundle.rate_hz:g} Hz'),
        ('int8', _int8(bundle)),
        *((key.replace('_', ' '), value) for key, value in bundle.provenance.items()),
    ]


def _int8(bundle: Bundle) -> str:
    try:
        recipe = read_recipe(bundle)
        motion, image = (recipe.of(bundle, graph) for graph in ('motion', 'image'))
    except (EngineError, BundleError):
        return f'not calibrated: {recipe_command(bundle)}'
    made = recipe.calibration
    return (
        f'{len(motion.layers)} of {motion.candidates} layers of the motion graph, '
        f'{len(image.layers)} of {image.candidates} of the image graph; joint error '
        f"{motion.rate or nan:.3f} of fp32's, image off by {image.grey_levels or nan:.2f} grey "
        f'levels; calibrated with {made.demonstrations} demonstrations, {made.frames} frames, of '
        f'{made.source}'
    )


def _engine_row(manifest: Manifest) -> tuple[str, ...]:
    recipe, report = manifest.recipe, manifest.int8
    machine = recipe.machine
    layers = '' if report is None else f'{len(report.layers)} of {report.candidates}'
    return (
        recipe.graph,
        recipe.precision,
        f'{machine.tensorrt} {machine.version}',
        'any GPU (built without one)' if machine.gpu is None else str(machine.gpu),
        f'{manifest.bytes:,}',
        layers,
    )


def _inspection_row(manifest: Manifest) -> tuple[str, ...]:
    summary = 'unknown: it was built where there was no GPU to ask'
    if manifest.inspection is not None:
        summary = manifest.inspection.summary
    time = 'unknown' if manifest.microseconds is None else f'{manifest.microseconds:.1f} us'
    recipe = manifest.recipe
    return recipe.graph, recipe.precision, time, summary, manifest.verdict


def _joint_row(joint: JointSpec) -> tuple[str, str, str, str]:
    source = joint.source
    if joint.source == 'prediction':
        source = f'its last prediction, first {joint.initial:g}'
    sink = joint.sink
    if joint.sink == 'open_close':
        sink = f'close above {joint.close_above:g}, open below {joint.open_below:g}'
    return joint.name, f'[{joint.minimum:.4f}, {joint.maximum:.4f}]', source, sink
