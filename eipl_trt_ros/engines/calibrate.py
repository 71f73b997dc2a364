# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Finds out, by demonstrations, how the graphs of a bundle become int8."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property

import onnx

from eipl_trt_ros.bundle import WEIGHTS_NAME, Bundle
from eipl_trt_ros.engines.accuracy import joint_accuracy
from eipl_trt_ros.engines.demonstrations import Demonstration, digest, read_demonstrations
from eipl_trt_ros.engines.half import load_graph
from eipl_trt_ros.engines.int8_options import Int8Options
from eipl_trt_ros.engines.int8_recipe import (
    FORMAT,
    RECIPE_NAME,
    REWRITE,
    GraphRecipe,
    Int8Recipe,
    Provenance,
    Threshold,
    read_recipe,
    unwritable,
    write_recipe,
)
from eipl_trt_ros.engines.quantize import inputs_of, quantisable
from eipl_trt_ros.engines.ranges import measure_ranges
from eipl_trt_ros.engines.rewrite import half_graph
from eipl_trt_ros.engines.sensitivity import (
    Question,
    Selection,
    select_image_layers,
    select_layers,
)
from eipl_trt_ros.errors import EngineError
from eipl_trt_ros.spec import GRAPHS

Tell = Callable[[str], None]


def calibrate(bundle: Bundle, options: Int8Options, progress: Tell | None = None) -> Bundle:
    """
    Put an int8 recipe into a bundle; nothing is done where it has that very one.

    Args:
        bundle: the model, with its graphs.
        options: how, with demonstrations.
        progress: called with what is done next.

    Returns:
        The bundle with its recipe.

    Raises:
        BagError: the demonstrations cannot be read.
        EngineError: a graph cannot be read or run, or the bundle cannot be written.

    """
    _check_writable(bundle)  # before minutes of work
    tell = progress or (lambda _: None)
    tell('reading demonstrations')
    demonstrations: list[Demonstration] = []
    for path in options.demonstrations:
        demonstrations += read_demonstrations(path, bundle)
    calibration = _Calibration(bundle, options, demonstrations, tell)
    if calibration.is_there():
        return bundle
    return write_recipe(bundle, calibration.recipe())


class _Calibration:
    """Quantises the graphs of one bundle; what they share is computed once."""

    def __init__(
        self,
        bundle: Bundle,
        options: Int8Options,
        demonstrations: Sequence[Demonstration],
        tell: Tell,
    ) -> None:
        self._bundle = bundle
        self._options = options
        self._demonstrations = demonstrations
        self._tell = tell
        self._graphs = [graph for graph in GRAPHS if f'{graph}.onnx' in bundle.files]
        self._frame = Int8Recipe(
            FORMAT,
            REWRITE,
            bundle.files[WEIGHTS_NAME].sha256,
            Provenance(
                ' '.join(str(path) for path in options.demonstrations),
                digest(demonstrations),
                len(demonstrations),
                sum(len(one) for one in demonstrations),
            ),
            options.method,
            options.operators,
            options.budget,
            options.image_budget,
            (),
        )

    def is_there(self) -> bool:
        """Tell whether the bundle has the recipe that `recipe` would make."""
        if RECIPE_NAME not in self._bundle.files:
            return False
        try:
            there = read_recipe(self._bundle)
            for graph in self._graphs:
                there.of(self._bundle, graph)
        except EngineError:
            return False
        return there.same_question(self._frame)

    def recipe(self) -> Int8Recipe:
        """Quantise every graph of the bundle."""
        graphs = tuple(self._graph(graph) for graph in self._graphs)
        return replace(self._frame, graphs=graphs, half_rate=self._half_rate())

    def _half_rate(self) -> float:
        self._tell('the joint error of fp16')
        exact = joint_accuracy(self._bundle, self._demonstrations)
        half = half_graph(self._bundle, 'motion')
        return joint_accuracy(self._bundle, self._demonstrations, half).expected_rate(exact)

    def _graph(self, graph: str) -> GraphRecipe:
        """In int8 are those layers that the budgets allow, the same in a graph that mixes."""
        path = self._bundle.graph_path(graph, 'int8')
        model = load_graph(path)
        motion = graph.startswith('motion')
        selection = self._motion if motion else self._image
        thresholds = self._thresholds(graph, model, selection.layers)
        return GraphRecipe(
            graph,
            self._bundle.files[path.name].sha256,
            selection.layers,
            len(quantisable(model, self._options.operators)),
            tuple(Threshold(value, highest) for value, highest in thresholds.items()),
            rate=selection.harm if motion else None,
            grey_levels=None if motion else selection.harm,
            shares=selection.shares,
        )

    @cached_property
    def _motion(self) -> Selection:
        return select_layers(self._question('motion'), budget=self._options.budget)

    @cached_property
    def _image(self) -> Selection:
        return select_image_layers(self._question('image'), budget=self._options.image_budget)

    def _question(self, graph: str) -> Question:
        """Put together what the layers of a graph are chosen by."""
        model = load_graph(self._bundle.graph_path(graph, 'int8'))
        candidates = quantisable(model, self._options.operators)
        thresholds = self._thresholds(graph, model, candidates)
        return Question(
            self._bundle, model, thresholds, candidates, self._demonstrations, self._tell
        )

    def _thresholds(
        self, graph: str, model: onnx.ModelProto, layers: Sequence[str]
    ) -> dict[str, float]:
        self._tell(f'ranges inside the {graph} graph')
        values = inputs_of(model, layers)
        ranges = measure_ranges(self._bundle, graph, self._demonstrations, values)
        return {name: seen.threshold(self._options.method) for name, seen in ranges.items()}


def _check_writable(bundle: Bundle) -> None:
    try:
        with tempfile.TemporaryFile(dir=bundle.path):
            pass
    except OSError as error:
        raise unwritable(bundle, error) from None
