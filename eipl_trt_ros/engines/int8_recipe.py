# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
The file ``int8.json`` of a bundle: how its graphs become int8, so that this is found out once.

It says which layers run in int8 and where the values that they take are cut off, what it was
calibrated with, and which error was reached. It belongs to the bundle's files, with a checksum in
``bundle.yaml``; so a bundle that has it runs in int8 wherever it is copied to.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass, replace

from eipl_trt_ros.bundle import WEIGHTS_NAME, Bundle, load_bundle, write_bundle
from eipl_trt_ros.documents import read_json
from eipl_trt_ros.errors import BundleError, EngineError
from eipl_trt_ros.files import atomic_write
from eipl_trt_ros.records import read_record, write_record

RECIPE_NAME = 'int8.json'
FORMAT = 1
# Raised when a graph is rewritten in another way than before: engines of old are then built anew,
# and calibrating measures anew.
REWRITE = 2


@dataclass(frozen=True)
class LayerShare:
    """
    What int8 in one layer alone costs.

    Attributes:
        layer: name of the node.
        rate: joint error with int8 in this layer, over that of fp32.
        deviation: mean squared difference of the joints from fp32's, normalised units.

    """

    layer: str
    rate: float
    deviation: float


@dataclass(frozen=True)
class Threshold:
    """Where int8 cuts a value off: ``highest`` becomes 127."""

    value: str
    highest: float


@dataclass(frozen=True)
class GraphRecipe:
    """
    How one graph becomes int8.

    Attributes:
        graph: which one.
        graph_sha256: of its file.
        layers: names of the nodes that run in int8, in the order of the graph.
        candidates: how many could have.
        thresholds: of the values that the layers take.
        rate: joint error to expect, over that of fp32; None for image graphs.
        grey_levels: mean difference from fp32's image; None for motion graphs.
        shares: what each layer of a motion graph costs alone, the most harmful first.

    """

    graph: str
    graph_sha256: str
    layers: tuple[str, ...]
    candidates: int
    thresholds: tuple[Threshold, ...]
    rate: float | None = None
    grey_levels: float | None = None
    shares: tuple[LayerShare, ...] = ()

    @property
    def highest(self) -> dict[str, float]:
        """The thresholds by the name of the value."""
        return {one.value: one.highest for one in self.thresholds}

    @property
    def digest(self) -> str:
        """SHA-256 of everything in it."""
        text = json.dumps(write_record(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Provenance:
    """
    What a recipe was calibrated with.

    Attributes:
        source: where the demonstrations lay, as they were named; for people.
        sha256: of the demonstrations.
        demonstrations, frames: how many.

    """

    source: str
    sha256: str
    demonstrations: int
    frames: int


@dataclass(frozen=True)
class Int8Recipe:
    """
    How the graphs of a bundle become int8.

    Attributes:
        format: of this file.
        rewrite: how graphs were rewritten when it was made, see `REWRITE`.
        weights_sha256: of the weights that it was made with.
        calibration: what it was calibrated with.
        method: how ranges were cut off.
        operators: the ONNX operators that could be quantised.
        budget: highest joint error, as a multiple of fp32's; layers were left out until it was
            met.
        image_budget: highest mean difference from fp32's image, in grey levels; likewise.
        graphs: one for each graph of the bundle.
        half_rate: joint error to expect of fp16, with int8 in no layer, over that of fp32.

    """

    format: int
    rewrite: int
    weights_sha256: str
    calibration: Provenance
    method: str
    operators: tuple[str, ...]
    budget: float
    image_budget: float
    graphs: tuple[GraphRecipe, ...]
    half_rate: float | None = None

    def of(self, bundle: Bundle, graph: str) -> GraphRecipe:
        """
        Return the part for one graph.

        Raises:
            EngineError: it was made from other files than those of the bundle.

        """
        for name, sha256 in self._made_from(bundle, graph).items():
            if bundle.files[name].sha256 != sha256:
                msg = (
                    f'{bundle.path / RECIPE_NAME} was made for another {name} than the '
                    f"bundle's; make it anew with: {recipe_command(bundle)}"
                )
                raise EngineError(msg)
        return next(one for one in self.graphs if one.graph == graph)

    def same_question(self, other: Int8Recipe) -> bool:
        """Tell whether another was made from the same, whatever came out."""
        nowhere = replace(self.calibration, source=other.calibration.source)
        same = replace(self, graphs=other.graphs, half_rate=other.half_rate)
        return replace(same, calibration=nowhere) == other

    def _made_from(self, bundle: Bundle, graph: str) -> dict[str, str]:
        graphs = {one.graph: one.graph_sha256 for one in self.graphs}
        name = bundle.graph_path(graph, 'int8').name
        return {WEIGHTS_NAME: self.weights_sha256, name: graphs.get(graph, '')}


def recipe_command(bundle: Bundle) -> str:
    """Give the command line that makes a bundle's recipe."""
    return f'eipl_trt precision {bundle.path} --calibration DEMONSTRATIONS'


def read_recipe(bundle: Bundle) -> Int8Recipe:
    """
    Read the recipe of a bundle.

    Raises:
        EngineError: the bundle has none, or it cannot be read.

    """
    path = bundle.path / RECIPE_NAME
    if RECIPE_NAME not in bundle.files:
        msg = (
            f'int8 needs {RECIPE_NAME}, which bundle {bundle.path} has not: calibrate it, with '
            f'demonstrations of its training, by: {recipe_command(bundle)}'
        )
        raise EngineError(msg)
    try:
        data = read_json(path)
        if isinstance(data, dict) and data.get('format') != FORMAT:
            msg = f'its format is {data.get("format")!r}, this version reads {FORMAT}'
            raise BundleError(msg)
        recipe: Int8Recipe = read_record(Int8Recipe, data, 'int8')
    except (OSError, ValueError, BundleError) as error:
        msg = f'{path} cannot be read: {error}; make it anew with: {recipe_command(bundle)}'
        raise EngineError(msg) from None
    return recipe


def write_recipe(bundle: Bundle, recipe: Int8Recipe) -> Bundle:
    """
    Put a recipe into a bundle, in the place of the one that it has.

    An old recipe leaves the bundle's list of files before it is replaced, so that a kill at any
    moment leaves a bundle that is whole: with the old recipe, with none, or with the new one.

    Returns:
        The bundle with the new checksums.

    Raises:
        EngineError: the bundle cannot be written.

    """
    names = [name for name in bundle.files if name != RECIPE_NAME]
    text = json.dumps(write_record(recipe), indent=1) + '\n'
    try:
        if RECIPE_NAME in bundle.files:
            write_bundle(bundle, names)
        with atomic_write(bundle.path / RECIPE_NAME) as file:
            file.write(text.encode())
        return write_bundle(load_bundle(bundle.path), [*names, RECIPE_NAME])
    except OSError as error:
        raise unwritable(bundle, error) from None


def unwritable(bundle: Bundle, error: OSError) -> EngineError:
    """Say that a bundle cannot be written, and what to do."""
    return EngineError(
        f'{bundle.path} cannot be written ({error.strerror}): copy the bundle to a folder of your '
        'own and work there'
    )


def only(recipe: GraphRecipe, layers: Collection[str]) -> GraphRecipe:
    """Restrict a recipe to some layers; what these reach together was not measured."""
    if set(recipe.layers) <= set(layers):
        return recipe
    kept = tuple(layer for layer in recipe.layers if layer in layers)
    return replace(recipe, layers=kept, rate=None, grey_levels=None)
