# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Lets every variant of every model grasp at the same places, and keeps each result as it comes.

A variant is a bundle with a backend, a precision and an input mixing, alone or with other bundles
under an arbiter. All of them try all places, so that two variants can be compared place by place.
"""

from __future__ import annotations

import functools
import itertools
import json
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eipl_trt_ros.bundle import YAML_NAME
from eipl_trt_ros.errors import BagError
from eipl_trt_ros.files import sha256_of
from eipl_trt_ros.progress import Progress, untold
from eipl_trt_ros.sim.demonstrations import environment_of_process
from eipl_trt_ros.sim.positions import AREAS, Area, draw_area, side_of
from eipl_trt_ros.sim.rollout import (
    EnsemblePolicy,
    PredictorPolicy,
    open_policy,
    open_together,
    roll_out,
)

_DIGITS = 5  # of a joint's angle in the results' file: 10 microradians


@dataclass(frozen=True, order=True)
class Variant:
    """
    A model as it is to be run.

    Attributes:
        model: the bundle's name.
        backend: one of `open_predictor`'s choices, as are the next two.
        precision: what the graphs are run in.
        mixing: EIPL's ``input_param``.
        arbiter: empty: the model runs alone. Else all bundles run side by side, this one drives
            at first, and the arbiter chooses by this; ``topic`` tells the bundle that is named
            after the side on which the cube lies.

    """

    model: str
    backend: str
    precision: str
    mixing: float
    arbiter: str = ''


@dataclass(frozen=True)
class Attempt:
    """One variant at one place: number ``index`` of an area."""

    variant: Variant
    area: Area
    index: int


@dataclass(frozen=True)
class Result:
    """
    What came of an attempt.

    Attributes:
        attempt: who and where.
        lifted: whether the cube was in the air at the end.
        miss: see `Outcome`, metres.
        joints: float32 (T, 8), measured at each frame.
        bundle: SHA-256 of the bundle's ``bundle.yaml``, which holds those of its other files; of
            bundles under an arbiter, of all of them.
        drivers: under an arbiter, the model that drove, one a frame.

    """

    attempt: Attempt
    lifted: bool
    miss: float
    joints: NDArray[np.float32]
    bundle: str
    drivers: tuple[str, ...] = ()


def plan(variants: Sequence[Variant], counts: dict[Area, int]) -> list[Attempt]:
    """
    List all attempts, place by place, so that a run cut short has still compared like with like.

    Args:
        variants: which.
        counts: how many places of each area.

    """
    places = [(area, index) for area in AREAS for index in range(counts[area])]
    places.sort(key=lambda place: place[1] / counts[place[0]])  # the areas in turn
    return [Attempt(variant, *place) for place, variant in itertools.product(places, variants)]


def run_all(
    attempts: Sequence[Attempt],
    bundles: dict[str, Path],
    file: Path,
    *,
    jobs: int = 1,
    progress: Progress = untold,
) -> list[Result]:
    """
    Run what the file does not hold yet, and add each result to it at once.

    Args:
        attempts: all that are wanted.
        bundles: folder of each model.
        file: one JSON object a line; made if it is not there. What it holds is not run again.
        jobs: how many processes.
        progress: told the share that is done.

    Returns:
        The results of all attempts, in their order.

    Raises:
        BagError: the file holds something else, or results of a bundle that is another by now.

    """
    held = _held(file, bundles) if file.exists() else set()
    left = [attempt for attempt in attempts if attempt not in held]
    file.parent.mkdir(parents=True, exist_ok=True)
    context = multiprocessing.get_context('spawn')  # OpenGL does not survive a fork
    with ProcessPoolExecutor(jobs, context) as pool, file.open('a', encoding='utf-8') as out:
        running = [
            pool.submit(_try_in_worker, attempt, _crew(attempt.variant, bundles))
            for attempt in left
        ]
        try:
            for count, future in enumerate(as_completed(running), 1):
                out.write(_line(future.result()) + '\n')
                out.flush()
                progress(count / len(left))
        finally:
            pool.shutdown(cancel_futures=True)
    done = {result.attempt: result for result in read_results(file)}
    return [done[attempt] for attempt in attempts]


def _crew(variant: Variant, bundles: dict[str, Path]) -> tuple[Path, ...]:
    """List the folders of all bundles that run in a variant."""
    return tuple(bundles.values()) if variant.arbiter else (bundles[variant.model],)


def _held(file: Path, bundles: dict[str, Path]) -> set[Attempt]:
    """Tell what need not be run again, and cut off a line that is not whole."""
    held = set()
    digest = functools.cache(_digest)  # there are thousands of results, of a few bundles
    for result in read_results(file):
        variant = result.attempt.variant
        if variant.model in bundles and result.bundle != digest(_crew(variant, bundles)):
            msg = f'{file} holds results of another bundle {variant.model}: choose another folder'
            raise BagError(msg)
        held.add(result.attempt)
    text = file.read_text(encoding='utf-8')
    file.write_text(text[: text.rfind('\n') + 1], encoding='utf-8')
    return held


def _digest(crew: tuple[Path, ...]) -> str:
    return ' '.join(sorted(sha256_of(bundle / YAML_NAME) for bundle in crew))


def read_results(file: Path) -> list[Result]:
    """
    Read what `run_all` wrote; a last line that was cut short is left out.

    Raises:
        BagError: the file holds something else.

    """
    lines = file.read_text(encoding='utf-8').split('\n')
    try:
        return [_result(json.loads(line)) for line in lines[:-1]]
    except (ValueError, KeyError, TypeError) as error:
        msg = f'{file} is no file of results ({error!r}): choose another folder'
        raise BagError(msg) from error


def _line(result: Result) -> str:
    attempt = result.attempt
    row = vars(attempt.variant) | {
        'area': attempt.area,
        'index': attempt.index,
        'lifted': result.lifted,
        'miss': result.miss if np.isfinite(result.miss) else None,
        'joints': np.round(result.joints.astype(np.float64), _DIGITS).tolist(),
        'bundle': result.bundle,
    }
    if result.drivers:
        row['drivers'] = [[name, len(list(same))] for name, same in groupby(result.drivers)]
    return json.dumps(row, allow_nan=False)


def _result(row: dict[str, Any]) -> Result:
    variant = Variant(row['model'], row['backend'], row['precision'], float(row['mixing']))
    variant = replace(variant, arbiter=row.get('arbiter', ''))
    return Result(
        Attempt(variant, row['area'], row['index']),
        row['lifted'],
        np.inf if row['miss'] is None else row['miss'],
        np.array(row['joints'], np.float32),
        row['bundle'],
        tuple(name for name, frames in row.get('drivers', ()) for _ in range(frames)),
    )


def _try_in_worker(attempt: Attempt, crew: tuple[Path, ...]) -> Result:
    variant = attempt.variant
    how = variant.backend, variant.precision, variant.mixing
    place = draw_area(attempt.area, attempt.index + 1)[attempt.index]
    policy: PredictorPolicy | EnsemblePolicy
    if variant.arbiter:
        policy = open_together(crew, variant.arbiter, *how)
        policy.first = side_of(place.y) if variant.arbiter == 'topic' else variant.model
    else:
        policy = open_policy(crew[0], *how)
    outcome = roll_out(environment_of_process(), policy, place)
    drivers = tuple(policy.drivers) if isinstance(policy, EnsemblePolicy) else ()
    return Result(attempt, outcome.lifted, outcome.miss, outcome.joints, _digest(crew), drivers)
