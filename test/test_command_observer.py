# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The property that all tests of commands rely on finds what it must find."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed: pip install -r requirements/base.txt')

from command_observer import Command, Heard, Rules, violations
from command_worlds import make_limits

from eipl_trt_ros.command.path import PathFollower
from eipl_trt_ros.command.preview import Preview

LIMITS = make_limits(2, lower=-0.9, upper=1.4, velocity=1.0, acceleration=8.0)
RULES = Rules(LIMITS, max_jump=0.35, command_rate=100.0, oldest=1.0, slack=0.1)


def good(*, streamed: bool) -> Heard:
    """Return two seconds of an arm that is engaged, does as it is told, and is disengaged."""
    heard = Heard(states=[(0.0, 'disengaged'), (0.495, 'driving')])
    path, preview = PathFollower(LIMITS, 0.01), Preview(LIMITS, 0.01, 20)
    path.start(np.array([0.2, 0.3]))
    for tick in range(200):
        now = 0.01 * tick
        heard.joint_times.append(now)
        heard.measured.append((now, path.position.copy()))
        if tick % 3 == 0:
            heard.images.append(now)
        if now < 0.5:
            continue
        aims = tick % 10 == 0
        if aims:
            path.aim(np.array([0.2 + 0.0005 * tick, 0.25]), 12)
        if streamed:
            heard.commands.append(
                Command(now, None, path.position[None].copy(), np.zeros(1), None)
            )
        elif aims:
            rows = preview.run(path)
            heard.commands.append(
                Command(
                    now,
                    LIMITS.names,
                    preview.positions[:rows].copy(),
                    0.01 * np.arange(1, rows + 1),
                    preview.velocities[:rows].copy(),
                )
            )
        path.step()
    heard.states.append((2.0, 'disengaged'))
    return heard


@pytest.mark.parametrize('streamed', [True, False])
def test_a_good_run_is_free_of_violations(streamed: bool) -> None:
    heard = good(streamed=streamed)
    assert len(heard.commands) > 10
    assert violations(heard, RULES) == []


def spoil(place: int, change: Callable[[Command], None]) -> Callable[[Heard], None]:
    def spoiled(heard: Heard) -> None:
        change(heard.commands[place])

    return spoiled


def set_positions(value: float) -> Callable[[Command], None]:
    def change(command: Command) -> None:
        command.positions[:, 0] = value

    return change


def add_positions(value: float) -> Callable[[Command], None]:
    def change(command: Command) -> None:
        command.positions[:, 0] += value

    return change


def without(name: str, after: float) -> Callable[[Heard], None]:
    def change(heard: Heard) -> None:
        setattr(heard, name, [at for at in getattr(heard, name) if at < after])

    return change


def never_engaged(heard: Heard) -> None:
    heard.states = heard.states[:1]


def disengaged_early(heard: Heard) -> None:
    heard.states.append((1.0, 'disengaged'))
    heard.states.sort()


COMMON = {
    'outside the position limits': spoil(5, set_positions(1.5)),
    'not finite': spoil(5, set_positions(np.nan)),
    'rad from what was measured': spoil(0, add_positions(0.36)),
    'the newest image is': without('images', 0.6),
    'the newest joints is': without('joint_times', 0.6),
    'a command while the node is disengaged': never_engaged,
}


@pytest.mark.parametrize('streamed', [True, False])
@pytest.mark.parametrize('what', COMMON)
def test_what_must_not_be_is_found(what: str, streamed: bool) -> None:
    heard = good(streamed=streamed)
    COMMON[what](heard)
    assert what in '; '.join(violations(heard, RULES))


def end_in_motion(command: Command) -> None:
    assert command.velocities is not None
    command.velocities[-1] = 0.1


def stand_still_in_time(command: Command) -> None:
    command.after[:] = 0.01


def speed_up(command: Command) -> None:
    assert command.velocities is not None
    command.velocities[1:-1] += 2.0


def forget_a_joint(command: Command) -> None:
    command.names = ('joint1',)


@pytest.mark.parametrize(
    ('what', 'streamed', 'change'),
    [
        ('a step of', True, spoil(20, add_positions(0.05))),
        ('sharper than allowed', True, spoil(20, add_positions(0.003))),
        ('the first command is', True, spoil(0, add_positions(0.1))),
        ('a command while the node is disengaged', True, disengaged_early),
        ('beside the way so far', False, spoil(5, add_positions(0.2))),
        ('does not end at rest', False, spoil(5, end_in_motion)),
        ('times do not rise', False, spoil(5, stand_still_in_time)),
        ('faster than allowed', False, spoil(5, speed_up)),
        ('names', False, spoil(5, forget_a_joint)),
    ],
)
def test_what_must_not_be_in_a_stream_or_a_trajectory_is_found(
    what: str, streamed: bool, change: Callable[[Heard], None]
) -> None:
    heard = good(streamed=streamed)
    before = copy.deepcopy(heard)
    change(heard)
    found = '; '.join(violations(heard, RULES))
    assert what in found
    assert violations(before, RULES) == []
