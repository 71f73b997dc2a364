# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""``precision: auto``: the fastest precision that was built and keeps the joints good enough."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from eipl_trt_ros.backends.loader import PRECISIONS
from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.engines.int8_options import DEFAULT_BUDGET
from eipl_trt_ros.engines.int8_recipe import Int8Recipe, read_recipe, recipe_command
from eipl_trt_ros.engines.machine import Machine
from eipl_trt_ros.engines.manifest import Manifest
from eipl_trt_ros.engines.store import EngineStore
from eipl_trt_ros.errors import EngineError

Timer = Callable[[Manifest, bytes], 'float | None']
"""Gives the microseconds that an engine's plan takes; None if it cannot tell."""


@dataclass(frozen=True)
class Candidate:
    """
    A precision in which both graphs were built for this machine.

    Attributes:
        precision: ``fp32``, ``fp16`` or ``int8``.
        microseconds: what the motion engine takes here; None if unknown.
        rate: joint error to expect, as a multiple of fp32's; None if it was never measured.

    """

    precision: str
    microseconds: float | None
    rate: float | None


@dataclass(frozen=True)
class Choice:
    """The precision to run, and why: a clause for each that there was."""

    precision: str
    verdicts: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        clauses = (f'{precision}: {verdict}' for precision, verdict in self.verdicts)
        return f'{self.precision} ({"; ".join(clauses)})'


def choose(candidates: Sequence[Candidate], budget: float) -> Choice:
    """
    Choose the fastest precision whose joint error is within a budget.

    Args:
        candidates: what was built; of equally fast ones the first wins.
        budget: highest joint error, as a multiple of fp32's.

    Raises:
        EngineError: none of them is; the text says why.

    """
    fit = [
        (one.microseconds, index)
        for index, one in enumerate(candidates)
        if one.microseconds is not None and one.rate is not None and one.rate <= budget
    ]
    best = candidates[min(fit)[1]] if fit else None
    verdicts = tuple((one.precision, _verdict(one, best, budget)) for one in candidates)
    if best is None:
        reasons = '; '.join(f'{precision} is {verdict}' for precision, verdict in verdicts)
        msg = f'no precision can be chosen: {reasons or "no engines were built"}'
        raise EngineError(msg)
    return Choice(best.precision, verdicts)


def _verdict(one: Candidate, best: Candidate | None, budget: float) -> str:
    if one.rate is None:
        return 'not taken, its joint error was not measured'
    facts = f"joint error {one.rate:.3f} of fp32's"
    if one.rate > budget:
        return f'not taken, {facts}, above the budget of {budget:g}'
    if one.microseconds is None:
        return 'not taken, its time on this GPU is not known'
    facts = f'{one.microseconds:.1f} us a motion graph, {facts}'
    return f'taken, {facts}' if one == best else f'not taken, {facts}: slower'


def choose_built(
    bundle: Bundle, machine: Machine, *, mixing: bool = False, timer: Timer | None = None
) -> Choice:
    """
    Choose among the engines that a bundle holds for a machine.

    The budget is that of the bundle's int8 recipe, or 1.02 where it has none.

    Args:
        bundle: the bundle.
        machine: what shall run them.
        mixing: whether the graphs that mix are wanted.
        timer: measures an engine whose manifest has no time, as after a build without a GPU.

    Raises:
        EngineError: none was built, or none is within the budget; the text says what to do.

    """
    recipe = _recipe(bundle, mixing=mixing)
    candidates = []
    for precision in PRECISIONS:
        found = _load(bundle, precision, machine, mixing=mixing)
        if found is not None:
            manifest, plan = found
            time = manifest.microseconds
            if time is None and timer is not None:
                time = timer(manifest, plan)
            candidates.append(Candidate(precision, time, _rate(manifest, recipe)))
    try:
        return choose(candidates, DEFAULT_BUDGET if recipe is None else recipe.budget)
    except EngineError as error:
        msg = f'{bundle.path}: {error}; build with: eipl_trt build {bundle.path}'
        if recipe is None:
            msg += f'; measure joint errors with: {recipe_command(bundle)}'
        raise EngineError(msg) from None


def _load(
    bundle: Bundle, precision: str, machine: Machine, *, mixing: bool
) -> tuple[Manifest, bytes] | None:
    store, suffix = EngineStore(bundle), '_mixed' if mixing else ''
    try:
        store.load(f'image{suffix}', precision, machine)
        return store.load(f'motion{suffix}', precision, machine)
    except EngineError:
        return None


def _recipe(bundle: Bundle, *, mixing: bool) -> Int8Recipe | None:
    try:
        recipe = read_recipe(bundle)
        recipe.of(bundle, 'motion_mixed' if mixing else 'motion')
    except EngineError:
        return None
    return recipe


def _rate(manifest: Manifest, recipe: Int8Recipe | None) -> float | None:
    if manifest.recipe.precision == 'fp32':
        return 1.0
    if manifest.int8 is not None:
        return manifest.int8.rate
    return None if recipe is None else recipe.half_rate
