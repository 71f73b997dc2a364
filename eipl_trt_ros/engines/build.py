# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Builds the engines of a bundle: each once, for this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.engines.calibrate import Calibration, QuantizedGraph
from eipl_trt_ros.engines.half import QUANTISERS, half_nodes, load_graph, runs_in_half, to_half
from eipl_trt_ros.engines.int8_options import Int8Options
from eipl_trt_ros.engines.machine import this_machine
from eipl_trt_ros.engines.manifest import Manifest, Recipe, make_recipe
from eipl_trt_ros.engines.probe import int8_operators
from eipl_trt_ros.engines.store import EngineStore, rebuild_command
from eipl_trt_ros.engines.tensorrt_api import BuildRequest, TensorRT, find_tensorrt
from eipl_trt_ros.errors import EngineError


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
        int8: how graphs are quantised; needed for that precision.

    """

    tf32: bool = False
    workspace_mib: int | None = None
    force: bool = False
    int8: Int8Options | None = None

    def words(self, recipe: Recipe) -> list[str]:
        """Give the command line's options that mean the same for a recipe."""
        words = ['--tf32'] if self.tf32 else []
        if self.workspace_mib is not None:
            words += ['--workspace', str(self.workspace_mib)]
        if recipe.precision == 'int8' and self.int8 is not None:
            words += self.int8.words
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
    if 'int8' in precisions and options.int8 is None:
        Int8Options(())  # which says what is missing, before anything is built
    tensorrt = find_tensorrt()
    builder = _Builder(bundle, options, tensorrt, progress or (lambda _: None))
    with builder.store.writing():
        return [builder.engine(graph, precision) for precision in precisions for graph in graphs]


class _Builder:
    """Builds the engines of one bundle; what they share is computed once."""

    def __init__(
        self,
        bundle: Bundle,
        options: BuildOptions,
        tensorrt: TensorRT,
        progress: Callable[[str], None],
    ) -> None:
        self.store = EngineStore(bundle)
        self._bundle = bundle
        self._options = options
        self._tensorrt = tensorrt
        self._tell = progress
        self._machine = this_machine(tensorrt)

    @cached_property
    def _calibration(self) -> Calibration:
        options = self._options.int8 or Int8Options(())
        return Calibration(self._bundle, options, self._tell)

    def engine(self, graph: str, precision: str) -> BuiltEngine:
        """Build an engine unless it is there."""
        recipe = make_recipe(
            self._bundle,
            graph,
            precision,
            self._machine,
            tf32=self._options.tf32,
            int8=self._calibration.recipe if precision == 'int8' else None,
        )
        there = None if self._options.force else self.store.built(recipe)
        if there is not None:
            return BuiltEngine(there, cached=True)
        return BuiltEngine(self._build(recipe), cached=False)

    def _build(self, recipe: Recipe) -> Manifest:
        begin = time.monotonic()
        quantized = None
        if recipe.precision == 'int8':
            quantized = self._calibration.quantize(recipe.graph)
        self._tell(f'building {recipe.graph} {recipe.precision}')
        known = self.store.timing_cache(recipe.machine)
        request = make_request(self._bundle, recipe, self._tensorrt, quantized)
        request = replace(request, workspace_mib=self._options.workspace_mib, timing_cache=known)
        try:
            result = self._tensorrt.build(request)
        except EngineError as error:
            if quantized is None:
                raise
            raise self._int8_failure(error) from None
        if result.timing_cache not in (b'', known):
            self.store.keep_timing_cache(recipe.machine, result.timing_cache)
        command = rebuild_command(
            self._bundle.path, recipe.graph, recipe.precision, *self._options.words(recipe)
        )
        return self.store.save(
            recipe,
            result.plan,
            command=command,
            seconds=time.monotonic() - begin,
            int8=None if quantized is None else quantized.report,
        )

    def _int8_failure(self, error: EngineError) -> EngineError:
        able = int8_operators(self._tensorrt)
        hint = 'it builds no layer in int8: use fp16'
        if able:
            hint = f'it builds in int8: {", ".join(able)}; leave it at these with '
            hint += f'--int8-operators {" ".join(able)}, or use fp16'
        return EngineError(f'{error}; {hint}')


def make_request(
    bundle: Bundle, recipe: Recipe, tensorrt: TensorRT, quantized: QuantizedGraph | None = None
) -> BuildRequest:
    """
    Put together what TensorRT shall build.

    Where networks can be strongly typed, precision is in the graph; where they cannot, it is left
    to the builder, with the layers that need fp32 held to it.

    Args:
        bundle: the model.
        recipe: what to build.
        tensorrt: what will build it.
        quantized: the graph with int8 in it, for that precision.

    Raises:
        EngineError: the graph cannot be read.

    """
    path = bundle.graph_path(recipe.graph)
    title = f'{bundle.path}: {recipe.graph} {recipe.precision}'
    request = BuildRequest(title, path, tf32=recipe.tf32)
    if recipe.precision == 'fp32':
        return request
    if tensorrt.features.strong_typing:
        model = load_graph(path) if quantized is None else quantized.model
        model = to_half(model, half_nodes(model))
        return replace(request, graph=model.SerializeToString(deterministic=True))
    if quantized is None:
        return replace(request, half=True, keep_fp32=lambda name: not runs_in_half(name))
    free = frozenset(quantized.layers)
    return replace(
        request,
        graph=quantized.model.SerializeToString(deterministic=True),
        half=True,
        int8=True,
        keep_fp32=lambda name: (
            not (runs_in_half(name) or name in free or name.endswith(QUANTISERS))
        ),
    )
