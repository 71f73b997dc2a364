# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
pytest.importorskip('rclpy', reason='rclpy is not installed: pip install -r requirements/base.txt')

from live_arm import LiveWorld, lively_bundle
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
    made: list[LiveWorld] = []

    def make(**settings: Any) -> LiveWorld:
        made.append(LiveWorld(world, bundle, **settings))
        return made[-1]

    yield make
    for one in made:
        one.end()
        one.observer.check()
