# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""``eipl_trt bench``: time ways of running a model against each other."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from eipl_trt_ros.bundle import Bundle, load_bundle
from eipl_trt_ros.cli.options import add_bundle_option
from eipl_trt_ros.cli.progress_bar import progress_bar
from eipl_trt_ros.errors import InputError, MissingPackageError, require
from eipl_trt_ros.memory import keep_freed_memory

_EXAMPLES = """examples:
  eipl_trt bench --bundle samples/sarnn --bundle samples/cnnrnn
  eipl_trt bench --bundle samples/sarnn --threads 1 2 --frames 1000 --json bench.json
  eipl_trt bench --bundle samples/sarnn --against bench.json
  eipl_trt bench --bundle samples/sarnn --layers --precision fp32 fp16 int8
  eipl_trt bench --bundle samples/sarnn --bag samples/demonstration
  eipl_trt bench --bundle samples/sarnn --ros

A frame is the whole way from the camera picture and the joints to the predicted joints (and
image) in host memory. The ways run in turn, frame by frame, in one process. OpenVINO is timed
where it is installed (pip install openvino)."""

_SLOWER = 1


def add_parser(subparsers: Any) -> None:
    """Add the verb's command line."""
    parser = subparsers.add_parser(
        'bench',
        help='time a model in PyTorch, in ONNX Runtime and as this package runs it',
        description='Time ways of running a model against each other on this machine.',
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_bundle_option(parser, required=True)
    parser.add_argument(
        '--frames', type=_count, default=300, help='frames timed of each way (default: 300)'
    )
    parser.add_argument(
        '--threads',
        type=_count,
        nargs='+',
        default=[1],
        metavar='N',
        help='processor threads for one frame, one run for each number (default: 1)',
    )
    parser.add_argument(
        '--precision',
        nargs='+',
        choices=['fp32', 'fp16', 'int8'],
        default=['fp32'],
        dest='precisions',
        help='time ours in these too; on a processor fp16 and int8 are exact arithmetic, right in '
        'their errors but not in their time (default: fp32; --gpu times all that are built)',
    )
    parser.add_argument(
        '--compile', action='store_true', help='time torch.compile too; it compiles for a minute'
    )
    parser.add_argument(
        '--gpu',
        action='store_true',
        help="instead, time the ways on a GPU: PyTorch, the paper's structure, TensorRT engines "
        'of the bundle (build them first with: eipl_trt build)',
    )
    parser.add_argument(
        '--scaling',
        action='store_true',
        help='time several models in one process and images of other sizes too; with --gpu, '
        'models side by side that copy a picture in once, or each its own',
    )
    parser.add_argument(
        '--bag',
        type=Path,
        metavar='DIR',
        help='time the evaluation of this recording too, several times over, by one process and '
        'by several',
    )
    parser.add_argument(
        '--layers',
        action='store_true',
        help='show too which nodes of the graphs the time goes to, on the processor',
    )
    parser.add_argument(
        '--glibc-defaults',
        action='store_true',
        help='time only PyTorch eager and ours, and let the C library hand freed memory back to '
        'the kernel in every frame, as it does in a script of your own',
    )
    parser.add_argument(
        '--ros',
        action='store_true',
        help='instead, time the node: from the stamp of an image to the command, over real topics',
    )
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the figures to a file')
    parser.add_argument(
        '--against',
        type=Path,
        metavar='FILE',
        help='an earlier run written with --json: say what got slower beyond the noise '
        f'(exit code {_SLOWER} if something did)',
    )
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
    from eipl_trt_ros.benchmark.against import read_report  # noqa: PLC0415
    from eipl_trt_ros.evaluation.machine import describe_machine  # noqa: PLC0415

    if args.ros and args.against is not None:
        msg = 'what --ros times cannot be compared with --against: leave one of the two out'
        raise InputError(msg)
    if not args.glibc_defaults:
        keep_freed_memory()  # else PyTorch is timed at its worst: the kernel clears pages
    console = rich_console.Console()
    old = read_report(args.against) if args.against is not None else None
    bundles = [load_bundle(path) for path in args.bundles]
    machine = describe_machine()
    console.print(f'{machine["Processor"]}, {machine["Cores"]} core(s)', markup=False)
    if args.ros:
        report: dict[str, Any] = {'machine': machine, 'ros': _time_node(console, bundles, args)}
    else:
        report = {'machine': machine, 'runs': _time_models(console, bundles, args)}
        if args.layers:
            report['layers'] = _time_layers(console, bundles, args)
        if args.bag is not None:
            report['bags'] = _time_bags(console, bundles, args)
        if args.scaling:
            time_scaling = _time_together if args.gpu else _time_scaling
            report['scaling'] = time_scaling(console, bundles, args)
    if args.json is not None:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(report, indent=2) + '\n', encoding='utf-8')
    return 0 if old is None else _compare(console, old, report)


