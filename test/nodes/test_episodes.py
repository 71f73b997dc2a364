# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""How episodes follow each other: against services that answer as told."""

from __future__ import annotations

import queue
from typing import Any

import pytest
from ros_world import until
from std_srvs.srv import SetBool, Trigger

from eipl_trt_ros.errors import BackendError
from eipl_trt_ros.nodes import episodes as module
from eipl_trt_ros.nodes.episodes import Episodes


class Theatre:
    """A predictor that is called, and a robot that is put back; both write down what happens."""

    def __init__(self, world: Any, refusals: int) -> None:
        self.diary: list[str] = []
        self.judged = False
        self.ended: queue.Queue[bool] = queue.Queue()
        self.node = world.robot()
        self._refusals = refusals
        self.node.create_service(SetBool, 'predictor/engage', self._on_engage)
        self.node.create_service(Trigger, 'predictor/reset', self._on_reset)

    def begin_episode(self) -> None:
        self.judged = False
        self.diary.append('robot put back')

    def _on_engage(self, request: Any, response: Any) -> Any:
        response.success = not request.data or self._refusals == 0
        response.message = '' if response.success else 'not yet'
        self._refusals -= not response.success
        wanted = 'engage' if request.data else 'disengage'
        self.diary.append(wanted if response.success else 'refuse')
        return response

    def _on_reset(self, _: Any, response: Any) -> Any:
        self.diary.append('predictor reset')
        response.success = True
        return response


def test_an_episode_begins_at_rest_and_ends_with_a_verdict(world):
    theatre = Theatre(world, refusals=2)
    Episodes(world.robot(), theatre, 2, lambda: theatre.ended.put(True))
    first = ['disengage', 'predictor reset', 'refuse', 'refuse', 'engage']
    until(lambda: len(theatre.diary) >= len(first), 'the first episode')
    assert theatre.diary == first
    theatre.judged = True
    second = ['disengage', 'robot put back', 'predictor reset', 'engage']
    until(lambda: len(theatre.diary) >= len(first + second), 'the second episode')
    theatre.judged = True
    assert theatre.ended.get(timeout=20)
    assert theatre.diary == [*first, *second, 'disengage']


@pytest.mark.parametrize(
    ('served', 'why'), [(True, 'refuses to be engaged: not yet'), (False, 'nobody serves')]
)
def test_a_predictor_that_does_not_cooperate_ends_it(world, monkeypatch, served, why):
    monkeypatch.setattr(module, '_PATIENCE', 0.3)
    node = world.robot()
    stage = Theatre(world, refusals=1000) if served else None
    # without its timer, it goes on when it is told to: the executor would end with the error
    monkeypatch.setattr(node, 'create_timer', lambda *_, **__: None)
    made = Episodes(node, stage, 1, lambda: None)

    def go_on() -> bool:
        made._go_on()
        return False

    with pytest.raises(BackendError, match=why):
        until(go_on, 'the error')
