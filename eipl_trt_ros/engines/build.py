# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Builds the engines of a bundle: each once, for this machine."""

from __future__ import annotations

import contextlib
import logging
import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.engines.automatic import choose_built
from eipl_trt_ros.engines.calibrate import calibrate
from eipl_trt_ros.engines.inspector import Inspection, inspect
from eipl_trt_ros.engines.int8_options import OPERATORS, Int8Options
from eipl_trt_ros.engines.int8_ways import Calibrated, Explicit, Int8Way
from eipl_trt_ros.engines.machine import this_machine
from eipl_trt_ros.engines.manifest import Manifest, Recipe, make_recipe
from eipl_trt_ros.engines.probe import int8_operators
from eipl_trt_ros.engines.requests import asked_layers, make_request
from eipl_trt_ros.engines.store import EngineStore, rebuild_command
from eipl_trt_ros.engines.tensorrt_api import BuildRequest, TensorRT, find_tensorrt
from eipl_trt_ros.engines.timing import make_timer
from eipl_trt_ros.errors import EngineError

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BuildOptions:
    """
    How engines are built.

    Attributes:
        tf32: whether fp32 products may round their factors to TF32's 10 bits. Off: the joints
            then agree with ONNX Runtime's to a millionth of their range rather than to a
            ten-thousandth, and at a batch of one there is hardly any time to be won.
        workspace_mib: most scratch memory of a kernel, in MiB; None leaves TensorRT's own limit.
        force: build also what is there already.
        int8: how graphs are quantised.

    """

    tf32: bool = False
    workspace_mib: int | None = None
    force: bool = False
    int8: Int8Options = field(default_factory=Int8Options)

    def words(self, recipe: Recipe) -> list[str]:
        """Give the command line's options that mean the same for a recipe."""
        words = ['--tf32'] if self.tf32 else []
        if self.workspace_mib is not None:
            words += ['--workspace', str(self.workspace_mib)]
        if recipe.precision == 'int8' and self.int8.operators != OPERATORS:
            words += ['--int8-operators', *self.int8.operators]
        if recipe.int8 is not None and recipe.int8.way == 'calibrated':
            paths = (shlex.quote(str(path)) for path in self.int8.demonstrations)
            words += ['--int8-way', 'calibrated', '--calibration', *paths]
        return words


@dataclass(frozen=True)
class BuiltEngine:
    """An engine of a bundle, and whether it was there before."""

    manifest: Manifest
    cached: bool


def build_engines(
    bundle: Bundle,
    precisions: Sequence[str],
    graphs: Sequence[str],
    options: BuildOptions,
    progress: Callable[[str], None] | None = None,
) -> list[BuiltEngine]:
    """
    Build engines of a bundle into its folder ``engines``; what is there already stays.

    Args:
        bundle: the bundle, with its graphs.
        precisions: some of fp32, fp16 and int8.
        graphs: some of ``eipl_trt_ros.spec.GRAPHS``.
        options: how.
        progress: called with what is done next.

    Returns:
        The engines, in the order of precisions, then graphs.

    Raises:
        EngineError: an engine cannot be built or written; those before it are kept.
        BagError: the demonstrations cannot be read.
        BundleError: the bundle lacks a graph.
        MissingPackageError: a package is missing.

    """
    tensorrt = find_tensorrt()
    tell = progress or (lambda _: None)
    store = EngineStore(bundle)
    with store.writing():
        explicit = options.int8.way == 'explicit'
        if 'int8' in precisions and explicit and options.int8.demonstrations:
            bundle = calibrate(bundle, options.int8, tell)
        builder = _Builder(bundle, store, options, tensorrt, tell)
        recipes = [
            builder.recipe(graph, precision) for precision in precisions for graph in graphs
        ]  # all of them first: what is missing is missed before anything is built
        engines = [builder.engine(recipe) for recipe in recipes]
        return builder.judged(engines)


