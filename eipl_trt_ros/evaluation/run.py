# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The whole evaluation: accuracy over all recordings, then times, then energy, then the node."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from eipl_trt_ros.bundle import Bundle, load_bundle
from eipl_trt_ros.energy.recorder import PowerRecorder
from eipl_trt_ros.errors import EvaluationError
from eipl_trt_ros.evaluation.clocks import Clocks, read_clocks
from eipl_trt_ros.evaluation.configurations import Configuration, open_lineup
from eipl_trt_ros.evaluation.drift import drifts_of
from eipl_trt_ros.evaluation.energy_run import EnergySettings, measure_lineup, open_power
from eipl_trt_ros.evaluation.fleet import run_tasks
from eipl_trt_ros.evaluation.frames import ReadSettings, first_stretch
from eipl_trt_ros.evaluation.live import LiveRun
from eipl_trt_ros.evaluation.offline import Pass, PassSettings
from eipl_trt_ros.evaluation.power_file import PowerFile, read_power_file
from eipl_trt_ros.evaluation.summary import Row, add_live, add_times, make_row
from eipl_trt_ros.evaluation.task import BagOutcome, BundleOutcome, Task
from eipl_trt_ros.evaluation.timing import Overhead, overhead_of, time_lineup
from eipl_trt_ros.progress import Progress

_DATA = 2000  # frames of the first recording that times and energy loop over, at most

Stage = Callable[[str], AbstractContextManager[Progress]]
"""Opens a bar for a part of the work, by its title."""
Live = Callable[[Bundle, Path, Pass, PassSettings, Progress], LiveRun]


@dataclass(frozen=True)
class Plan:
    """
    What to evaluate.

    Attributes:
        bundles: folders of the bundles.
        bags: the recordings; times and energy are measured on the first.
        wanted: the configurations of each bundle.
        reading: how a recording is read.
        threads: CPU threads for one inference.
        frames: how many frames of each configuration are timed.
        energy: how energy is measured; None for not at all.
        tolerance: difference of a commanded position that still counts as the same, in radians.
        jobs: how many processes share the recordings.
        dask: address of a Dask scheduler instead, see `run_tasks`.
        overhead: whether to measure what the evaluation adds to a frame.
        power_measurements: files that power_node wrote, for the report.

    """

    bundles: tuple[Path, ...]
    bags: tuple[Path, ...]
    wanted: tuple[Configuration, ...]
    reading: ReadSettings = field(default_factory=ReadSettings)
    threads: int = 1
    frames: int = 300
    energy: EnergySettings | None = None
    tolerance: float = 0.002
    jobs: int = 1
    dask: str = ''
    overhead: bool = False
    power_measurements: tuple[Path, ...] = ()


@dataclass(frozen=True)
class BagFacts:
    """A recording: what was read of it, and what is wrong with it."""

    name: str
    path: Path
    sha256: str
    image_topic: str
    joint_topic: str
    seconds: float
    images: int
    problems: tuple[str, ...]


@dataclass
class Evaluation:
    """
    Everything that was found.

    Attributes:
        plan: what was asked for.
        bundles: the bundles.
        bags: the recordings.
        rows: one a bundle and configuration, in the order asked for.
        notes: what was left out, and why.
        errors: what could not be evaluated at all.
        clocks: before and after the timing; None where nothing was timed.
        energy: why no energy was measured; empty where it was.
        overhead: what the evaluation adds to a frame, by bundle and configuration.
        power: what power_node measured.

    """

    plan: Plan
    bundles: tuple[Bundle, ...]
    bags: tuple[BagFacts, ...]
    rows: list[Row]
    notes: list[str]
    errors: list[str]
    clocks: tuple[Clocks, Clocks] | None = None
    energy: str = ''
    overhead: dict[str, Overhead] = field(default_factory=dict)
    power: tuple[PowerFile, ...] = ()

    @property
    def warnings(self) -> list[str]:
        """What would spoil the times."""
        if self.clocks is None:
            return []
        return list(dict.fromkeys([*self.clocks[0].warnings, *self.clocks[1].warnings]))


def evaluate(plan: Plan, stage: Stage, live: Live | None = None) -> Evaluation:
    """
    Evaluate.

    Args:
        plan: what.
        stage: told what is being done.
        live: plays a recording to the node; None for no live run.

    Raises:
        EvaluationError: nothing could be evaluated.
        BundleError: a bundle cannot be read.
        EnergyError: the file of a measurement cannot be read.

    """
    power = tuple(read_power_file(path) for path in plan.power_measurements)
    bundles = tuple(load_bundle(path) for path in plan.bundles)
    tasks = [
        Task(bag, plan.bundles, plan.wanted, plan.reading, plan.threads, pictures=index == 0)
        for index, bag in enumerate(plan.bags)
    ]
    with stage(f'predicting over {len(tasks)} recording(s)') as progress:
        outcomes = run_tasks(tasks, jobs=plan.jobs, dask=plan.dask, progress=progress)
    found = _gather(plan, bundles, outcomes)
    found.power = power
    if not found.rows:
        raise EvaluationError('; '.join(dict.fromkeys(found.errors)))
    _measure(found, stage)
    if live is not None:
        _play(found, stage, live)
    return found


