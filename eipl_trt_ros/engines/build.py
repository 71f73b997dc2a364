# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Builds the engines of a bundle: each once, for this machine."""

from __future__ import annotations

import logging
import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.engines.gpu import find_gpu
from eipl_trt_ros.engines.half import half_nodes, load_graph, runs_in_half, to_half
from eipl_trt_ros.engines.manifest import Machine, Manifest, Recipe, make_recipe
from eipl_trt_ros.engines.store import EngineStore, rebuild_command
from eipl_trt_ros.engines.tensorrt_api import BuildRequest, TensorRT, find_tensorrt
from eipl_trt_ros.files import atomic_write

PRECISIONS = ('fp32', 'fp16')

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

    """

    tf32: bool = False
    workspace_mib: int | None = None
    force: bool = False

    @property
    def words(self) -> list[str]:
        """The command line's options that mean the same."""
        words = ['--tf32'] if self.tf32 else []
        if self.workspace_mib is not None:
            words.append(f'--workspace {self.workspace_mib}')
        return words


@dataclass(frozen=True)
class BuiltEngine:
    """An engine of a bundle, and whether it was there before."""

    manifest: Manifest
    cached: bool


def this_machine(tensorrt: TensorRT | None = None) -> Machine:
    """
    Tell what builds and runs engines here.

    Raises:
        MissingPackageError: there is no TensorRT.
        EngineError: it cannot be loaded.

    """
    found = tensorrt or find_tensorrt()
    return Machine(found.flavour, found.version, find_gpu())


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
        precisions: some of `PRECISIONS`.
        graphs: some of ``eipl_trt_ros.spec.GRAPHS``.
        options: how.
        progress: called with the title of each engine before it is built.

    Returns:
        The engines, in the order of precisions, then graphs.

    Raises:
        EngineError: an engine cannot be built or written; those before it are kept.
        BundleError: the bundle lacks a graph.
        MissingPackageError: a package is missing.

    """
    tensorrt = find_tensorrt()
    machine = this_machine(tensorrt)
    store = EngineStore(bundle)
    engines = []
    with store.writing():
        for precision in precisions:
            for graph in graphs:
                recipe = make_recipe(bundle, graph, precision, machine, tf32=options.tf32)
                there = None if options.force else store.built(recipe)
                if there is not None:
                    engines.append(BuiltEngine(there, cached=True))
                    continue
                if progress is not None:
                    progress(f'{graph} {precision}')
                manifest = _build(store, bundle, recipe, options, tensorrt)
                engines.append(BuiltEngine(manifest, cached=False))
    return engines


def _build(
    store: EngineStore,
    bundle: Bundle,
    recipe: Recipe,
    options: BuildOptions,
    tensorrt: TensorRT,
) -> Manifest:
    begin = time.monotonic()
    timings = store.timing_cache(recipe.machine)
    known = timings.read_bytes() if timings.is_file() else b''
    request = make_request(bundle, recipe, options, tensorrt, known)
    result = tensorrt.build(request)
    if result.timing_cache and result.timing_cache != known:
        with atomic_write(timings) as file:
            file.write(result.timing_cache)
    command = rebuild_command(
        Path(shlex.quote(str(bundle.path))), recipe.graph, recipe.precision, *options.words
    )
    manifest = store.save(recipe, result.plan, command=command, seconds=time.monotonic() - begin)
    _log.info('%s: %s %s, %d bytes', bundle.path, recipe.graph, recipe.precision, manifest.bytes)
    return manifest


def make_request(
    bundle: Bundle,
    recipe: Recipe,
    options: BuildOptions,
    tensorrt: TensorRT,
    timing_cache: bytes = b'',
) -> BuildRequest:
    """
    Put together what TensorRT shall build.

    Where networks can be strongly typed, precision is in the graph; where they cannot, it is left
    to the builder, with the layers that need fp32 held to it.

    Raises:
        EngineError: this TensorRT cannot build the precision.

    """
    path = bundle.graph_path(recipe.graph)
    request = BuildRequest(
        f'{bundle.path}: {recipe.graph} {recipe.precision}',
        path,
        tf32=options.tf32,
        workspace_mib=options.workspace_mib,
        timing_cache=timing_cache,
    )
    if recipe.precision == 'fp32':
        return request
    if tensorrt.features.strong_typing:
        model = load_graph(path)
        model = to_half(model, half_nodes(model))
        return replace(request, graph=model.SerializeToString(deterministic=True))
    return replace(request, half=True, keep_fp32=lambda name: not runs_in_half(name))
