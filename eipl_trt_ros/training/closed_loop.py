# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Judges checkpoints by what they do: rollouts in the simulation, in several processes."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch

from eipl_trt_ros.sim.environment import PandaEnvironment
from eipl_trt_ros.sim.positions import Placement, Split, draw_placements
from eipl_trt_ros.sim.rollout import Outcome, roll_out, success_rate
from eipl_trt_ros.training.policy import CheckpointPolicy


@dataclass(frozen=True)
class Trial:
    """One rollout to make: which checkpoint, where the cube is, and whether it is drawn."""

    checkpoint: Path
    placement: Placement
    hidden: bool


@dataclass(frozen=True)
class Judgement:
    """What came of a checkpoint's rollouts, with the cube in view and with the cube hidden."""

    checkpoint: Path
    seen: tuple[Outcome, ...]
    hidden: tuple[Outcome, ...]

    def __str__(self) -> str:
        lifted, tried = success_rate(self.seen)
        control, controls = success_rate(self.hidden)
        misses = sorted(outcome.miss for outcome in self.seen)
        middle = misses[len(misses) // 2] if misses else float('nan')
        return (f'{self.checkpoint}: lifted {lifted}/{tried}, with the cube hidden '
                f'{control}/{controls}, median miss {middle * 1000:.0f} mm')


def judge(checkpoints: Sequence[Path], split: Split, count: int, *, controls: int = 0,
          workers: int = 1) -> list[Judgement]:
    """
    Roll out every checkpoint at the same places.

    Args:
        checkpoints: folders written by ``train``.
        split: whose places.
        count: how many places.
        controls: how many of them to repeat with the cube hidden.
        workers: how many processes.

    """
    places = draw_placements(split, count)
    trials = [Trial(checkpoint, place, hidden) for checkpoint in checkpoints
              for hidden in (False, True)
              for place in (places[:controls] if hidden else places)]
    context = multiprocessing.get_context('spawn')  # OpenGL does not survive a fork
    with ProcessPoolExecutor(workers, context) as pool:
        outcomes = list(pool.map(_try_in_worker, trials))
    done = list(zip(trials, outcomes, strict=True))
    return [Judgement(checkpoint, *(
        tuple(outcome for trial, outcome in done
              if trial.checkpoint == checkpoint and trial.hidden == hidden)
        for hidden in (False, True))) for checkpoint in checkpoints]


_environment: PandaEnvironment | None = None


def _try_in_worker(trial: Trial) -> Outcome:
    global _environment  # noqa: PLW0603 - one scene a process; it takes a second to make
    torch.set_num_threads(1)
    if _environment is None:
        _environment = PandaEnvironment()
    policy = CheckpointPolicy.load(trial.checkpoint)
    return roll_out(_environment, policy, trial.placement, hidden=trial.hidden)
