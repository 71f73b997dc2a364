# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The real node driving an arm over DDS, watched at the controller's side."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from live_arm import LiveWorld, lively_bundle
from ros_world import until

from eipl_trt_ros.bundle import Bundle

TYPES = ('joint_trajectory', 'float64_multi_array')


@pytest.fixture(scope='module')
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return lively_bundle(tmp_path_factory.mktemp('lively') / 'b')


@pytest.fixture
def live(world: Any, bundle: Bundle) -> Iterator[Any]:
    """Return a maker of live worlds; whatever happens in them is checked at the end."""
    made: list[LiveWorld] = []

    def make(**settings: Any) -> LiveWorld:
        made.append(LiveWorld(world, bundle, **settings))
        return made[-1]

    yield make
    for one in made:
        one.observer.check()


@pytest.mark.parametrize('command_type', TYPES)
def test_the_arm_moves_only_while_it_is_engaged(live: Any, command_type: str) -> None:
    lively = live(command_type=command_type)
    observer = lively.observer
    lively.wait_for('disengaged')
    until(lambda: len(observer.heard.images) > 20, 'images')
    assert not observer.commands
    lively.engage()
    lively.wait_for('driving')
    time.sleep(1.5)
    ways = np.concatenate([command.positions for command in observer.commands])
    assert (ways.max(0) - ways.min(0)).max() > 0.005
    assert lively.arm.call_engage(False).success
    time.sleep(0.5)
    sent = len(observer.commands)
    time.sleep(0.5)
    assert len(observer.commands) == sent
    assert observer.state == 'disengaged'
