# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Builds the engines of a bundle: each once, for this machine."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.engines.calibrate import calibrate
from eipl_trt_ros.engines.half import QUANTISERS, load_graph, runs_in_half
from eipl_trt_ros.engines.inspector import Inspection, inspect
from eipl_trt_ros.engines.int8_options import OPERATORS, Int8Options
from eipl_trt_ros.engines.int8_recipe import GraphRecipe, Int8Recipe, only, read_recipe
from eipl_trt_ros.engines.machine import this_machine
from eipl_trt_ros.engines.manifest import Int8Report, Int8Source, Manifest, Recipe, make_recipe
from eipl_trt_ros.engines.probe import int8_operators
from eipl_trt_ros.engines.quantize import quantisable
from eipl_trt_ros.engines.rewrite import half_graph, quantized_graph
from eipl_trt_ros.engines.store import EngineStore, rebuild_command
from eipl_trt_ros.engines.tensorrt_api import BuildRequest, TensorRT, find_tensorrt
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
        if 'int8' in precisions and options.int8.demonstrations:
            bundle = calibrate(bundle, options.int8, tell)
        builder = _Builder(bundle, store, options, tensorrt, tell)
        recipes = [
            builder.recipe(graph, precision) for precision in precisions for graph in graphs
        ]  # all of them first: what is missing is missed before anything is built
        return [builder.engine(recipe) for recipe in recipes]


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
    def _int8(self) -> Int8Recipe:
        return read_recipe(self._bundle)

    def _quantized(self, graph: str) -> GraphRecipe:
        found = self._int8.of(self._bundle, graph)
        model = load_graph(self._bundle.graph_path(graph))
        return only(found, quantisable(model, self._options.int8.operators))

    def recipe(self, graph: str, precision: str) -> Recipe:
        """Write down what an engine is built from."""
        source = None
        if precision == 'int8':
            found = self._quantized(graph)
            source = Int8Source(found.digest, self._int8.calibration.sha256)
        return make_recipe(
            self._bundle,
            graph,
            precision,
            self._machine,
            tf32=self._options.tf32,
            int8=source,
        )

    def engine(self, recipe: Recipe) -> BuiltEngine:
        """Build an engine unless it is there."""
        there = None if self._options.force else self._store.built(recipe)
        if there is not None:
            return BuiltEngine(there, cached=True)
        return BuiltEngine(self._build(recipe), cached=False)

    def _build(self, recipe: Recipe) -> Manifest:
        begin = time.monotonic()
        quantized = self._quantized(recipe.graph) if recipe.precision == 'int8' else None
        self._tell(f'building {recipe.graph} {recipe.precision}')
        known = self._store.timing_cache(recipe.machine)
        request = make_request(self._bundle, recipe, self._tensorrt, quantized)
        request = replace(request, workspace_mib=self._options.workspace_mib, timing_cache=known)
        try:
            result = self._tensorrt.build(request)
        except EngineError as error:
            if quantized is None:
                raise
            raise self._int8_failure(error) from None
        if result.timing_cache not in (b'', known):
            self._store.keep_timing_cache(recipe.machine, result.timing_cache)
        command = rebuild_command(
            self._bundle.path, recipe.graph, recipe.precision, *self._options.words(recipe)
        )
        return self._store.save(
            recipe,
            result.plan,
            command=command,
            seconds=time.monotonic() - begin,
            int8=None if quantized is None else self._report(quantized),
            inspection=self._inspection(recipe, result.plan, quantized),
        )

    def _inspection(
        self, recipe: Recipe, plan: bytes, quantized: GraphRecipe | None
    ) -> Inspection | None:
        """Find out what each layer got, where there is a GPU to ask; a build is not lost by it."""
        if self._machine.gpu is None:
            return None
        self._tell(f'inspecting {recipe.graph} {recipe.precision}')
        try:
            text = self._tensorrt.inspect(plan, f'{recipe.graph} {recipe.precision}')
            return inspect(text, asked_layers(self._bundle, recipe, quantized))
        except EngineError as error:
            _log.warning('what each layer got is unknown: %s', error)
            return None

    def _report(self, quantized: GraphRecipe) -> Int8Report:
        calibration = self._int8.calibration
        return Int8Report(
            quantized.layers,
            quantized.candidates,
            calibration.demonstrations,
            calibration.frames,
            quantized.rate,
            quantized.grey_levels,
            quantized.shares,
        )

    def _int8_failure(self, error: EngineError) -> EngineError:
        able = int8_operators(self._tensorrt)
        hint = 'it builds no layer in int8: use fp16'
        if able:
            hint = f'it builds in int8: {", ".join(able)}; leave it at these with '
            hint += f'--int8-operators {" ".join(able)}, or use fp16'
        return EngineError(f'{error}; {hint}')


def asked_layers(
    bundle: Bundle, recipe: Recipe, quantized: GraphRecipe | None = None
) -> dict[str, str]:
    """Name the convolutions and linear layers that a lower precision than fp32 is asked for."""
    if recipe.precision == 'fp32':
        return {}
    model = load_graph(bundle.graph_path(recipe.graph))
    half = [name for name in quantisable(model) if runs_in_half(name)]
    int8 = () if quantized is None else quantized.layers
    return {**dict.fromkeys(half, 'fp16'), **dict.fromkeys(int8, 'int8')}


def make_request(
    bundle: Bundle, recipe: Recipe, tensorrt: TensorRT, quantized: GraphRecipe | None = None
) -> BuildRequest:
    """
    Put together what TensorRT shall build.

    Where networks can be strongly typed, precision is in the graph; where they cannot, it is left
    to the builder, with the layers that need fp32 held to it.

    Args:
        bundle: the model.
        recipe: what to build.
        tensorrt: what will build it.
        quantized: which layers have int8, for that precision.

    Raises:
        EngineError: the graph cannot be read.

    """
    path = bundle.graph_path(recipe.graph)
    title = f'{bundle.path}: {recipe.graph} {recipe.precision}'
    request = BuildRequest(title, path, tf32=recipe.tf32)
    if recipe.precision == 'fp32':
        return request
    if tensorrt.features.strong_typing:
        model = half_graph(bundle, recipe.graph, quantized)
        return replace(request, graph=model.SerializeToString(deterministic=True))
    if quantized is None:
        return replace(request, half=True, keep_fp32=lambda name: not runs_in_half(name))
    free = frozenset(quantized.layers)
    model = quantized_graph(bundle, quantized)
    return replace(
        request,
        graph=model.SerializeToString(deterministic=True),
        half=True,
        int8=True,
        keep_fp32=lambda name: (
            not (runs_in_half(name) or name in free or name.endswith(QUANTISERS))
        ),
    )
