# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
One recording through all bundles and configurations: what a process, or a machine, is given.

A task and its outcome hold plain values and arrays alone, so both can go to another process and
come back.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from eipl_trt_ros.bundle import Bundle, load_bundle
from eipl_trt_ros.errors import EiplTrtError
from eipl_trt_ros.evaluation.configurations import Configuration, Lineup, open_lineup
from eipl_trt_ros.evaluation.drift import STEPS, Rollout, run_rollouts
from eipl_trt_ros.evaluation.frames import ReadSettings, first_stretch
from eipl_trt_ros.evaluation.machine import bag_checksum
from eipl_trt_ros.evaluation.offline import Pass, run_passes
from eipl_trt_ros.evaluation.strip import Strip
from eipl_trt_ros.progress import Progress, part_of, untold


@dataclass(frozen=True)
class Task:
    """
    What to evaluate.

    Attributes:
        bag: the recording.
        bundles: folders of the bundles.
        wanted: the configurations of each.
        reading: how the recording is read.
        threads: CPU threads for one inference.
        pictures: whether pictures for the report are kept.

    """

    bag: Path
    bundles: tuple[Path, ...]
    wanted: tuple[Configuration, ...]
    reading: ReadSettings = field(default_factory=ReadSettings)
    threads: int = 1
    pictures: bool = True


@dataclass(frozen=True)
class BundleOutcome:
    """
    What one bundle gave over one recording.

    Attributes:
        bundle: folder of the bundle.
        passes: one for each configuration that runs here; none after an error.
        reference: place of the fp32 pass among them; None without one.
        rollouts: closed-loop rollouts over the begin of the recording.
        notes: what was left out, and why.
        error: why there is nothing; empty if there is.

    """

    bundle: Path
    passes: tuple[Pass, ...] = ()
    reference: int | None = None
    rollouts: tuple[Rollout, ...] = ()
    notes: tuple[str, ...] = ()
    error: str = ''


@dataclass(frozen=True)
class BagOutcome:
    """What one recording gave, one entry a bundle; ``sha256`` is empty if it cannot be read."""

    bag: Path
    sha256: str
    bundles: tuple[BundleOutcome, ...]


def evaluate_bag(task: Task, progress: Progress = untold) -> BagOutcome:
    """
    Evaluate one recording; errors of a bundle or of the recording become part of the outcome.

    Args:
        task: what to evaluate.
        progress: told the share that is done.

    """
    outcomes = []
    for index, path in enumerate(task.bundles):
        try:
            part = part_of(progress, index, len(task.bundles))
            outcomes.append(_evaluate(task, load_bundle(path), part))
        except EiplTrtError as error:
            outcomes.append(BundleOutcome(path, error=str(error)))
    try:
        checksum = bag_checksum(task.bag)
    except OSError:
        checksum = ''
    return BagOutcome(task.bag, checksum, tuple(outcomes))


def _evaluate(task: Task, bundle: Bundle, progress: Progress) -> BundleOutcome:
    with open_lineup(bundle, task.wanted, threads=task.threads) as lineup:
        passes = run_passes(bundle, task.bag, lineup, task.reading, progress)
        reference = lineup.reference
        notes = list(lineup.notes)
        running = {
            asked: run.predicted for asked, run in zip(_running(lineup), passes, strict=True)
        }
    shown = reference or 0  # whose pictures the report shows
    passes = [
        run if task.pictures and place == shown else replace(run, strip=Strip())
        for place, run in enumerate(passes)
    ]
    # one frame more than steps: the last step's prediction is compared with it
    begin = first_stretch(task.bag, bundle, task.reading, frames=max(STEPS) + 1)
    rollouts, left_out = run_rollouts(bundle, begin, running, task.threads)
    return BundleOutcome(
        bundle.path,
        tuple(passes),
        reference,
        tuple(rollouts),
        (*notes, *left_out),
    )


def _running(lineup: Lineup) -> list[Configuration]:
    """Name what runs, as it is to be asked for again."""
    return [
        Configuration(one.identity.backend, one.identity.precision, one.identity.baseline)
        for one in lineup.opened
    ]