def _time_models(
    console: Any, bundles: list[Bundle], args: argparse.Namespace
) -> list[dict[str, Any]]:
    from eipl_trt_ros.benchmark.cases import (  # noqa: PLC0415
        COMPILED,
        EAGER,
        is_ours,
        with_precisions,
    )
    from eipl_trt_ros.benchmark.measure import time_bundle  # noqa: PLC0415
    from eipl_trt_ros.benchmark.report import roofline_lines, run_record  # noqa: PLC0415
    from eipl_trt_ros.benchmark.roofline import measure_ceilings  # noqa: PLC0415
    from eipl_trt_ros.benchmark.tables import table_of  # noqa: PLC0415

    without: tuple[str, ...] = () if args.compile else (COMPILED,)
    makers = with_precisions(args.precisions)
    if args.glibc_defaults:  # what the other peers free would stay, and serve PyTorch
        without = tuple(name for name in makers if name != EAGER and not is_ours(name))
    if args.gpu:
        from eipl_trt_ros.benchmark.gpu import GPU_CASES  # noqa: PLC0415

        makers = GPU_CASES
    runs = []
    for threads in args.threads:
        try:
            require('onnx', install='pip install onnx', needed_for='the floor')
            ceilings = None if args.gpu else measure_ceilings(threads)
        except MissingPackageError as error:
            ceilings = None
            console.print(f'left out: {error}', style='yellow', markup=False)
        for bundle in bundles:
            title = f'{bundle.name}, {threads} thread(s)'
            with progress_bar(f'{title}: timing') as progress:
                timings, missing = time_bundle(
                    bundle,
                    frames=args.frames,
                    threads=threads,
                    makers=makers,
                    without=without,
                    progress=progress,
                )
            for note in missing:
                console.print(f'left out: {note}', style='yellow', markup=False)
            console.print(table_of(title, timings))
            record = run_record(bundle, threads, timings)
            if ceilings is not None:
                for line in roofline_lines(bundle, ceilings, timings):
                    console.print(line, markup=False, highlight=False, soft_wrap=True)
                record['ceilings'] = asdict(ceilings)
            runs.append(record)
    return runs


def _time_scaling(
    console: Any, bundles: list[Bundle], args: argparse.Namespace
) -> list[dict[str, Any]]:
    from eipl_trt_ros.benchmark.scaling import cost_by_models, cost_by_size  # noqa: PLC0415
    from eipl_trt_ros.benchmark.tables import cost_table  # noqa: PLC0415

    found = []
    threads = args.threads[0]
    for bundle in bundles:
        for what, cost in (('models', cost_by_models), ('pixels', cost_by_size)):
            costs = cost(bundle, threads=threads, frames=args.frames)
            if costs:
                console.print(cost_table(bundle.name, what, costs))
                found.append(
                    {'model': bundle.name, 'by': what, 'costs': [asdict(one) for one in costs]}
                )
    return found


