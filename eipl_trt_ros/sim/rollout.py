# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Closed loop: a policy sees the simulated camera and moves the simulated arm."""

from __future__ import annotations

import contextlib
import functools
import math
import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from eipl_trt_ros.arbiter import ArbiterSettings
from eipl_trt_ros.backends import SharedInputs
from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.ensemble import Ensemble, open_ensemble
from eipl_trt_ros.errors import BundleError
from eipl_trt_ros.predictor import Predictor, open_predictor
from eipl_trt_ros.sim.demonstrations import environment_of_process
from eipl_trt_ros.sim.environment import FRAME_SECONDS, PandaEnvironment
from eipl_trt_ros.sim.expert import FRAMES
from eipl_trt_ros.sim.kinematics import Vector
from eipl_trt_ros.sim.positions import Placement, Split, draw_placements
from eipl_trt_ros.sim.scene import JOINT_NAMES

EXTRA_FRAMES = 18  # a policy may be a little slower than the expert


class Policy(Protocol):
    """Whatever turns a picture and joints into the next joints."""

    def reset(self) -> None:
        """Forget the past."""

    def step(self, picture: NDArray[np.uint8], joints: Vector) -> NDArray[np.floating]:
        """
        Tell where the joints shall be at the next frame.

        Args:
            picture: uint8 (128, 128, 3), RGB.
            joints: float64 (8,), measured, in radians, and the gripper's command.

        Returns:
            (8,), in the same units.

        """


@dataclass(frozen=True)
class Outcome:
    """
    How one rollout went.

    Attributes:
        placement: where the cube lay.
        hidden: whether the cube was invisible (the control).
        lifted: whether the cube was in the air at the end.
        miss: smallest distance, across the table, between the fingertips and the cube's first
            place while the fingertips were at its height, metres; infinity if they never were.
        joints: float32 (T, 8), measured at each frame: radians, and the gripper's command.

    """

    placement: Placement
    hidden: bool
    lifted: bool
    miss: float
    joints: NDArray[np.float32]


def roll_out(
    environment: PandaEnvironment,
    policy: Policy,
    placement: Placement,
    *,
    hidden: bool = False,
    frames: int = FRAMES + EXTRA_FRAMES,
) -> Outcome:
    """
    Let a policy try once.

    Args:
        environment: the robot; it is reset first.
        policy: what moves it; it is reset first.
        placement: of the cube.
        hidden: do not draw the cube: a policy that looks must fail then.
        frames: how long, at 10 a second.

    """
    environment.reset((placement.x, placement.y), yaw=placement.yaw, hidden=hidden)
    policy.reset()
    first = environment.cube_position
    miss = math.inf
    measured = np.empty((frames, len(JOINT_NAMES)), np.float32)
    for frame in range(frames):
        joints = measured[frame] = environment.joints
        tip = environment.kinematics.pinch_position(joints[:-1])
        if tip[2] < environment.settings.cube_side:
            miss = min(miss, float(np.hypot(*(tip - first)[:2])))
        environment.step(policy.step(environment.picture(), joints))
    return Outcome(placement, hidden, environment.lifted, miss, measured)


