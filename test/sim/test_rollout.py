# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
import math
from pathlib import Path

import numpy as np
import pytest
from builders import write_random_bundle

from eipl_trt_ros.errors import BundleError
from eipl_trt_ros.predictor import open_predictor
from eipl_trt_ros.sim.environment import PandaEnvironment
from eipl_trt_ros.sim.positions import Placement, draw_placements
from eipl_trt_ros.sim.rollout import Judgement, Outcome, PredictorPolicy, roll_out

SAMPLES = Path(__file__).parents[2] / 'samples'


class StayAtHome:
    """A policy that never moves."""

    def __init__(self, robot: PandaEnvironment) -> None:
        self._command = np.append(robot.home, 0.0)

    def reset(self) -> None:
        pass

    def step(self, _picture, _joints):
        return self._command


def test_a_policy_that_does_nothing_lifts_nothing(camera: PandaEnvironment):
    outcome = roll_out(camera, StayAtHome(camera), Placement(0.5, 0.1, 0.0), frames=3)
    assert not outcome.lifted
    assert outcome.miss == math.inf
    assert outcome.joints.shape == (3, 8)


@pytest.mark.parametrize('model', ['sarnn', 'cnnrnnln'])
def test_a_sample_model_lifts_a_cube_that_it_sees(camera: PandaEnvironment, model):
    with open_predictor(SAMPLES / model, 'onnxruntime') as predictor:
        outcome = roll_out(camera, PredictorPolicy(predictor), draw_placements('test', 4)[3])
    assert outcome.lifted


def test_the_sample_sarnn_misses_a_cube_that_it_cannot_see(camera: PandaEnvironment):
    with open_predictor(SAMPLES / 'sarnn', 'onnxruntime') as predictor:
        place = draw_placements('test', 4)[3]
        outcome = roll_out(camera, PredictorPolicy(predictor), place, hidden=True)
    assert not outcome.lifted


def test_a_judgement_counts_what_was_lifted():
    place, none = Placement(0.5, 0.0, 0.0), np.zeros((0, 8), np.float32)
    seen = (Outcome(place, False, True, 0.001, none), Outcome(place, False, False, 0.003, none))
    text = str(Judgement('model', seen, (Outcome(place, True, False, math.inf, none),)))
    assert text == 'model: lifted 1/2, with the cube hidden 0/1, median miss 2.0 mm'


def test_a_bundle_of_another_robot_is_refused(tmp_path):
    write_random_bundle(tmp_path / 'bundle')
    with (
        open_predictor(tmp_path / 'bundle', 'onnxruntime') as predictor,
        pytest.raises(BundleError, match='but the simulated robot has panda_joint1'),
    ):
        PredictorPolicy(predictor)