class _Builder:
    """Builds the engines of one bundle; what they share is computed once."""

    def __init__(
        self,
        bundle: Bundle,
        store: EngineStore,
        options: BuildOptions,
        tensorrt: TensorRT,
        progress: Callable[[str], None],
    ) -> None:
        self._bundle = bundle
        self._store = store
        self._options = options
        self._tensorrt = tensorrt
        self._tell = progress
        self._machine = this_machine(tensorrt)

    @cached_property
    def _int8(self) -> Int8Way:
        options = self._options.int8
        if options.way == 'calibrated':
            return Calibrated(self._bundle, options, self._tensorrt, self._store)
        return Explicit(self._bundle, options, self._tensorrt)

    def recipe(self, graph: str, precision: str) -> Recipe:
        """Write down what an engine is built from."""
        return make_recipe(
            self._bundle,
            graph,
            precision,
            self._machine,
            tf32=self._options.tf32,
            int8=self._int8.source(graph) if precision == 'int8' else None,
        )

    def engine(self, recipe: Recipe) -> BuiltEngine:
        """Build an engine unless it is there."""
        there = None if self._options.force else self._store.built(recipe)
        if there is not None:
            return BuiltEngine(there, cached=True)
        return BuiltEngine(self._build(recipe), cached=False)

    def _build(self, recipe: Recipe) -> Manifest:
        begin = time.monotonic()
        self._tell(f'building {recipe.graph} {recipe.precision}')
        int8 = self._int8 if recipe.precision == 'int8' else None
        result = self._plan(recipe, int8)
        layers = () if int8 is None else int8.layers(recipe.graph)
        command = rebuild_command(
            self._bundle.path, recipe.graph, recipe.precision, *self._options.words(recipe)
        )
        manifest = self._store.save(
            recipe,
            result,
            command=command,
            seconds=time.monotonic() - begin,
            int8=None if int8 is None else int8.report(recipe.graph),
            inspection=self._inspection(recipe, result, layers),
        )
        return self._timed(manifest, result)

    def _plan(self, recipe: Recipe, int8: Int8Way | None) -> bytes:
        known = self._store.timing_cache(recipe.machine)
        with self._request(recipe, int8) as request:
            try:
                result = self._tensorrt.build(
                    replace(request, workspace_mib=self._options.workspace_mib, timing_cache=known)
                )
            except EngineError as error:
                if int8 is None:
                    raise
                raise self._int8_failure(error) from None
        if result.timing_cache not in (b'', known):
            self._store.keep_timing_cache(recipe.machine, result.timing_cache)
        return result.plan

    def _request(
        self, recipe: Recipe, int8: Int8Way | None
    ) -> contextlib.AbstractContextManager[BuildRequest]:
        if int8 is not None:
            return int8.request(recipe)
        return contextlib.nullcontext(make_request(self._bundle, recipe, self._tensorrt))

    def judged(self, engines: Sequence[BuiltEngine]) -> list[BuiltEngine]:
        """Write into the motion engines whether ``precision: auto`` takes them."""
        verdicts: dict[tuple[str, str], str] = {}
        for mixing in (False, True):
            try:
                choice = choose_built(self._bundle, self._machine, mixing=mixing)
            except EngineError:
                continue  # nothing of the kind is here, or times are unknown: the node decides
            graph = 'motion_mixed' if mixing else 'motion'
            verdicts |= {(graph, precision): words for precision, words in choice.verdicts}
        judged = {
            manifest.recipe.key: self._store.update(
                replace(
                    manifest, verdict=verdicts[manifest.recipe.graph, manifest.recipe.precision]
                )
            )
            for manifest in self._store.manifests()
            if manifest.recipe.machine == self._machine
            and (manifest.recipe.graph, manifest.recipe.precision) in verdicts
        }
        return [
            replace(engine, manifest=judged.get(engine.manifest.recipe.key, engine.manifest))
            for engine in engines
        ]

    def _timed(self, manifest: Manifest, plan: bytes) -> Manifest:
        """Measure an engine where there is a GPU; a build is not lost by it."""
        if self._machine.gpu is None:
            return manifest
        self._tell(f'timing {manifest.recipe.graph} {manifest.recipe.precision}')
        time = make_timer(self._tensorrt, self._store.path)(manifest, plan)
        return self._store.update(replace(manifest, microseconds=time))

    def _inspection(self, recipe: Recipe, plan: bytes, int8: Sequence[str]) -> Inspection | None:
        """Find out what each layer got, where there is a GPU to ask; a build is not lost by it."""
        if self._machine.gpu is None:
            return None
        self._tell(f'inspecting {recipe.graph} {recipe.precision}')
        try:
            text = self._tensorrt.inspect(plan, f'{recipe.graph} {recipe.precision}')
            return inspect(text, asked_layers(self._bundle, recipe, int8))
        except EngineError as error:
            _log.warning('what each layer got is unknown: %s', error)
            return None

    def _int8_failure(self, error: EngineError) -> EngineError:
        able = int8_operators(self._tensorrt)
        hint = 'it builds no layer in int8: use fp16'
        if able:
            hint = f'it builds in int8: {", ".join(able)}; leave it at these with '
            hint += f'--int8-operators {" ".join(able)}, or use fp16'
        return EngineError(f'{error}; {hint}')
