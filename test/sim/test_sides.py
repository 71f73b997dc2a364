# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Two models of which each was trained on one side of the robot, together in closed loop."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from eipl_trt_ros.arbiter import ArbiterSettings
from eipl_trt_ros.ensemble import Ensemble
from eipl_trt_ros.predictor import open_predictor
from eipl_trt_ros.sim.environment import PandaEnvironment
from eipl_trt_ros.sim.positions import SIDES, Side, draw_placements
from eipl_trt_ros.sim.rollout import EnsemblePolicy, Outcome, roll_out

SAMPLES = Path(__file__).parents[2] / 'samples' / 'sides'


@pytest.fixture
def policy(request: pytest.FixtureRequest) -> Iterator[EnsemblePolicy]:
    predictors = [open_predictor(SAMPLES / side, 'onnxruntime') for side in SIDES]
    with Ensemble(predictors, ArbiterSettings(by=request.param)) as together:
        yield EnsemblePolicy(together)


def grasp(camera: PandaEnvironment, policy: EnsemblePolicy, side: Side, first: Side) -> Outcome:
    """Try the outer one of a side's unseen places, far from what the other model knows."""
    policy.first = first
    place = max(draw_placements('test', 4, side), key=lambda place: abs(place.y))
    return roll_out(camera, policy, place)


@pytest.mark.parametrize('policy', ['image'], indirect=True)
@pytest.mark.parametrize(('side', 'other'), [SIDES, SIDES[::-1]])
def test_the_model_of_the_cubes_side_takes_over_once_and_lifts_it(
    camera: PandaEnvironment, policy: EnsemblePolicy, side: Side, other: Side
) -> None:
    assert grasp(camera, policy, side, first=other).lifted
    taken = policy.drivers.index(side)
    assert policy.drivers == [other] * taken + [side] * (len(policy.drivers) - taken)
    # not at the first sign, yet before the arm has gone far
    assert ArbiterSettings.patience <= taken <= 2 * ArbiterSettings.patience


@pytest.mark.parametrize('policy', ['image'], indirect=True)
@pytest.mark.parametrize('side', SIDES)
def test_the_model_of_the_cubes_side_keeps_driving(
    camera: PandaEnvironment, policy: EnsemblePolicy, side: Side
) -> None:
    assert grasp(camera, policy, side, first=side).lifted
    assert set(policy.drivers) == {side}


@pytest.mark.parametrize('policy', ['joints'], indirect=True)
def test_in_closed_loop_the_drivers_joints_come_true_whoever_drives(
    camera: PandaEnvironment, policy: EnsemblePolicy
) -> None:
    assert not grasp(camera, policy, 'right', first='left').lifted
    assert set(policy.drivers) == {'left'}
