# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Runs the simulated robot and the predictor as processes, and records what comes of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lifecycle_msgs.msg import Transition

from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.errors import BackendError
from eipl_trt_ros.nodes.child_process import NodeProcess, on_this_host, own_domain
from eipl_trt_ros.nodes.listening import START_PATIENCE, Lifecycle, check, listen, listening
from eipl_trt_ros.nodes.sim_recorder import SimRecorder
from eipl_trt_ros.progress import Progress, untold
from eipl_trt_ros.sim.live_report import Episode
from eipl_trt_ros.sim.rollout import check_robot

# rad/s^2: the least of the Panda's joints (Franka Emika's data sheet); a URDF has no accelerations
ACCELERATION = 7.5
_QUIET = 0.5  # seconds in which the last messages arrive
_TOPICS = {
    'joint_trajectory': '~/joint_trajectory:=/arm_controller/joint_trajectory',
    'float64_multi_array': '~/commands:=/arm_controller/commands',
}


@dataclass(frozen=True)
class RunSettings:
    """What to run; the names are those of the nodes' parameters."""

    backend: str = 'onnxruntime'
    precision: str = 'fp32'
    input_mixing: float = 1.0
    command_type: str = 'joint_trajectory'
    place: str = 'unseen'
    index: int = 0
    episodes: int = 1
    films: int = 1
    arbiter: str = 'image'


def run_episodes(
    bundle: Bundle,
    settings: RunSettings,
    *,
    beside: Sequence[Bundle] = (),
    domain: int | None = None,
    ready: Callable[[], bool] = lambda: True,
    progress: Progress = untold,
) -> list[Episode]:
    """
    Let a bundle grasp, over ROS topics and in real time.

    Args:
        bundle: what drives the arm.
        settings: how.
        beside: other bundles that run side by side with it, under the settings' arbiter.
        domain: of ROS; one of this process's own by default.
        ready: asked until it says yes, before the predictor is activated: for others who listen
            and must not miss anything.
        progress: told the share of the episodes that are over.

    Returns:
        The episodes, in order.

    Raises:
        BundleError: a bundle is for another robot.
        BackendError: a node did not come up, or ended; the text ends with its last words.

    """
    for one in (bundle, *beside):
        check_robot(one)
    folders = [str(one.path.resolve()) for one in (bundle, *beside)]
    domain = own_domain() if domain is None else domain
    environment = on_this_host(domain)
    with (
        listening(domain) as (context, executor),
        NodeProcess(
            'eipl_trt_ros.nodes.sim_robot_node',
            parameters={
                name: getattr(settings, name)
                for name in ('command_type', 'place', 'index', 'episodes')
            },
            remaps=[],
            environment=environment,
        ) as robot,
        NodeProcess(
            'eipl_trt_ros.nodes.predictor_node',
            parameters={
                **({'models': folders} if beside else {'bundle': folders[0]}),
                'default_acceleration': ACCELERATION,
                **{
                    name: getattr(settings, name)
                    for name in (
                        'backend',
                        'precision',
                        'input_mixing',
                        'command_type',
                        'arbiter',
                    )
                },
            },
            remaps=[
                'image:=/camera/image_raw',
                '~/gripper_command:=/gripper/close',
                _TOPICS[settings.command_type],
            ],
            environment=environment,
        ) as predictor,
    ):
        recorder = SimRecorder(context, bundle, settings.films)
        executor.add_node(recorder)
        lifecycle = Lifecycle(recorder, executor, predictor, '/predictor')
        lifecycle.change(Transition.TRANSITION_CONFIGURE)
        deadline = time.monotonic() + START_PATIENCE
        while not (recorder.hears() and ready()):
            check(robot, BackendError, deadline)
            listen(executor, 0.05)
        lifecycle.change(Transition.TRANSITION_ACTIVATE)
        while robot.exit_code is None:
            check(predictor, BackendError)
            listen(executor, 0.1)
            progress(len(recorder.episodes) / settings.episodes)
        if robot.exit_code != 0:
            check(robot, BackendError)
        listen(executor, _QUIET)
        return recorder.episodes
