# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The simulated robot, where it can run; tests that need more than there is are skipped."""

import importlib.util
from collections.abc import Iterator

import pytest

from eipl_trt_ros.errors import EiplTrtError
from eipl_trt_ros.sim.environment import PandaEnvironment


@pytest.fixture(scope='session')
def robot() -> Iterator[PandaEnvironment]:
    for package in ('mujoco', 'gym_hil'):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f'{package} is not installed: see requirements/sim.txt and sim-robot.txt')
    with PandaEnvironment() as environment:
        yield environment


@pytest.fixture(scope='session')
def camera(robot: PandaEnvironment) -> PandaEnvironment:
    robot.reset((0.5, 0.0))
    try:
        robot.picture()
    except EiplTrtError as error:
        pytest.skip(str(error))
    return robot
