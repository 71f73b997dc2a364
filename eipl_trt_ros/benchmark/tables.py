# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The timings as a table for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.box import SIMPLE
from rich.table import Table

from eipl_trt_ros.benchmark.bags import BagCost
from eipl_trt_ros.benchmark.layers import Layer
from eipl_trt_ros.benchmark.measure import Timing
from eipl_trt_ros.benchmark.scaling import Cost
from eipl_trt_ros.benchmark.side_by_side import Together

_NAMED = 0.02  # of a graph's time: nodes that take less share a row


def table_of(name: str, timings: Mapping[str, Timing]) -> Table:
    """
    Put one row per case.

    Args:
        name: of the bundle.
        timings: by case, at least one.

    Returns:
        A table for `rich.console.Console.print`.

    """
    frames = next(iter(timings.values())).frames
    table = Table(title=f'{name}: milliseconds a frame, {frames} frames each')
    table.add_column('case', no_wrap=True)
    for heading in ('median', 'quartiles', 'p99', 'speed', 'pre+post'):
        table.add_column(heading, justify='right', no_wrap=True)
    for case, timing in timings.items():
        table.add_row(
            case,
            f'{timing.median:.2f}',
            f'{timing.q1:.2f}-{timing.q3:.2f}',
            f'{timing.p99:.2f}',
            f'{timing.ratio:.2f}x',
            '' if timing.overhead is None else f'{100 * timing.overhead:.1f} %',
        )
    return table


def cost_table(name: str, what: str, costs: Sequence[Cost]) -> Table:
    """
    Put one row per count.

    Args:
        name: of the bundle.
        what: is counted.
        costs: at least one.

    """
    table = Table(title=f'{name}: milliseconds a frame of one model')
    for heading in (what, 'motion', 'image', 'memory (MB)'):
        table.add_column(heading, justify='right', no_wrap=True)
    for cost in costs:
        table.add_row(
            str(cost.count),
            f'{cost.motion:.2f}',
            '' if cost.image is None else f'{cost.image:.2f}',
            f'{cost.megabytes:.0f}',
        )
    return table


def together_table(title: str, times: Sequence[Together]) -> Table:
    """
    Put one row per number of models, and way to hold their inputs.

    Args:
        title: of the table.
        times: at least one, a single model first.

    """
    table = Table(title=f'{title}: microseconds a frame of all models')
    for heading in ('models', 'inputs', 'to the command', 'all', 'one more costs'):
        table.add_column(heading, justify='right', no_wrap=True)
    single = times[0]
    for one in times:
        more = one.count - single.count
        table.add_row(
            str(one.count),
            'shared' if one.shared else 'own',
            f'{one.command:.1f}',
            f'{one.frame:.1f}',
            f'{(one.frame - single.frame) / more:.1f}' if more else '',
        )
    return table


def bag_table(name: str, costs: Sequence[BagCost]) -> Table:
    """
    Put one row per number of recordings and processes.

    Args:
        name: of the bundle.
        costs: at least one.

    """
    table = Table(title=f'{name}: seconds to evaluate recordings')
    for heading in ('bags', 'jobs', 'images', 'seconds', 'ms an image'):
        table.add_column(heading, justify='right', no_wrap=True)
    for cost in costs:
        each = 1e3 * cost.seconds / cost.images
        figures = str(cost.bags), str(cost.jobs), str(cost.images), f'{cost.seconds:.2f}'
        table.add_row(*figures, f'{each:.2f}')
    return table


def layer_table(name: str, graph: str, layers: Sequence[Layer]) -> Table:
    """
    Put one row per node that takes a share worth naming, and one for the rest.

    Args:
        name: of the bundle.
        graph: of the bundle.
        layers: at least one.

    """
    total = sum(layer.microseconds for layer in layers)
    large = [layer for layer in layers if layer.microseconds >= _NAMED * total]
    table = Table(
        title=f'{name}: {graph} graph, {total:.0f} microseconds in {len(layers)} nodes',
        box=SIMPLE,
        padding=(0, 0, 0, 1),
    )
    for heading in ('node', 'operator', 'gives'):
        table.add_column(heading, no_wrap=True)
    for heading in ('µs', 'share'):
        table.add_column(heading, justify='right', no_wrap=True)
    for layer in large:
        shape = 'x'.join(map(str, layer.shape))
        share = f'{100 * layer.microseconds / total:.0f} %'
        name = layer.name.removesuffix('_nchwc').removesuffix('_activation')
        table.add_row(name, layer.operator, shape, f'{layer.microseconds:.0f}', share)
    rest = total - sum(layer.microseconds for layer in large)
    others = f'{len(layers) - len(large)} others'
    table.add_row(others, '', '', f'{rest:.0f}', f'{100 * rest / total:.0f} %')
    return table
