# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
pytest.importorskip('rclpy', reason='rclpy is not installed: pip install -r requirements/base.txt')

from ros_world import World


@pytest.fixture
def world() -> Iterator[World]:
    """A ROS domain of the test's own."""
    with World() as made:
        yield made