def _seen(bundle: Bundle, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a picture of the simulator, in RGB, as a model's camera would send it."""
    bgr = bundle.camera.encoding == 'bgr8'
    return np.ascontiguousarray(picture[..., ::-1]) if bgr else picture


class PredictorPolicy:
    """
    A bundle as a policy.

    Args:
        predictor: opened by the caller, who closes it.

    Raises:
        BundleError: the bundle was trained for another robot or another rate.

    """

    def __init__(self, predictor: Predictor) -> None:
        check_robot(predictor.bundle)
        self._predictor = predictor

    def reset(self) -> None:
        """Forget the past."""
        self._predictor.reset()

    def step(self, picture: NDArray[np.uint8], joints: Vector) -> NDArray[np.floating]:
        """Predict the next joints; see ``Policy.step``."""
        return self._predictor.step(_seen(self._predictor.bundle, picture), joints).joints


@functools.cache
def open_policy(
    bundle: Path, backend: str, precision: str = 'fp32', mixing: float = 1.0
) -> PredictorPolicy:
    """Open a bundle, once a process; it stays open until the process ends."""
    return PredictorPolicy(
        open_predictor(bundle, backend, precision=precision, input_mixing=mixing)
    )


class EnsemblePolicy:
    """
    Several bundles under an arbiter as a policy.

    Args:
        ensemble: opened by the caller, who closes it.

    Attributes:
        first: name of the model that drives at the beginning of a rollout.
        drivers: names of the models that drove, one a frame, in the rollout so far.

    Raises:
        BundleError: a bundle was trained for another robot or another rate.

    """

    def __init__(self, ensemble: Ensemble) -> None:
        for predictor in ensemble.predictors:
            check_robot(predictor.bundle)
        self._ensemble = ensemble
        self.first = ensemble.names[0]
        self.drivers: list[str] = []

    def reset(self) -> None:
        """Forget the past, and let the first model drive."""
        self._ensemble.reset()
        self._ensemble.select(self.first)
        self.drivers.clear()

    def step(self, picture: NDArray[np.uint8], joints: Vector) -> NDArray[np.floating]:
        """Predict the next joints; see ``Policy.step``."""
        seen = _seen(self._ensemble.bundle, picture)
        predicted = self._ensemble.step(seen, joints).joints.copy()
        self.drivers.append(self._ensemble.bundle.path.name)
        self._ensemble.finish_frame()
        return predicted


@functools.cache
def open_together(
    bundles: tuple[Path, ...], by: str, backend: str, precision: str = 'fp32', mixing: float = 1.0
) -> EnsemblePolicy:
    """Open bundles under an arbiter, once a process; they stay open until the process ends."""

    def open_one(bundle: Path, shared: SharedInputs) -> Predictor:
        return open_predictor(
            bundle, backend, precision=precision, input_mixing=mixing, shared=shared
        )

    with contextlib.ExitStack() as opened:
        settings = ArbiterSettings(by=by)
        policy = EnsemblePolicy(opened.enter_context(open_ensemble(bundles, settings, open_one)))
        opened.pop_all()
    return policy


# Makes the policy of a rollout inside the process that runs it; must be picklable.
PolicyMaker = Callable[[], Policy]


@dataclass(frozen=True)
class Judgement:
    """What came of a policy's rollouts, with the cube in view and with the cube hidden."""

    name: str
    seen: tuple[Outcome, ...]
    hidden: tuple[Outcome, ...]

    def __str__(self) -> str:
        lifted, tried = _success(self.seen)
        control, controls = _success(self.hidden)
        miss = float(np.median([outcome.miss for outcome in self.seen])) if tried else math.nan
        return (
            f'{self.name}: lifted {lifted}/{tried}, with the cube hidden '
            f'{control}/{controls}, median miss {miss * 1000:.1f} mm'
        )


def judge(
    name: str,
    make_policy: PolicyMaker,
    split: Split,
    count: int,
    *,
    controls: int = 0,
    workers: int = 1,
) -> Judgement:
    """
    Roll a policy out at the places of a split.

    Args:
        name: of the policy.
        make_policy: gives the policy in each worker process.
        split: whose places.
        count: how many places.
        controls: how many of them to repeat with the cube hidden.
        workers: how many processes.

    """
    places = draw_placements(split, count)
    tries = [(place, False) for place in places] + [(place, True) for place in places[:controls]]
    context = multiprocessing.get_context('spawn')  # OpenGL does not survive a fork
    with ProcessPoolExecutor(workers, context) as pool:
        outcomes = list(pool.map(functools.partial(_try_in_worker, make_policy), tries))
    return Judgement(name, tuple(outcomes[:count]), tuple(outcomes[count:]))


def _try_in_worker(make_policy: PolicyMaker, attempt: tuple[Placement, bool]) -> Outcome:
    placement, hidden = attempt
    return roll_out(environment_of_process(), make_policy(), placement, hidden=hidden)


def _success(outcomes: Sequence[Outcome]) -> tuple[int, int]:
    """Count the rollouts that lifted the cube, and all of them."""
    return sum(outcome.lifted for outcome in outcomes), len(outcomes)


def check_robot(bundle: Bundle) -> None:
    """
    Refuse a bundle that was trained for another robot, or another rate.

    Raises:
        BundleError: it was.

    """
    names = tuple(bundle.joint_names)
    if names != JOINT_NAMES or not math.isclose(bundle.rate_hz, 1 / FRAME_SECONDS):
        msg = (
            f'{bundle.path} moves {", ".join(names)} at {bundle.rate_hz:g} Hz, but the '
            f'simulated robot has {", ".join(JOINT_NAMES)} at {1 / FRAME_SECONDS:g} Hz'
        )
        raise BundleError(msg)
