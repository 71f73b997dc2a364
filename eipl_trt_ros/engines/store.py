# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
The folder ``engines`` of a bundle: plans with their manifests, and nothing half-written.

A plan counts only with its manifest, which is written last; so a build that is killed leaves
either the whole engine or something that is never loaded and cleared away by the next build.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import hashlib
import shlex
from collections.abc import Iterator
from pathlib import Path

from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.engines.inspector import Inspection
from eipl_trt_ros.engines.kernels import SUFFIX as KERNELS
from eipl_trt_ros.engines.machine import Machine
from eipl_trt_ros.engines.manifest import (
    FORMAT,
    Int8Report,
    Manifest,
    Recipe,
    differences,
    read_manifest,
    write_manifest,
)
from eipl_trt_ros.errors import EngineError
from eipl_trt_ros.files import atomic_write, sha256_of

FOLDER = 'engines'


class EngineStore:
    """
    The engines of one bundle.

    Args:
        bundle: the bundle.

    """

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self.path = bundle.path / FOLDER

    def manifests(self) -> list[Manifest]:
        """List the engines, the newest first; damaged manifests are left out."""
        found = []
        for path in self.path.glob('*.json'):
            with contextlib.suppress(EngineError):
                found.append(read_manifest(path))
        return sorted(found, key=lambda manifest: manifest.built, reverse=True)

    def built(self, recipe: Recipe) -> Manifest | None:
        """Return the engine of a recipe if it was built already and is whole."""
        try:
            manifest = read_manifest(self._manifest_path(recipe))
        except EngineError:
            return None
        plan = self.path / manifest.plan
        whole = plan.is_file() and sha256_of(plan) == manifest.sha256
        return manifest if whole and manifest.recipe == recipe else None

    def load(self, graph: str, precision: str, machine: Machine) -> tuple[Manifest, bytes]:
        """
        Read the engine of a graph for this machine.

        Args:
            graph: one of the bundle's graphs.
            precision: ``fp32``, ``fp16`` or ``int8``.
            machine: what it shall run on.

        Returns:
            Its manifest, and the plan that belongs to it.

        Raises:
            EngineError: there is none, or it is damaged or made for something else; the text
                ends with the command that builds it.

        """
        engines = [
            manifest
            for manifest in self.manifests()
            if (manifest.recipe.graph, manifest.recipe.precision) == (graph, precision)
        ]
        what = f'{precision} engine of the {graph} graph of {self._bundle.path}'
        if not engines:
            command = rebuild_command(self._bundle.path, graph, precision)
            msg = f'there is no {what}; build it with: {command}'
            raise EngineError(msg)
        refusals = []
        for manifest in engines:
            reasons = differences(manifest.recipe, self._bundle, machine)
            if not reasons:
                return manifest, self._read_plan(manifest, what)
            refusals.append(' and '.join(reasons))
        msg = f'the {what} does not fit: {refusals[0]}; build it anew with: {engines[0].command}'
        raise EngineError(msg)

    def _read_plan(self, manifest: Manifest, what: str) -> bytes:
        path = self.path / manifest.plan
        try:
            plan = path.read_bytes()
        except OSError as error:
            reason = f'{path} cannot be read ({error.strerror})'
        else:
            if len(plan) != manifest.bytes:
                reason = f'{path} has {len(plan)} bytes, its manifest says {manifest.bytes}'
            elif hashlib.sha256(plan).hexdigest() != manifest.sha256:
                reason = f'{path} was changed since it was built'
            else:
                return plan
        msg = f'the {what} is damaged: {reason}; build it anew with: {manifest.command} --force'
        raise EngineError(msg)

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """
        Hold the folder for a build, and clear away what a killed one has left.

        Raises:
            EngineError: the folder cannot be written, or another build holds it.

        """
        try:
            self.path.mkdir(exist_ok=True)
            lock = (self.path / '.lock').open('w')
        except OSError as error:
            msg = (
                f'{self.path} cannot be written ({error.strerror}): copy the bundle to a '
                'folder of your own and build there'
            )
            raise EngineError(msg) from None
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                msg = f'another build is writing to {self.path}: wait for it, or end it'
                raise EngineError(msg) from None
            self._clear()
            yield

    def _clear(self) -> None:
        """Remove what belongs to no engine: half-written files, plans without a manifest."""
        plans = {manifest.plan for manifest in self.manifests()}
        for path in self.path.iterdir():
            unfinished = path.name.startswith('.') and path.name != '.lock'
            plan = path.name.removesuffix(KERNELS)
            if unfinished or (plan.endswith('.plan') and plan not in plans):
                path.unlink()

    def save(
        self,
        recipe: Recipe,
        plan: bytes,
        *,
        command: str,
        seconds: float,
        int8: Int8Report | None = None,
        inspection: Inspection | None = None,
    ) -> Manifest:
        """
        Keep an engine; those of the same graph, precision and machine that it replaces go.

        Args:
            recipe: what it was built from.
            plan: the engine.
            command: the command line that builds it again.
            seconds: how long the build took.
            int8: what was quantised.
            inspection: what became of each layer, where that is known.

        Raises:
            EngineError: it cannot be written.

        """
        name = f'{self._name(recipe)}.plan'
        now = dt.datetime.now(dt.timezone.utc).isoformat(timespec='seconds')
        manifest = Manifest(
            FORMAT,
            recipe,
            command,
            name,
            hashlib.sha256(plan).hexdigest(),
            len(plan),
            now,
            round(seconds, 3),
            int8,
            inspection,
        )
        replaced = [old for old in self.manifests() if _replaces(recipe, old.recipe)]
        try:
            for old in replaced:
                self._manifest_path(old.recipe).unlink(missing_ok=True)
            with atomic_write(self.path / name) as file:
                file.write(plan)
            write_manifest(manifest, self._manifest_path(recipe))
            for old in replaced:
                if old.plan != name:
                    (self.path / old.plan).unlink(missing_ok=True)
                    self._calibration_path(old.recipe).unlink(missing_ok=True)
                    (self.path / (old.plan + KERNELS)).unlink(missing_ok=True)
        except OSError as error:
            msg = f'{self.path / name} cannot be written: {error.strerror}'
            raise EngineError(msg) from None
        return manifest

    def update(self, manifest: Manifest) -> Manifest:
        """
        Write what was found out of an engine since it was saved.

        Raises:
            EngineError: it cannot be written.

        """
        path = self._manifest_path(manifest.recipe)
        try:
            if read_manifest(path) != manifest:
                write_manifest(manifest, path)
        except OSError as error:
            msg = f'{path} cannot be written: {error.strerror}'
            raise EngineError(msg) from None
        return manifest

    def timing_cache(self, machine: Machine) -> bytes:
        """Return what earlier builds learnt of kernels on a machine; empty at first."""
        path = self._timing_path(machine)
        return path.read_bytes() if path.is_file() else b''

    def keep_timing_cache(self, machine: Machine, timings: bytes) -> None:
        """
        Keep what was learnt of kernels for the next build.

        Raises:
            EngineError: it cannot be written.

        """
        self._keep(self._timing_path(machine), timings)

    def calibration_cache(self, recipe: Recipe) -> bytes:
        """Return what TensorRT found of an engine's ranges before; empty at first."""
        path = self._calibration_path(recipe)
        return path.read_bytes() if path.is_file() else b''

    def keep_calibration_cache(self, recipe: Recipe, found: bytes) -> None:
        """
        Keep what TensorRT found of an engine's ranges.

        Raises:
            EngineError: it cannot be written.

        """
        self._keep(self._calibration_path(recipe), found)

    @staticmethod
    def _keep(path: Path, data: bytes) -> None:
        try:
            with atomic_write(path) as file:
                file.write(data)
        except OSError as error:
            msg = f'{path} cannot be written: {error.strerror}'
            raise EngineError(msg) from None

    def _calibration_path(self, recipe: Recipe) -> Path:
        return self.path / f'{self._name(recipe)}.calibration'

    def _timing_path(self, machine: Machine) -> Path:
        words = f'{machine.tensorrt} {machine.version} {machine.gpu}'
        return self.path / f'{hashlib.sha256(words.encode()).hexdigest()[:16]}.timing'

    def _manifest_path(self, recipe: Recipe) -> Path:
        return self.path / f'{self._name(recipe)}.json'

    @staticmethod
    def _name(recipe: Recipe) -> str:
        return f'{recipe.graph}-{recipe.precision}-{recipe.key}'


def rebuild_command(bundle: Path, graph: str, precision: str, *options: str) -> str:
    """Give the command line that builds one engine."""
    parts = ['eipl_trt build', shlex.quote(str(bundle))]
    parts += ['--precision', precision, '--graph', graph]
    return ' '.join([*parts, *options])


def _replaces(new: Recipe, old: Recipe) -> bool:
    """Tell whether a new engine stands in for an old one, so that one is found at load."""
    return (new.graph, new.precision, new.machine.tensorrt, new.machine.gpu) == (
        old.graph,
        old.precision,
        old.machine.tensorrt,
        old.machine.gpu,
    )
