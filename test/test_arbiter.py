# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eipl_trt_ros.arbiter import Arbiter, ArbiterSettings

QUICK = ArbiterSettings(memory=1.0, advantage=0.8, patience=3)
ERRORS = st.floats(0.0, 1.0) | st.just(math.nan) | st.just(math.inf)


def test_the_first_model_drives_until_another_has_led_for_long_enough():
    arbiter = Arbiter(2, QUICK)
    assert [arbiter.update([0.5, 0.3]) for _ in range(4)] == [0, 0, 1, 1]


def test_a_lead_that_is_interrupted_counts_from_the_beginning():
    arbiter = Arbiter(2, QUICK)
    lead, tie = [0.5, 0.3], [0.5, 0.45]
    assert [arbiter.update(errors) for errors in (lead, lead, tie, lead, lead)] == [0] * 5
    assert arbiter.update(lead) == 1


def test_a_small_advantage_changes_nothing():
    arbiter = Arbiter(2, QUICK)
    assert [arbiter.update([0.5, 0.41]) for _ in range(50)] == [0] * 50


def test_a_driver_that_fails_gives_way_and_may_come_back():
    arbiter = Arbiter(2, QUICK)
    assert [arbiter.update([math.inf, 0.5]) for _ in range(3)][-1] == 1
    assert [arbiter.update([0.1, 0.5]) for _ in range(3)][-1] == 0


def test_an_error_fades_with_the_memory():
    arbiter = Arbiter(1, ArbiterSettings(memory=4.0))
    arbiter.update([1.0])
    arbiter.update([0.0])
    assert arbiter.errors == [0.75]
    arbiter.reset()
    assert math.isnan(arbiter.errors[0])


def test_by_topic_errors_change_nothing_and_a_choice_does():
    arbiter = Arbiter(2, ArbiterSettings(by='topic', memory=1.0))
    assert [arbiter.update([1.0, 0.0]) for _ in range(20)] == [0] * 20
    arbiter.select(1)
    assert arbiter.update([0.0, 1.0]) == 1


@pytest.mark.parametrize('patience', [1, 2, 5])
@given(errors=st.lists(st.tuples(ERRORS, ERRORS, ERRORS), max_size=60))
def test_the_driver_changes_no_more_often_than_patience_allows_and_only_for_the_better(
    patience, errors
):
    arbiter = Arbiter(3, ArbiterSettings(memory=1.0, advantage=0.8, patience=patience))
    drivers = [0, *(arbiter.update(error) for error in errors)]
    changes = [i for i in range(1, len(drivers)) if drivers[i] != drivers[i - 1]]
    previous = 0
    for change in changes:
        assert change - previous >= patience
        previous = change
        assert errors[change - 1][drivers[change]] is not math.inf
