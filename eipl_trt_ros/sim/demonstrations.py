# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Records what the expert does, as the arrays that EIPL's training reads.

A disturbed demonstration pushes the arm off the expert's path, and keeps, beside what the joints
did, what the expert wanted them to do: so a model can learn to come back (Laskey et al., DART,
CoRL 2017), and cannot read the cube's place off the joints alone.
"""

from __future__ import annotations

import functools
import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eipl_trt_ros.sim.environment import HOME_POSITION, Observer, PandaEnvironment
from eipl_trt_ros.sim.expert import DOWN_AT, FRAMES, LIFT_FROM, Expert
from eipl_trt_ros.sim.kinematics import Vector
from eipl_trt_ros.sim.positions import Placement, Side, Split, draw_placements

# Bounds are widened by this share of the range on both sides: a tanh or a ReLU reaches the ends
# of its range only in the limit, or not at all.
BOUNDS_MARGIN = 0.1

_FIRST_OFFSET = 0.01  # metres, standard deviation of a disturbed start
_PUSH = 0.007  # metres a frame, standard deviation of the pushes
_PUSH_MEMORY = 0.7  # share of a push that is left one frame later
_PUSH_AT_GRASP = 0.15  # near the cube the pushes are this share of themselves


@dataclass(frozen=True)
class Demonstration:
    """
    One grasp, T frames at 10 Hz.

    Attributes:
        images: uint8 (T, 128, 128, 3), RGB, taken at each frame.
        joints: float32 (T, 8), measured at each frame: radians, and the gripper's command.
        targets: float32 (T, 8), where the expert wanted the joints at the next frame.
        cubes: float32 (T, 3), the cube's centre, metres.
        lifted: whether the cube is in the air at the end.

    """

    images: NDArray[np.uint8]
    joints: NDArray[np.float32]
    targets: NDArray[np.float32]
    cubes: NDArray[np.float32]
    lifted: bool


@dataclass(frozen=True)
class Request:
    """What to record: the cube's place, and the seed of the disturbance (``None``: none)."""

    placement: Placement
    seed: int | None = None


def record(
    environment: PandaEnvironment,
    request: Request,
    *,
    frames: int = FRAMES,
    observer: Observer | None = None,
) -> Demonstration:
    """
    Let the expert grasp once.

    Args:
        environment: the robot; it is reset first.
        request: what to record.
        frames: T.
        observer: called after every physics step, see ``PandaEnvironment.step``.

    """
    place, kinematics = request.placement, environment.kinematics
    start, pushes = _disturbance(request.seed, frames)
    arm = kinematics.joints_for(HOME_POSITION + start, environment.home)
    environment.reset((place.x, place.y), yaw=place.yaw, arm=arm)
    expert = Expert.for_cube(environment.cube_position, frames)
    images, joints, targets, cubes = [], [], [], []
    for frame in range(frames):
        now = environment.joints
        images.append(environment.picture().copy())
        joints.append(now)
        cubes.append(environment.cube_position)
        displacement = kinematics.pinch_position(now[:7]) - expert.path[frame]
        target = expert.command(frame, displacement, now[:7], kinematics)
        targets.append(target)
        command = target
        if request.seed is not None:
            pushed = kinematics.pinch_position(target[:7]) + pushes[frame]
            command = np.append(kinematics.joints_for(pushed, target[:7]), target[-1])
        environment.step(command, observer)
    return Demonstration(
        np.stack(images),
        np.array(joints, np.float32),
        np.array(targets, np.float32),
        np.array(cubes, np.float32),
        environment.lifted,
    )


def requests_for(
    split: Split, count: int, *, side: Side | None = None, clean_every: int = 4
) -> list[Request]:
    """
    List the demonstrations of a split; all but those of training are undisturbed.

    Args:
        split: which one.
        count: how many.
        side: only with cubes on this side.
        clean_every: in training, one out of so many is undisturbed.

    """
    return [
        Request(placement, None if split != 'train' or index % clean_every == 0 else index)
        for index, placement in enumerate(draw_placements(split, count, side))
    ]


def record_all(requests: Sequence[Request], *, workers: int = 1) -> Iterator[Demonstration]:
    """
    Record many demonstrations, in order, in several processes.

    Args:
        requests: what to record.
        workers: how many processes.

    """
    context = multiprocessing.get_context('spawn')  # OpenGL does not survive a fork
    with ProcessPoolExecutor(workers, context) as pool:
        yield from pool.map(_record_in_worker, requests)


def write_arrays(folder: Path, demonstrations: Sequence[Demonstration]) -> None:
    """
    Write images.npy, joints.npy, targets.npy and cubes.npy, each with the demonstrations first.

    Args:
        folder: where to; made if it is not there.
        demonstrations: all of the same length.

    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in ('images', 'joints', 'targets', 'cubes'):
        np.save(folder / f'{name}.npy', np.stack([getattr(item, name) for item in demonstrations]))


def joint_bounds(joints: NDArray[np.floating]) -> NDArray[np.float64]:
    """
    Find the bounds that normalise joints.

    Args:
        joints: (N, T, D), of all demonstrations.

    Returns:
        float64 (2, D): lower, then upper bounds, in the joints' units.

    """
    lowest, highest = joints.min(axis=(0, 1)), joints.max(axis=(0, 1))
    margin = BOUNDS_MARGIN * (highest - lowest)
    return np.stack([lowest - margin, highest + margin]).astype(np.float64)


@functools.cache
def environment_of_process() -> PandaEnvironment:
    """Give the one environment that a worker process keeps: a scene takes a second to make."""
    return PandaEnvironment()


def _record_in_worker(request: Request) -> Demonstration:
    return record(environment_of_process(), request)


def _disturbance(seed: int | None, frames: int) -> tuple[Vector, Vector]:
    """Draw where a start is off, (3,), and the push of every frame, (frames, 3), in metres."""
    if seed is None:
        return np.zeros(3), np.zeros((frames, 3))
    generator = np.random.default_rng(seed)
    pushes = np.zeros((frames, 3))
    push = np.zeros(3)
    for frame in range(frames):
        fresh = generator.normal(0.0, _PUSH, 3)
        push = _PUSH_MEMORY * push + np.sqrt(1 - _PUSH_MEMORY**2) * fresh
        pushes[frame] = push
    time = np.arange(frames)
    distance = np.maximum(np.maximum(DOWN_AT - 3 - time, time - LIFT_FROM - 2), 0)
    share = _PUSH_AT_GRASP + (1 - _PUSH_AT_GRASP) * np.clip(distance / 6, 0.0, 1.0)
    return generator.normal(0.0, _FIRST_OFFSET, 3), pushes * share[:, None]
