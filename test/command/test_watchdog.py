# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from command_worlds import MS, make_times
from hypothesis import given, settings
from hypothesis import strategies as st

from eipl_trt_ros.command.watchdog import Event, Phase, Source, Watchdog

TIMES = make_times()


class Run:
    """A watchdog whose inputs come every 10 ms until told otherwise."""

    def __init__(self, recovery: str = 'engage') -> None:
        self.dog = Watchdog(TIMES, recovery)
        self.now = 5_000 * MS
        self.dog.restart(self.now)

    def go_on(self, milliseconds: int, *without: Source) -> Phase:
        for _ in range(0, milliseconds, 10):
            self.now += 10 * MS
            for source in Source:
                if source not in without:
                    self.dog.feed(source, self.now)
            self.dog.update(self.now)
        return self.dog.phase

    def drive(self) -> Run:
        self.go_on(400)
        assert self.dog.engage(self.now) is None
        return self


def test_nothing_is_commanded_before_somebody_engages():
    assert Run().go_on(10_000) is Phase.OFF


def test_engaging_waits_until_the_inputs_have_been_sane_for_a_while():
    run = Run()
    assert run.dog.engage(run.now) == 'no image yet'
    run.go_on(100, Source.PREDICTION)
    assert run.dog.engage(run.now) == 'no prediction yet'
    run.go_on(200)
    assert 'sane for only 0.2' in (run.dog.engage(run.now) or '')
    run.go_on(200)
    assert run.dog.engage(run.now) is None
    assert run.go_on(1000) is Phase.DRIVING


@pytest.mark.parametrize(
    ('source', 'timeout'),
    [(Source.IMAGE, 500), (Source.JOINTS, 200), (Source.PREDICTION, 350)],
)
def test_what_stays_away_makes_the_arm_hold_and_then_ends_the_commands(source, timeout):
    run = Run().drive()
    assert run.go_on(timeout, source) is Phase.DRIVING
    assert run.go_on(10, source) is Phase.HOLDING
    assert f'no fresh {source.value} for' in run.dog.reason
    assert run.go_on(990, source) is Phase.HOLDING
    assert run.go_on(20, source) is Phase.STOPPED


def test_from_holding_the_arm_goes_on_once_all_was_sane_for_a_while():
    run = Run().drive()
    run.go_on(600, Source.IMAGE)
    assert run.dog.phase is Phase.HOLDING
    assert run.go_on(290) is Phase.HOLDING
    assert run.go_on(20) is Phase.DRIVING


@pytest.mark.parametrize(
    ('recovery', 'after'), [('engage', Phase.STOPPED), ('automatic', Phase.DRIVING)]
)
def test_after_a_stop_somebody_must_engage_unless_told_otherwise(recovery, after):
    run = Run(recovery).drive()
    assert run.go_on(3000, Source.IMAGE) is Phase.STOPPED
    assert run.go_on(5000) is after
    assert run.dog.engage(run.now) is None
    assert run.go_on(10) is Phase.DRIVING


@pytest.mark.parametrize('event', list(Event))
def test_an_event_makes_the_arm_hold_for_the_time_of_recovery(event):
    run = Run().drive()
    run.dog.happen(event, run.now + MS)
    assert run.go_on(10) is Phase.HOLDING
    assert run.dog.reason == event.value
    assert run.go_on(280) is Phase.HOLDING
    assert run.go_on(30) is Phase.DRIVING


def test_what_happens_again_and_again_ends_the_commands_too():
    run = Run().drive()
    for passed in range(0, 1100, 100):
        run.dog.happen(Event.TIME_JUMP, run.now + MS)
        assert run.go_on(100) is Phase.HOLDING, passed
    run.dog.happen(Event.TIME_JUMP, run.now + MS)
    assert run.go_on(10) is Phase.STOPPED
    assert Event.TIME_JUMP.value in run.dog.reason


def test_what_was_tripped_never_resumes_by_itself():
    run = Run('automatic').drive()
    run.dog.trip('does not follow')
    assert run.go_on(5000) is Phase.STOPPED
    assert run.dog.reason == 'does not follow'
    assert run.dog.engage(run.now) is None


def test_disengaging_works_in_every_phase():
    for prepare in (
        lambda run: run,
        lambda run: run.drive(),
        lambda run: run.drive().go_on(700, Source.IMAGE) and run,
        lambda run: run.drive().go_on(5000, Source.IMAGE) and run,
    ):
        run = Run('automatic')
        prepare(run)
        run.dog.disengage()
        assert run.go_on(5000) is Phase.OFF


ACTIONS = st.one_of(
    st.tuples(st.sampled_from(Source), st.integers(0, 300)),
    st.tuples(st.sampled_from(Event), st.integers(0, 300)),
    st.tuples(st.sampled_from(['engage', 'disengage', 'wait', 'all']), st.integers(0, 700)),
)


@settings(deadline=None)
@given(st.sampled_from(['engage', 'automatic']), st.lists(ACTIONS, max_size=60))
def test_whatever_comes_no_phase_commands_on_old_inputs(recovery, actions):
    run = Run(recovery)
    fresh = dict.fromkeys(Source, -(10**12))
    limits = dict(zip(Source, (TIMES.image, TIMES.joints, TIMES.prediction), strict=True))
    engaged = False
    for what, milliseconds in actions:
        sources = list(Source) if what == 'all' else [what] if isinstance(what, Source) else []
        for source in sources:
            run.dog.feed(source, run.now)
            fresh[source] = run.now
        if isinstance(what, Event):
            run.dog.happen(what, run.now)
        if what == 'engage' and run.dog.engage(run.now) is None:
            engaged = True
        if what == 'disengage':
            run.dog.disengage()
            engaged = False
        for _ in range(milliseconds // 10 + 1):
            run.now += 10 * MS
            phase = run.dog.update(run.now)
            ages = {source: run.now - fresh[source] for source in Source}
            if phase is Phase.DRIVING:
                assert all(ages[source] <= limits[source] for source in Source)
            if phase is Phase.HOLDING:
                allowed = TIMES.hold + 10 * MS
                assert all(ages[source] <= limits[source] + allowed for source in Source)
            assert (phase is Phase.OFF) == (not engaged)