def _time_together(
    console: Any, bundles: list[Bundle], args: argparse.Namespace
) -> list[dict[str, Any]]:
    from eipl_trt_ros.backends import Backend, SharedInputs, load_backend  # noqa: PLC0415
    from eipl_trt_ros.benchmark.side_by_side import time_together  # noqa: PLC0415
    from eipl_trt_ros.benchmark.tables import together_table  # noqa: PLC0415

    found = []
    for bundle in bundles:
        for precision in ('fp32', 'fp16'):

            def open_backend(
                shared: SharedInputs | None, bundle: Bundle = bundle, precision: str = precision
            ) -> Backend:
                return load_backend(bundle, 'tensorrt', precision=precision, shared=shared)

            times = time_together(bundle, open_backend, frames=args.frames)
            console.print(together_table(f'{bundle.name}, {precision}', times))
            costs = [asdict(one) for one in times]
            found.append(
                {'model': bundle.name, 'by': 'models', 'precision': precision, 'costs': costs}
            )
    return found


def _time_layers(
    console: Any, bundles: list[Bundle], args: argparse.Namespace
) -> list[dict[str, Any]]:
    from eipl_trt_ros.benchmark.layers import GRAPHS, layer_times  # noqa: PLC0415
    from eipl_trt_ros.benchmark.tables import layer_table  # noqa: PLC0415

    found = []
    for bundle in bundles:
        for graph in GRAPHS:
            layers = layer_times(bundle, graph, threads=args.threads[0], frames=args.frames)
            console.print(layer_table(bundle.name, graph, layers))
            nodes = [asdict(layer) for layer in layers]
            found.append({'model': bundle.name, 'graph': graph, 'layers': nodes})
    return found


def _time_bags(
    console: Any, bundles: list[Bundle], args: argparse.Namespace
) -> list[dict[str, Any]]:
    require('rosbags', install='pip install rosbags', needed_for='--bag')
    from eipl_trt_ros.benchmark.bags import BAGS, cost_by_bags  # noqa: PLC0415
    from eipl_trt_ros.benchmark.tables import bag_table  # noqa: PLC0415

    found = []
    jobs = sorted({1, os.cpu_count() or 1})
    for bundle in bundles:
        costs = cost_by_bags(bundle, args.bag, threads=args.threads[0], jobs=jobs, counts=BAGS)
        console.print(bag_table(bundle.name, costs))
        found.append({'model': bundle.name, 'costs': [asdict(cost) for cost in costs]})
    return found


def _time_node(
    console: Any, bundles: list[Bundle], args: argparse.Namespace
) -> list[dict[str, Any]]:
    from eipl_trt_ros.benchmark.ros_latency import FLEET, MATRIX, time_node  # noqa: PLC0415
    from eipl_trt_ros.benchmark.ros_table import markdown_table  # noqa: PLC0415

    found = []
    for bundle in bundles:
        with progress_bar(f'{bundle.name}: timing the node') as progress:
            streams = (*MATRIX, *FLEET)
            latencies = time_node(bundle, streams, threads=args.threads[0], progress=progress)
        console.print(f'{bundle.name}: milliseconds from the stamp of an image to the command\n')
        # as it is, without the terminal's width: it can be pasted into a page
        console.out(markdown_table(latencies), highlight=False)
        found.append({'model': bundle.name, 'latencies': [asdict(one) for one in latencies]})
    return found


def _compare(console: Any, old: Mapping[str, Any], new: Mapping[str, Any]) -> int:
    from eipl_trt_ros.benchmark.against import compare  # noqa: PLC0415

    if old['machine'].get('Processor') != new['machine'].get('Processor'):
        console.print('the earlier run was on another processor', style='yellow', markup=False)
    slower = [change for change in compare(old, new) if change.slower]
    for change in slower:
        console.print(
            f'slower: {change.model}, {change.threads} thread(s), {change.case}: '
            f'{100 * (change.ratio - 1):.0f} %, noise {100 * change.noise:.0f} %',
            markup=False,
        )
    if not slower:
        console.print('nothing is slower than then beyond the noise', markup=False)
    return _SLOWER if slower else 0
