# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
pytest.importorskip('rclpy', reason='rclpy is not installed: pip install -r requirements/base.txt')

from live_arm import checked_worlds, lively_bundle
from ros_world import World

from eipl_trt_ros.bundle import Bundle


@pytest.fixture
def world() -> Iterator[World]:
    """A ROS domain of the test's own."""
    with World() as made:
        yield made


@pytest.fixture(scope='session')
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A small model that keeps its arm moving."""
    return lively_bundle(tmp_path_factory.mktemp('lively') / 'b')


@pytest.fixture
def live(world: World, bundle: Bundle) -> Iterator[Any]:
    """Return a maker of live worlds; whatever happens in them is checked at the end."""
    yield from checked_worlds(world, bundle)


COLUMNS = (
    'fault',
    'the arm holds after',
    'silent after',
    'moved',
    'what the node says',
    'afterwards',
    'test',
)
Row = Callable[..., None]


@pytest.fixture
def row(request: pytest.FixtureRequest) -> Row:
    """Return what keeps the test's row of docs/reliability.md; `-s` shows all at the end."""

    def keep(
        fault: str,
        *,
        held: float | str = '',
        silent: float | str = '',
        moved: float | str = '',
        said: str = '',
        then: str = '',
    ) -> None:
        place, test = request.path.name, request.node.name
        times = [
            f'{value:.2f} s' if isinstance(value, float) else value for value in (held, silent)
        ]
        way = f'{moved:.2f} rad' if isinstance(moved, float) else moved
        cells = [fault, *times, way, said, then, f'`{place}::{test}`']
        request.node.user_properties.append(('reliability', cells))

    return keep


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the table of docs/reliability.md, where the output of tests is asked for."""
    rows = [
        value
        for report in terminalreporter.stats.get('passed', [])
        for name, value in report.user_properties
        if name == 'reliability'
    ]
    if not rows or config.getoption('capture') != 'no':
        return
    for cells in (COLUMNS, ['---'] * len(COLUMNS), *rows):
        terminalreporter.write_line(f'| {" | ".join(cells)} |')
