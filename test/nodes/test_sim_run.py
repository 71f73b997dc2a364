# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Closed loop over ROS topics: the robot and the predictor as processes, watched in between."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from builders import write_random_bundle
from command_observer import CommandObserver, Rules

from eipl_trt_ros.bundle import load_bundle
from eipl_trt_ros.command.limits import MotionLimits, resolve_limits
from eipl_trt_ros.command.urdf import urdf_limits
from eipl_trt_ros.errors import BackendError, BundleError, EiplTrtError
from eipl_trt_ros.nodes.sim_run import ACCELERATION, RunSettings, run_episodes
from eipl_trt_ros.sim.description import urdf
from eipl_trt_ros.sim.environment import PandaEnvironment
from eipl_trt_ros.sim.live_report import Episode
from eipl_trt_ros.sim.scene import JOINT_NAMES

pytestmark = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ('mujoco', 'gym_hil'))),
    reason='the simulator is not installed: see requirements/sim.txt and sim-robot.txt',
)
ATTEMPTS = 3
SAMPLES = Path(__file__).parents[2] / 'samples'


@pytest.fixture(scope='module')
def limits() -> MotionLimits:
    """Return the arm's limits; skip where no picture can be drawn."""
    with PandaEnvironment() as environment:
        try:
            environment.picture()
        except EiplTrtError as error:
            pytest.skip(str(error))
        names = JOINT_NAMES[:7]
        described = urdf_limits(urdf(environment.kinematics), names)
    return resolve_limits(names, [described], default_acceleration=ACCELERATION)


def held(episode: Episode) -> bool:
    """Tell whether the arm waited, as it does where this machine is too busy for real time."""
    return any(state.startswith(('holding', 'stopped')) for state in episode.states)


def observe(world: Any, limits: MotionLimits, command_type: str) -> CommandObserver:
    """Listen at the controller's side."""
    rules = Rules(limits, max_jump=0.35, command_rate=100.0, oldest=1.5)
    return world.add(
        CommandObserver(
            rules,
            command_type=command_type,
            command_topic=(
                '/arm_controller/joint_trajectory'
                if command_type == 'joint_trajectory'
                else '/arm_controller/commands'
            ),
            state_topic='/predictor/command_state',
            image_topic='/camera/image_raw',
            joint_topic='/joint_states',
            **world.settings(),
        )
    )


@pytest.mark.parametrize(
    ('model', 'precision', 'command_type'),
    [('sarnn', 'fp32', 'joint_trajectory'), ('cnnrnnln', 'int8', 'float64_multi_array')],
)
def test_the_arm_lifts_the_cube_over_topics_and_every_command_is_safe(
    world, limits, model, precision, command_type
):
    observer = observe(world, limits, command_type)
    settings = RunSettings(precision=precision, command_type=command_type)
    told: list[float] = []
    for _ in range(ATTEMPTS):
        (episode,) = run_episodes(
            load_bundle(SAMPLES / model),
            settings,
            domain=world.domain,
            ready=lambda: bool(observer.heard.images and observer.heard.joint_times),
            progress=told.append,
        )
        observer.check()
        if episode.verdict['lifted'] or not held(episode):
            break
    assert len(observer.commands) > 60
    assert episode.verdict['lifted']
    assert episode.verdict['place'] == 'unseen 0'
    assert episode.verdict['ignored'] == 0
    assert 'driving' in episode.states
    assert len(episode.shots) > 80
    assert any(shot.expected is not None for shot in episode.shots)
    assert all(0 <= share <= 1 for share in told)


def test_of_two_models_the_one_that_knows_the_cubes_side_takes_over_and_every_command_is_safe(
    world, limits
):
    observer = observe(world, limits, 'joint_trajectory')
    first, second = (load_bundle(SAMPLES / 'sides' / side) for side in ('left', 'right'))
    for _ in range(ATTEMPTS):
        (episode,) = run_episodes(
            first,
            RunSettings(films=0),  # the cube lies on the right
            beside=[second],
            domain=world.domain,
            ready=lambda: bool(observer.heard.images and observer.heard.joint_times),
        )
        observer.check()
        if episode.verdict['lifted'] or not held(episode):
            break
    assert len(observer.commands) > 60
    assert episode.verdict['y'] < 0
    assert episode.drivers == ('left', 'right')
    assert episode.verdict['lifted']


def test_a_bundle_of_another_robot_is_refused_before_anything_starts(tmp_path):
    bundle = write_random_bundle(tmp_path / 'bundle')
    with pytest.raises(BundleError, match='but the simulated robot has panda_joint1'):
        run_episodes(bundle, RunSettings())


def test_a_predictor_that_cannot_come_up_is_explained(limits, tmp_path):
    moved = replace(load_bundle(SAMPLES / 'sarnn'), path=tmp_path / 'gone')
    with pytest.raises(BackendError, match=r'cannot be brought up: .*gone'):
        run_episodes(moved, RunSettings())
