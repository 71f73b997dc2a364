# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
pytest.importorskip('rclpy', reason='rclpy is not installed: pip install -r requirements/base.txt')

from builders import SPECS, write_random_bundle
from ros_world import World

from eipl_trt_ros.bundle import Bundle


@pytest.fixture
def world() -> Iterator[World]:
    """A ROS domain of the test's own."""
    with World() as made:
        yield made


@pytest.fixture(scope='session')
def random_bundle(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Bundle]:
    """Return a maker of bundles with random weights; each model is written once."""
    made: dict[str, Bundle] = {}
    folder: Path = tmp_path_factory.mktemp('bundles')

    def make(model: str = 'cnnrnn') -> Bundle:
        if model not in made:
            made[model] = write_random_bundle(folder / model, SPECS[model])
        return made[model]

    return make
