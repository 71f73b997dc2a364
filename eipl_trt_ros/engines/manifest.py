# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What is known of an engine: a JSON file beside its plan, which decides whether it may run."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from eipl_trt_ros.bundle import WEIGHTS_NAME, Bundle
from eipl_trt_ros.documents import read_json
from eipl_trt_ros.engines.inspector import Inspection
from eipl_trt_ros.engines.int8_recipe import REWRITE, LayerShare
from eipl_trt_ros.engines.machine import Machine
from eipl_trt_ros.errors import BundleError, EngineError
from eipl_trt_ros.files import atomic_write
from eipl_trt_ros.records import read_record, write_record

FORMAT = 2


@dataclass(frozen=True)
class Int8Source:
    """
    What decides how an int8 engine is quantised.

    Attributes:
        way: ``explicit`` or ``calibrated``, see ``Int8Options``.
        recipe_sha256: of which layers are quantised and how; empty where TensorRT finds that out.
        calibration_sha256: of the demonstrations.

    """

    way: str
    recipe_sha256: str
    calibration_sha256: str


@dataclass(frozen=True)
class Int8Report:
    """
    What became of a graph that was quantised.

    Attributes:
        layers: names of the nodes that run in int8, or may where TensorRT chooses.
        candidates: how many could have.
        demonstrations, frames: how much it was calibrated with.
        rate: joint error to expect, over that of fp32; None for image graphs, and where
            that was not measured: for some of a recipe's layers, and TensorRT's own choice.
        grey_levels: mean difference from fp32's image; likewise.
        shares: what each layer of a motion graph costs alone, the most harmful first.

    """

    layers: tuple[str, ...]
    candidates: int
    demonstrations: int
    frames: int
    rate: float | None = None
    grey_levels: float | None = None
    shares: tuple[LayerShare, ...] = ()


@dataclass(frozen=True)
class Recipe:
    """
    Everything that decides what a plan is: equal recipes, equal engines.

    Attributes:
        graph: which of the bundle's graphs.
        precision: ``fp32``, ``fp16`` or ``int8``.
        graph_sha256, weights_sha256: of the files that it was made from.
        rewrite: how graphs are rewritten, see `REWRITE`.
        machine: what it was built by and for.
        tf32: whether fp32 products may be rounded to TF32.
        int8: how it is quantised; None for other precisions.

    """

    graph: str
    precision: str
    graph_sha256: str
    weights_sha256: str
    rewrite: int
    machine: Machine
    tf32: bool
    int8: Int8Source | None = None

    @property
    def key(self) -> str:
        """Sixteen hexadecimal digits, equal for equal recipes only."""
        text = json.dumps(write_record(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Manifest:
    """
    An engine that was built.

    Attributes:
        format: of this file.
        recipe: what it was built from.
        command: the command line that builds it again.
        plan: name of the plan's file, beside the manifest.
        sha256, bytes: of the plan.
        built: when, UTC, ISO 8601.
        seconds: how long the build took.
        int8: what was quantised; None for other precisions.
        inspection: which precision and format each layer got; None where that is unknown, as
            after a build without a GPU.
        microseconds: what the engine takes on its GPU, copies left out; None where unknown.
        verdict: for a motion engine, whether ``precision: auto`` took it when it was built, and
            why; empty where that was left to the node.

    """

    format: int
    recipe: Recipe
    command: str
    plan: str
    sha256: str
    bytes: int
    built: str
    seconds: float
    int8: Int8Report | None = None
    inspection: Inspection | None = None
    microseconds: float | None = None
    verdict: str = ''


def make_recipe(
    bundle: Bundle,
    graph: str,
    precision: str,
    machine: Machine,
    *,
    tf32: bool = False,
    int8: Int8Source | None = None,
) -> Recipe:
    """
    Write down what an engine of a bundle's graph would be made from now.

    Raises:
        BundleError: the bundle has no such graph.

    """
    files = bundle.files
    return Recipe(
        graph,
        precision,
        files[bundle.graph_path(graph, precision).name].sha256,
        files[WEIGHTS_NAME].sha256,
        REWRITE,
        machine,
        tf32,
        int8,
    )


def write_manifest(manifest: Manifest, path: Path) -> None:
    """Write a manifest, whole or not at all."""
    with atomic_write(path) as file:
        file.write(json.dumps(write_record(manifest), indent=2).encode() + b'\n')


def read_manifest(path: Path) -> Manifest:
    """
    Read a manifest.

    Raises:
        EngineError: it is damaged, or from another version of this program.

    """
    try:
        data = read_json(path)
        if isinstance(data, dict) and data.get('format') != FORMAT:
            msg = f'its format is {data.get("format")!r}, this version reads {FORMAT}'
            raise BundleError(msg)
        manifest: Manifest = read_record(Manifest, data, 'manifest')
    except (OSError, ValueError, BundleError) as error:
        msg = f'{path} cannot be read as the manifest of an engine: {error}'
        raise EngineError(msg) from None
    if Path(manifest.plan).name != manifest.plan:
        msg = f'{path} names the plan {manifest.plan!r}, expected a plain name beside it'
        raise EngineError(msg)
    return manifest


def differences(recipe: Recipe, bundle: Bundle, machine: Machine) -> list[str]:
    """
    Tell why an engine must not run for a bundle on a machine.

    An engine that was built without a GPU is for whatever GPU its TensorRT accepts.

    Returns:
        One clause for each reason; none if it may run.

    """
    wanted = make_recipe(bundle, recipe.graph, recipe.precision, machine)
    built = recipe.machine
    reasons = []
    if (built.tensorrt, built.version) != (machine.tensorrt, machine.version):
        reasons.append(
            f'it was built by {built.tensorrt} {built.version}, '
            f'here is {machine.tensorrt} {machine.version}'
        )
    if built.gpu is not None and built.gpu != machine.gpu:
        reasons.append(f'it was built for {built.gpu}, here is {machine.gpu or "no GPU"}')
    if recipe.graph_sha256 != wanted.graph_sha256:
        reasons.append(f'{recipe.graph}.onnx has changed since it was built')
    if recipe.weights_sha256 != wanted.weights_sha256:
        reasons.append(f'{WEIGHTS_NAME} has changed since it was built')
    if recipe.rewrite != wanted.rewrite:
        reasons.append('it was built by a version of this program that rewrote graphs otherwise')
    return reasons
