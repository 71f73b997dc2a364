# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eipl_trt_ros.sim.trajectory import State, Trajectory, Waypoint, between

numbers = st.floats(-3, 3)


def polynomial(coefficients, time: float) -> State:
    """Position, velocity and acceleration of a polynomial of time."""
    curve = np.polynomial.Polynomial(coefficients)
    return State(*(np.array([curve.deriv(n)(time) if n else curve(time)]) for n in range(3)))


def only(state: State, order: int) -> State:
    """Leave derivatives out."""
    return State(
        state.positions,
        state.velocities if order > 0 else None,
        state.accelerations if order > 1 else None,
    )


@pytest.mark.parametrize(('order', 'degree'), [(0, 1), (1, 3), (2, 5)])
@given(data=st.data(), share=st.floats(0, 1), seconds=st.floats(0.05, 2))
def test_a_polynomial_of_the_fields_degree_is_met_exactly(order, degree, data, share, seconds):
    coefficients = data.draw(st.lists(numbers, min_size=degree + 1, max_size=degree + 1))
    first, second = (only(polynomial(coefficients, time), order) for time in (0.0, seconds))
    found = between(first, second, share, seconds)
    wanted = polynomial(coefficients, share * seconds)
    np.testing.assert_allclose(found.positions, wanted.positions, atol=1e-9)
    np.testing.assert_allclose(found.velocities, wanted.velocities, atol=1e-7)
    np.testing.assert_allclose(found.accelerations, wanted.accelerations, atol=1e-5)


def test_one_end_without_velocities_makes_a_straight_line():
    first = State(np.zeros(1), np.array([5.0]), np.array([5.0]))
    found = between(first, State(np.ones(1)), 0.25, 2.0)
    np.testing.assert_allclose(found.positions, [0.25])
    np.testing.assert_allclose(found.velocities, [0.5])


@pytest.fixture
def path() -> Trajectory:
    points = [Waypoint(ns, State(np.array([p]))) for ns, p in ((100, 1.0), (300, 2.0))]
    return Trajectory(Waypoint(0, State(np.zeros(1))), points)


@pytest.mark.parametrize(
    ('time', 'position'), [(0, 0.0), (50, 0.5), (100, 1.0), (200, 1.5), (300, 2.0), (999, 2.0)]
)
def test_the_path_leads_through_its_waypoints_and_ends_at_the_last(path, time, position):
    np.testing.assert_allclose(path.at(time).positions, [position])


def test_beyond_the_end_it_rests(path):
    np.testing.assert_array_equal(path.at(300).velocities, [0.0])
