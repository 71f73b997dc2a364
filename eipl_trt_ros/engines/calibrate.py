# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Quantises the graphs of a bundle by demonstrations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import onnx

from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.engines.demonstrations import Demonstration, digest, read_demonstrations
from eipl_trt_ros.engines.half import load_graph
from eipl_trt_ros.engines.int8_options import Int8Options
from eipl_trt_ros.engines.manifest import Int8Recipe, Int8Report
from eipl_trt_ros.engines.quantize import inputs_of, quantisable, quantize
from eipl_trt_ros.engines.ranges import measure_ranges
from eipl_trt_ros.engines.sensitivity import Selection, select_image_layers, select_layers


@dataclass(frozen=True)
class QuantizedGraph:
    """A graph with int8 in it, the names of the layers that have it, and a report."""

    model: onnx.ModelProto
    layers: tuple[str, ...]
    report: Int8Report


class Calibration:
    """
    Quantises the graphs of one bundle; what they share is computed once.

    Args:
        bundle: the model.
        options: how.
        progress: called with what is done next.

    Raises:
        BagError: the demonstrations cannot be read.

    """

    def __init__(
        self, bundle: Bundle, options: Int8Options, progress: Callable[[str], None] | None = None
    ) -> None:
        self._bundle = bundle
        self._options = options
        self._tell = progress or (lambda _: None)
        self._tell('reading demonstrations')
        self._demonstrations: list[Demonstration] = []
        for path in options.demonstrations:
            self._demonstrations += read_demonstrations(path, bundle)
        self.recipe = Int8Recipe(
            options.method,
            digest(self._demonstrations),
            options.operators,
            options.budget,
            options.image_budget,
        )

    def quantize(self, graph: str) -> QuantizedGraph:
        """
        Quantise a graph.

        In int8 are those layers that the budgets allow, the same in a graph that mixes.

        Raises:
            EngineError: a graph cannot be read or run.

        """
        model = load_graph(self._bundle.graph_path(graph))
        candidates = quantisable(model, self._options.operators)
        motion = graph.startswith('motion')
        selection = self._motion if motion else self._image
        report = Int8Report(
            layers=selection.layers,
            candidates=len(candidates),
            demonstrations=len(self._demonstrations),
            frames=sum(len(one) for one in self._demonstrations),
            rate=selection.harm if motion else None,
            grey_levels=None if motion else selection.harm,
            shares=selection.shares,
        )
        thresholds = self._thresholds(graph, model, selection.layers)
        return QuantizedGraph(
            quantize(model, thresholds, selection.layers), selection.layers, report
        )

    @cached_property
    def _motion(self) -> Selection:
        return select_layers(
            *self._question('motion'), budget=self._options.budget, progress=self._tell
        )

    @cached_property
    def _image(self) -> Selection:
        return select_image_layers(
            *self._question('image'), budget=self._options.image_budget, progress=self._tell
        )

    def _question(
        self, graph: str
    ) -> tuple[Bundle, onnx.ModelProto, dict[str, float], list[str], list[Demonstration]]:
        """Put together what the layers of a graph are chosen by."""
        model = load_graph(self._bundle.graph_path(graph))
        candidates = quantisable(model, self._options.operators)
        thresholds = self._thresholds(graph, model, candidates)
        return self._bundle, model, thresholds, candidates, self._demonstrations

    def _thresholds(
        self, graph: str, model: onnx.ModelProto, layers: Sequence[str]
    ) -> dict[str, float]:
        self._tell(f'ranges inside the {graph} graph')
        values = inputs_of(model, layers)
        ranges = measure_ranges(self._bundle, graph, self._demonstrations, values)
        return {name: seen.threshold(self._options.method) for name, seen in ranges.items()}