def _gather(plan: Plan, bundles: tuple[Bundle, ...], outcomes: Sequence[BagOutcome]) -> Evaluation:
    found = Evaluation(plan, bundles, tuple(map(_facts, outcomes)), [], [], [])
    for place, bundle in enumerate(bundles):
        parts = [(outcome.bag, outcome.bundles[place]) for outcome in outcomes]
        found.errors += [f'{bundle.name}: {part.error}' for _, part in parts if part.error]
        found.notes += list(dict.fromkeys(note for _, part in parts for note in part.notes))
        read = [(bag, part) for bag, part in parts if not part.error]
        if read:
            found.rows += _rows(bundle, read, plan.tolerance)
    return found


def _facts(outcome: BagOutcome) -> BagFacts:
    name = outcome.bag.resolve().name
    passes = [part.passes[0] for part in outcome.bundles if part.passes]
    errors = [part.error for part in outcome.bundles if part.error]
    problems = [line for run in passes for line in run.problems] + errors
    unique = tuple(dict.fromkeys(problems))
    if not passes:
        return BagFacts(name, outcome.bag, outcome.sha256, '', '', float('nan'), 0, unique)
    run = passes[0]
    return BagFacts(
        name,
        outcome.bag,
        outcome.sha256,
        run.image_topic,
        run.joint_topic,
        run.seconds,
        run.images,
        unique,
    )


def _rows(
    bundle: Bundle, read: Sequence[tuple[Path, BundleOutcome]], tolerance: float
) -> list[Row]:
    """Make a row for each configuration that ran over every recording."""
    first = read[0][1]
    labels = [run.identity.label for run in first.passes]
    by_label = {
        label: [run for _, part in read for run in part.passes if run.identity.label == label]
        for label in labels
    }
    fp32 = None if first.reference is None else labels[first.reference]
    rollouts = [part.rollouts for _, part in read]
    return [
        make_row(
            passes,
            None if fp32 is None else by_label[fp32],
            bags=[bag for bag, _ in read],
            drifts=drifts_of(bundle, rollouts, label, fp32),
            tolerance=tolerance,
        )
        for label, passes in by_label.items()
        if len(passes) == len(read)  # one machine of a cluster may lack a backend
    ]


def _measure(found: Evaluation, stage: Stage) -> None:
    """Measure times and energy on the first recording, bundle by bundle."""
    plan = found.plan
    before = read_clocks()
    power, found.energy = None, 'not asked for: give --frames 10000'
    if plan.energy is not None:
        power, found.energy = open_power(plan.energy)
    with contextlib.ExitStack() as stack:
        if power is not None:
            stack.enter_context(power)
        for bundle in found.bundles:
            rows = [row for row in found.rows if row.bundle.path == bundle.path]
            if rows:
                _measure_bundle(found, bundle, rows, power, stage)
    found.clocks = before, read_clocks()


def _measure_bundle(
    found: Evaluation,
    bundle: Bundle,
    rows: Sequence[Row],
    power: PowerRecorder | None,
    stage: Stage,
) -> None:
    plan = found.plan
    data = first_stretch(rows[0].bags[0].path, bundle, plan.reading, frames=_DATA)
    with open_lineup(bundle, _timed(rows), threads=plan.threads) as lineup:
        labels = [one.identity.label for one in lineup.opened]
        with stage(f'{bundle.name}: timing') as progress:
            logs = time_lineup(lineup, data, plan.frames, progress)
        add_times(rows, dict(zip(labels, logs, strict=True)))
        if plan.overhead:
            for one in lineup.opened:
                name = f'{bundle.name}, {one.identity.label}'
                found.overhead[name] = overhead_of(one.predictor, data)
        if power is None or plan.energy is None:
            return
        with stage(f'{bundle.name}: energy') as progress:
            results = measure_lineup(lineup, data, power, plan.energy, progress)
        by_label = dict(zip(labels, results, strict=True))
        for row in rows:
            row.energy = by_label.get(row.identity.label)


def _timed(rows: Sequence[Row]) -> list[Configuration]:
    """Name the configurations whose times mean something."""
    return [
        Configuration(row.identity.backend, row.identity.precision, row.identity.baseline)
        for row in rows
        if not row.identity.exact
    ]


def _play(found: Evaluation, stage: Stage, live: Live) -> None:
    """Play the first recording to the node, for each row that a robot would run."""
    plan = found.plan
    for row in found.rows:
        if row.identity.baseline or row.identity.exact:
            continue
        settings = PassSettings(
            plan.reading.image_topic,
            plan.reading.joint_topic,
            row.identity.backend,
            row.identity.precision,
            plan.threads,
            plan.reading.slop,
        )
        with stage(f'{row.name}: playing to the node') as progress:
            add_live(row, live(row.bundle, row.bags[0].path, row.passes[0], settings, progress))
