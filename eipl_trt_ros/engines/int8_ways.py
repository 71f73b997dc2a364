# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The two ways to int8: quantisers in the graph by a recipe, or TensorRT's own calibration."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import cached_property
from typing import Protocol

from eipl_trt_ros.backends.cuda import CudaDevice
from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.engines.calibrator import DeviceBatches
from eipl_trt_ros.engines.demonstrations import Demonstration, digest, read_demonstrations
from eipl_trt_ros.engines.half import load_graph, runs_in_half
from eipl_trt_ros.engines.int8_options import Int8Options
from eipl_trt_ros.engines.int8_recipe import GraphRecipe, Int8Recipe, only, read_recipe
from eipl_trt_ros.engines.manifest import Int8Report, Int8Source, Recipe
from eipl_trt_ros.engines.quantize import quantisable
from eipl_trt_ros.engines.requests import calibrated_request, make_request
from eipl_trt_ros.engines.rollout import calibration_frames
from eipl_trt_ros.engines.store import EngineStore
from eipl_trt_ros.engines.tensorrt_api import BuildRequest, TensorRT


class Int8Way(Protocol):
    """How the int8 engines of one bundle come about."""

    def source(self, graph: str) -> Int8Source:
        """Say what decides how a graph is quantised; raises EngineError if it cannot be."""

    def layers(self, graph: str) -> tuple[str, ...]:
        """Name the layers of a graph that shall run in int8, or may."""

    def report(self, graph: str) -> Int8Report:
        """Say what is quantised, and what is known of it."""

    def request(self, recipe: Recipe) -> contextlib.AbstractContextManager[BuildRequest]:
        """Put together what TensorRT shall build, while the block lasts."""


class Explicit:
    """Quantisers in the graph, by the recipe of the bundle; works wherever layers can be built."""

    def __init__(self, bundle: Bundle, options: Int8Options, tensorrt: TensorRT) -> None:
        self._bundle = bundle
        self._options = options
        self._tensorrt = tensorrt

    @cached_property
    def _recipe(self) -> Int8Recipe:
        return read_recipe(self._bundle)

    def _quantized(self, graph: str) -> GraphRecipe:
        found = self._recipe.of(self._bundle, graph)
        model = load_graph(self._bundle.graph_path(graph, 'int8'))
        return only(found, quantisable(model, self._options.operators))

    def source(self, graph: str) -> Int8Source:
        """See `Int8Way`."""
        digest_of = self._quantized(graph).digest
        return Int8Source('explicit', digest_of, self._recipe.calibration.sha256)

    def layers(self, graph: str) -> tuple[str, ...]:
        """See `Int8Way`."""
        return self._quantized(graph).layers

    def report(self, graph: str) -> Int8Report:
        """See `Int8Way`."""
        calibration, found = self._recipe.calibration, self._quantized(graph)
        return Int8Report(
            found.layers,
            found.candidates,
            calibration.demonstrations,
            calibration.frames,
            found.rate,
            found.grey_levels,
            found.shares,
        )

    @contextlib.contextmanager
    def request(self, recipe: Recipe) -> Iterator[BuildRequest]:
        """See `Int8Way`."""
        quantized = self._quantized(recipe.graph)
        yield make_request(self._bundle, recipe, self._tensorrt, quantized)


class Calibrated:
    """
    TensorRT's entropy calibrator on the GPU, the way of the paper; TensorRT 8.5 to 10 have it.

    Args:
        bundle: the model.
        options: with demonstrations.
        tensorrt: what will build.
        store: keeps what a calibration found, for the next.

    Raises:
        EngineError: this version has no calibrators.
        BagError: the demonstrations cannot be read.

    """

    def __init__(
        self, bundle: Bundle, options: Int8Options, tensorrt: TensorRT, store: EngineStore
    ) -> None:
        tensorrt.check_calibrators(f'{bundle.path}: int8')
        self._bundle = bundle
        self._tensorrt = tensorrt
        self._operators = options.operators
        self._store = store
        self._demonstrations: list[Demonstration] = []
        for path in options.demonstrations:
            self._demonstrations += read_demonstrations(path, bundle)

    def source(self, graph: str) -> Int8Source:
        """See `Int8Way`; the same for every graph."""
        self._bundle.graph_path(graph, 'int8')
        return Int8Source('calibrated', '', digest(self._demonstrations))

    def layers(self, graph: str) -> tuple[str, ...]:
        """See `Int8Way`."""
        model = load_graph(self._bundle.graph_path(graph, 'int8'))
        return tuple(name for name in quantisable(model, self._operators) if runs_in_half(name))

    def report(self, graph: str) -> Int8Report:
        """See `Int8Way`; what it costs in accuracy is not measured."""
        model = load_graph(self._bundle.graph_path(graph, 'int8'))
        frames = sum(len(one) for one in self._demonstrations)
        candidates = len(quantisable(model, self._operators))
        return Int8Report(self.layers(graph), candidates, len(self._demonstrations), frames)

    @contextlib.contextmanager
    def request(self, recipe: Recipe) -> Iterator[BuildRequest]:
        """See `Int8Way`."""
        device = CudaDevice()
        try:
            batches = DeviceBatches(
                device,
                self._bundle.model.graph_inputs(recipe.graph),
                calibration_frames(self._bundle, recipe.graph, self._demonstrations),
                self._store.calibration_cache(recipe),
                lambda found: self._store.keep_calibration_cache(recipe, found),
            )
            yield calibrated_request(self._bundle, recipe, self._tensorrt, batches)
        finally:
            device.close()
