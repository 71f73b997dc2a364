# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
What the arm does when a camera or an encoder breaks: the rows of docs/reliability.md.

Every test ends with the observer's property: no command outside the limits, none that jumps, none
older than the watchdog allows.
"""

from __future__ import annotations

import copy
import re
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from live_arm import LIMIT, TIMES, LiveWorld
from ros_world import until

from eipl_trt_ros.nodes.conversion import nanoseconds, set_stamp

SECOND = 1_000_000_000
SLACK = 1.0  # seconds that a loaded machine may take in addition
Change = Callable[[Any], Any]


def replay(messages: list[Any]) -> Change:
    """Return a change that sends old messages again, one after the other."""
    queue: list[Any] = []

    def change(_: Any) -> Any:
        if not queue:
            queue.extend(messages)
        return queue.pop(0)

    return change


def freeze() -> Change:
    kept: list[Any] = []

    def change(message: Any) -> Any:
        kept.append(copy.deepcopy(message)) if not kept else None
        return kept[0]

    return change


def shift(seconds: float) -> Change:
    def change(message: Any) -> Any:
        moved = copy.deepcopy(message)
        set_stamp(moved.header.stamp, nanoseconds(message.header.stamp) + round(seconds * SECOND))
        return moved

    return change


def edit(**fields: Any) -> Change:
    def change(message: Any) -> Any:
        edited = copy.deepcopy(message)
        for name, value in fields.items():
            setattr(edited, name, value)
        return edited

    return change


def lose_joint(message: Any) -> Any:
    short = copy.deepcopy(message)
    short.name, short.position = short.name[:-1], short.position[:-1]
    return short


def nan_joint(message: Any) -> Any:
    broken = copy.deepcopy(message)
    broken.position[3] = float('nan')
    return broken


def short_positions(message: Any) -> Any:
    broken = copy.deepcopy(message)
    broken.position = broken.position[:3]
    return broken


def infinite_joint(message: Any) -> Any:
    broken = copy.deepcopy(message)
    broken.position[3] = float('inf')
    return broken


def jump_to_and_fro() -> Change:
    """Return a change that sets every other stamp back."""
    count = 0

    def change(message: Any) -> Any:
        nonlocal count
        count += 1
        return shift(-30)(message) if count % 2 else message

    return change


def swap(message: Any) -> Any:
    swapped = copy.deepcopy(message)
    swapped.name[1], swapped.name[3] = swapped.name[3], swapped.name[1]
    return swapped


CAMERA = {
    'stops': lambda: lambda _: None,
    'freezes (same stamp)': freeze,
    'is far in the past': lambda: shift(-30),
    'is far in the future': lambda: shift(30),
    'jumps to and fro in time': jump_to_and_fro,
    'sends another size': lambda: edit(height=8, width=8, step=24, data=bytes(192)),
    'sends an unknown encoding': lambda: edit(encoding='64UC9'),
    'sends a torn message': lambda: edit(data=bytes(100)),
    'sends no pixels': lambda: edit(height=0, width=0, step=0, data=b''),
}
JOINTS = {
    'stop': lambda: lambda _: None,
    'freeze (same stamp)': freeze,
    'lose a joint': lambda: lose_joint,
    'have NaN': lambda: nan_joint,
    'have infinity': lambda: infinite_joint,
    'have fewer positions than names': lambda: short_positions,
    'are far in the past': lambda: shift(-30),
    'are of another arm': lambda: edit(name=[f'other{i}' for i in range(7)]),
}


def holds_and_recovers(
    lively: LiveWorld,
    row: Any,
    fault: str,
    breaks: Callable[[], None],
    mends: Callable[[], None],
    *,
    log: Callable[[], str] = str,
) -> None:
    """Break something; the arm must hold in time, fall silent, and move again when engaged."""
    begin, place = time.monotonic(), lively.arm.position.copy()
    breaks()
    lively.wait_for('holding')
    held = time.monotonic() - begin
    assert held <= max(TIMES.values()) + SLACK
    lively.wait_for('stopped')
    stopped = time.monotonic() - begin
    assert stopped <= held + TIMES['hold_time'] + SLACK
    moved = float(np.abs(lively.arm.position - place).max())
    # at full speed until it holds, and what braking takes
    assert moved <= LIMIT.velocity * (held + LIMIT.velocity / LIMIT.acceleration)
    time.sleep(0.3)
    silent = len(lively.observer.commands)
    mends()
    time.sleep(0.7)
    assert len(lively.observer.commands) == silent  # it does not begin by itself
    lively.arm.engage()
    until(lambda: len(lively.observer.commands) > silent, 'commands')
    reason = next(s for _, s in lively.observer.heard.states if s.startswith('holding'))
    dropped = re.findall('(frame dropped: .{0,110})', log())
    said = ', '.join(f'`{text}`' for text in (reason, *dropped[:1]))
    row(fault, held=held, silent=stopped, moved=moved, said=said, then='waits for engage')


@pytest.mark.parametrize('what', CAMERA)
def test_a_camera_that(live: Any, row: Any, capfd: Any, what: str) -> None:
    lively = live()
    lively.engage()

    def breaks() -> None:
        lively.arm.change_image = CAMERA[what]()

    def mends() -> None:
        lively.arm.change_image = lambda message: message

    log = lambda: capfd.readouterr().err  # noqa: E731
    holds_and_recovers(lively, row, f'camera {what}', breaks, mends, log=log)


@pytest.mark.parametrize('what', JOINTS)
def test_joints_that(live: Any, row: Any, what: str) -> None:
    lively = live(command_type='float64_multi_array')
    lively.engage()

    def breaks() -> None:
        lively.arm.change_joints = JOINTS[what]()

    def mends() -> None:
        lively.arm.change_joints = lambda message: message

    holds_and_recovers(lively, row, f'joints {what}', breaks, mends)


def test_a_camera_that_repeats_what_it_sent_before(live: Any, row: Any) -> None:
    lively = live()
    sent: list[Any] = []

    def keep(message: Any) -> Any:
        sent.append(copy.deepcopy(message))
        return message

    lively.arm.change_image = keep
    lively.engage()
    until(lambda: len(sent) > 10, 'images')

    def breaks() -> None:
        lively.arm.change_image = replay(sent[-6:])

    def mends() -> None:
        lively.arm.change_image = lambda message: message

    holds_and_recovers(lively, row, 'camera repeats old pictures', breaks, mends)


def test_joints_that_swap_their_names_stop_the_arm(live: Any, row: Any) -> None:
    lively = live(command_type='float64_multi_array', max_jump=0.25)
    lively.arm.place(np.array([0.2, 0.2, 0.2, 0.5, 0.25, 0.4, 0.35]))
    lively.engage()
    time.sleep(0.5)
    place = lively.arm.position.copy()
    begin = time.monotonic()
    lively.arm.change_joints = swap
    lively.wait_for('stopped')
    assert 'does not follow' in lively.observer.state
    moved = np.abs(lively.arm.position - place).max()
    row(
        'two joints swap their names',
        held='does not hold',
        silent=time.monotonic() - begin,
        moved=float(moved),
        said=f'`{lively.observer.state}`',
        then='waits for engage',
    )
    assert moved < 0.1


def test_a_single_bad_image_among_good_ones_does_not_stop_the_arm(live: Any, row: Any) -> None:
    lively = live()
    lively.engage()
    torn = edit(data=bytes(100))
    count = 0

    def now_and_then(message: Any) -> Any:
        nonlocal count
        count += 1
        return torn(message) if count % 7 == 0 else message

    lively.arm.change_image = now_and_then
    until(lambda: lively.node._configured.runner.statistics.counts().failed > 0, 'a failure')
    time.sleep(0.5)
    assert lively.observer.state == 'driving'
    row('one torn image in seven', held='drives on', said='the frame is dropped, a line in 5 s')


@pytest.mark.parametrize('seconds', [-20.0, 20.0])
def test_when_camera_and_joints_jump_in_time_the_arm_holds_and_the_state_is_reset(
    live: Any, row: Any, seconds: float
) -> None:
    lively = live(max_age=60.0)
    lively.engage()
    begin, place = time.monotonic(), lively.arm.position.copy()
    lively.arm.change_image = lively.arm.change_joints = shift(seconds)
    lively.wait_for('holding')
    held, moved = time.monotonic() - begin, np.abs(lively.arm.position - place).max()
    lively.wait_for('driving')
    until(lambda: lively.node._configured.predictor.frame < 15, 'a fresh state')
    states = [state for _, state in lively.observer.heard.states]
    assert any(
        state == 'holding: the stamps jumped, back in time or far ahead' for state in states
    )
    row(
        f'camera and joints jump {abs(seconds):g} s {"back" if seconds < 0 else "ahead"}',
        held=held,
        moved=float(moved),
        said='`holding: the stamps jumped, back in time or far ahead`; the state is reset',
        then='drives on by itself',
    )
