# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The integration against closed forms."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from eipl_trt_ros.energy.integrate import COUNTER_RENEWAL, counter_difference, power_integral
from eipl_trt_ros.errors import EnergyError

S = 1_000_000_000
ANY_GAP = math.inf


@st.composite
def samplings(draw: st.DrawFn) -> np.ndarray:
    """Uneven, strictly increasing stamps, at a large offset as a host has that ran for weeks."""
    gaps = draw(st.lists(st.integers(1_000_000, 2 * S), min_size=2, max_size=60))
    return np.cumsum([draw(st.integers(0, 10**16)), *gaps]).astype(np.int64)


@st.composite
def windows(draw: st.DrawFn) -> tuple[np.ndarray, int, int]:
    stamps = draw(samplings())
    begin = draw(st.integers(int(stamps[0]), int(stamps[-1]) - 1))
    return stamps, begin, draw(st.integers(begin + 1, int(stamps[-1])))


@given(windows(), st.floats(0.1, 1e5))
def test_constant_power_gives_power_times_seconds_without_doubt(window, power):
    stamps, begin, end = window
    energy = power_integral(stamps, np.full(len(stamps), power), begin, end, ANY_GAP)
    assert energy.energy_mj == pytest.approx(power * (end - begin) / 1e9, rel=1e-6)
    assert energy.uncertainty_mj == 0


@given(windows(), st.floats(-100, 100))
def test_a_ramp_is_integrated_exactly_wherever_the_window_cuts_it(window, slope):
    stamps, begin, end = window
    power = 10_000 + slope * (stamps - stamps[0]) / 1e9
    energy = power_integral(stamps, power, begin, end, ANY_GAP)
    t0, t1 = ((edge - stamps[0]) / 1e9 for edge in (begin, end))
    exact = 10_000 * (t1 - t0) + slope * (t1**2 - t0**2) / 2
    assert energy.energy_mj == pytest.approx(exact, rel=1e-6)


@given(windows(), st.data())
def test_a_window_is_the_sum_of_its_parts(window, data):
    stamps, begin, end = window
    assume(end - begin > 1)
    power = np.array(data.draw(st.lists(st.floats(1, 1e5), min_size=len(stamps))))[: len(stamps)]
    middle = data.draw(st.integers(begin + 1, end - 1))
    whole = power_integral(stamps, power, begin, end, ANY_GAP).energy_mj
    parts = [
        power_integral(stamps, power, a, b, ANY_GAP) for a, b in pairwise((begin, middle, end))
    ]
    assert sum(part.energy_mj for part in parts) == pytest.approx(whole, rel=1e-6)


@given(windows(), st.floats(0.1, 1e5))
def test_a_counter_of_constant_power_agrees_with_the_integral(window, power):
    stamps, begin, end = window
    counter = 5e6 + power * (stamps - stamps[0]) / 1e9
    energy = counter_difference(stamps, counter, begin, end, ANY_GAP)
    assert energy.energy_mj == pytest.approx(power * (end - begin) / 1e9, rel=1e-4, abs=1e-6)


def test_a_sine_is_integrated_to_its_closed_form_at_ten_samples_a_period():
    stamps = np.arange(0, 61 * S, S // 10)
    power = 9_000 + 2_000 * np.sin(2 * np.pi * stamps / 1e9)
    energy = power_integral(stamps, power, S // 3, 60 * S + S // 3, ANY_GAP)
    assert energy.energy_mj == pytest.approx(9_000 * 60, rel=1e-4)


def test_the_stated_uncertainty_is_the_scatter_of_repeated_measurements():
    """Power that alternates faster than it is sampled, sampled out of step with it."""
    random = np.random.default_rng(1)
    energies, stated = [], []
    for _ in range(400):
        stamps = np.cumsum(random.integers(8 * S // 10, 12 * S // 10, 61))
        power = np.where((stamps / 1e9 * 30) % 1 < 0.6, 12_000.0, 5_000.0)
        energy = power_integral(stamps, power, int(stamps[0]), int(stamps[0]) + 45 * S, ANY_GAP)
        energies.append(energy.energy_mj)
        stated.append(energy.uncertainty_mj)
    scatter = float(np.std(energies))
    assert np.mean(energies) == pytest.approx(9_200 * 45, rel=0.02)
    assert math.sqrt(np.mean(np.square(stated))) == pytest.approx(scatter, rel=0.2)


def test_a_gap_is_refused_and_not_bridged():
    stamps = np.array([0, 1, 2, 6, 7]) * S
    power = np.full(5, 5_000.0)
    with pytest.raises(
        EnergyError, match=r'no power was measured for 4\.00 s, more than the 3\.00'
    ):
        power_integral(stamps, power, S, 7 * S, 3 * S)
    assert power_integral(stamps, power, 6 * S, 7 * S, 3 * S).energy_mj == 5_000
    assert power_integral(stamps, power, 0, 2 * S, 3 * S).energy_mj == 10_000


@pytest.mark.parametrize(('begin', 'end'), [(-1, S), (0, 2 * S + 1), (3 * S, 4 * S)])
def test_a_window_outside_of_the_samples_is_refused(begin, end):
    stamps = np.array([0, 1, 2]) * S
    with pytest.raises(EnergyError, match=r"no power was measured at the window's (begin|end)"):
        power_integral(stamps, np.ones(3), begin, end, ANY_GAP)


def test_no_samples_and_windows_without_a_length_are_refused():
    empty = np.array([], np.int64)
    with pytest.raises(EnergyError, match='no power was measured'):
        power_integral(empty, np.array([]), 0, S, ANY_GAP)
    with pytest.raises(EnergyError, match='before it begins'):
        power_integral(np.array([0, S]), np.ones(2), S, S, ANY_GAP)


def test_a_counter_that_begins_anew_is_refused():
    stamps = np.array([0, 1, 2, 3]) * S
    with pytest.raises(EnergyError, match='began anew'):
        counter_difference(stamps, np.array([900.0, 950.0, 3.0, 60.0]), 0, 3 * S, ANY_GAP)


def test_a_counter_is_in_doubt_by_its_renewal_and_at_edges_between_its_readings():
    stamps = np.array([0, 1, 2, 3]) * S
    counter = np.array([0.0, 12.0, 24.0, 36.0])
    renewal = 12 * COUNTER_RENEWAL
    whole = counter_difference(stamps, counter, S, 3 * S, ANY_GAP)
    assert whole.uncertainty_mj == pytest.approx(math.sqrt(2 * renewal**2 / 12))
    inside = counter_difference(stamps, counter, S // 2, 5 * S // 2, ANY_GAP)
    assert inside.energy_mj == pytest.approx(24)
    assert inside.uncertainty_mj == pytest.approx(math.sqrt(2 * (12**2 + renewal**2) / 12))


def test_the_stated_uncertainty_of_a_counter_is_the_scatter_of_repeated_measurements():
    """A counter that is renewed ten times a second, read twice a second out of step with it."""
    random = np.random.default_rng(2)
    errors, stated = [], []
    for _ in range(400):
        stamps = np.cumsum(random.integers(4 * S // 10, 6 * S // 10, 21))
        counter = 9_000 * np.floor(stamps / 1e9 / COUNTER_RENEWAL) * COUNTER_RENEWAL
        begin, end = int(stamps[0]), int(stamps[-1])
        energy = counter_difference(stamps, counter, begin, end, ANY_GAP)
        errors.append(energy.energy_mj - 9_000 * (end - begin) / 1e9)
        stated.append(energy.uncertainty_mj)
    assert np.mean(stated) == pytest.approx(float(np.std(errors)), rel=0.2)
