# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
A bundle: the folder that holds one trained model and everything needed to run it on a robot.

::

    bundle.yaml           what the model is and how it is wired to the robot, and checksums
    weights.safetensors   the weights, under EIPL's state_dict names
    motion.onnx           the graphs; they keep no large weights of their own but point into
    image.onnx            weights.safetensors, so each weight is stored once
    motion_mixed.onnx     the same for closed-loop mixing
    image_mixed.onnx
    int8.json             how the graphs become int8, where that was found out

`load_bundle` checks all of it before anything runs: a robot must not move on a half-copied folder.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from eipl_trt_ros.documents import read_yaml
from eipl_trt_ros.errors import BundleError
from eipl_trt_ros.files import atomic_write, safetensors_shapes, sha256_of
from eipl_trt_ros.records import read_record, write_record
from eipl_trt_ros.robot import CameraSpec, JointSpec
from eipl_trt_ros.spec import GRAPHS, Form, ModelSpec

FORMAT = 1
YAML_NAME = 'bundle.yaml'
WEIGHTS_NAME = 'weights.safetensors'


def graph_file(graph: str, form: Form = Form.GENERAL) -> str:
    """Return the name of the file that holds a form of a graph."""
    return f'{graph}.{form.value}.onnx' if form.value else f'{graph}.onnx'


GRAPH_FILES = tuple(graph_file(graph, form) for graph in GRAPHS for form in Form)
_KEYS = ('format', 'name', 'model', 'camera', 'vmin', 'vmax', 'joints', 'rate_hz')
_OPTIONAL_KEYS = ('provenance', 'files')


@dataclass(frozen=True)
class FileEntry:
    """A file of the bundle as it was when the bundle was written."""

    sha256: str
    bytes: int


@dataclass(frozen=True)
class Bundle:
    """Everything that a robot needs to know of one trained model."""

    path: Path
    name: str
    model: ModelSpec
    camera: CameraSpec
    vmin: float
    """Lower end of the range that images and joints are normalised to (EIPL's ``vmin``)."""
    vmax: float
    joints: tuple[JointSpec, ...]
    """One per dimension of the joint vector, in the model's order."""
    rate_hz: float
    """Rate of the training data: the model is stepped at it, whatever the camera's rate."""
    provenance: Mapping[str, str] = field(default_factory=dict)
    """Where the model comes from: training data, settings, who made it. Free text."""
    files: Mapping[str, FileEntry] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.name:
            msg = 'name is empty; give the bundle a name to tell it by in logs'
            raise BundleError(msg)
        if not (math.isfinite(self.vmin) and math.isfinite(self.vmax) and self.vmin < self.vmax):
            msg = f'vmin {self.vmin} and vmax {self.vmax} must be finite, and vmin the smaller'
            raise BundleError(msg)
        if not (math.isfinite(self.rate_hz) and self.rate_hz > 0):
            msg = f'rate_hz is {self.rate_hz}, expected the positive rate of the training data'
            raise BundleError(msg)
        if len(self.joints) != self.model.joint_dim:
            msg = f'joints lists {len(self.joints)}, but model.joint_dim is {self.model.joint_dim}'
            raise BundleError(msg)
        names = self.joint_names
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            msg = f'joint {twice[0]!r} is listed twice'
            raise BundleError(msg)

    @property
    def joint_names(self) -> tuple[str, ...]:
        """Names in the model's order."""
        return tuple(joint.name for joint in self.joints)

    @property
    def joint_minimum(self) -> NDArray[np.float64]:
        """Lower bounds, float64 (D,), in joint units."""
        return np.array([joint.minimum for joint in self.joints])

    @property
    def joint_maximum(self) -> NDArray[np.float64]:
        """Upper bounds, float64 (D,), in joint units."""
        return np.array([joint.maximum for joint in self.joints])

    @property
    def weights_path(self) -> Path:
        """The safetensors file."""
        return self.path / WEIGHTS_NAME

    def graph_path(self, graph: str, precision: str = 'fp32') -> Path:
        """
        Return where the form of one of `GRAPHS` lies that engines of a precision are built from.

        fp16 and int8 have one of their own, but in a bundle that was written before it was there.

        Raises:
            BundleError: the graphs were never exported.

        """
        half = graph_file(graph, Form.TENSOR_CORES)
        if precision != 'fp32' and half in self.files:
            return self.path / half
        path = self.path / graph_file(graph)
        if path.name not in self.files:
            msg = (
                f'bundle {self.path} has no {path.name}; make its graphs with: '
                f'eipl_trt export {self.path}'
            )
            raise BundleError(msg)
        return path

    def cpu_graph_path(self, graph: str) -> Path:
        """
        Return where the form for processors of one of `GRAPHS` lies.

        It is the graph itself in a bundle that was written before it was there.

        Raises:
            BundleError: the graphs were never exported.

        """
        name = graph_file(graph, Form.PROCESSOR)
        return self.path / name if name in self.files else self.graph_path(graph)

    def normalise_joints(self, joints: NDArray[np.floating]) -> NDArray[np.float64]:
        """Joints in joint units (..., D) to [vmin, vmax]; EIPL utils/data.py ``normalization``."""
        low, high = self.joint_minimum, self.joint_maximum
        return (joints - low) / (high - low) * (self.vmax - self.vmin) + self.vmin


def _parse(data: Any, path: Path) -> Bundle:
    if not isinstance(data, Mapping):
        msg = f'it holds {type(data).__name__}, expected a mapping'
        raise BundleError(msg)
    if data.get('format') != FORMAT:
        msg = f'format is {data.get("format")!r}, this version of eipl_trt_ros reads {FORMAT}'
        raise BundleError(msg)
    for key in _KEYS:
        if key not in data:
            msg = f'it lacks the key {key!r}'
            raise BundleError(msg)
    for key in data:
        if key not in _KEYS + _OPTIONAL_KEYS:
            msg = f'it has the unknown key {key!r}'
            raise BundleError(msg)
    plain = {key: data[key] for key in ('name', 'vmin', 'vmax', 'rate_hz')}
    scalars = read_record(_Scalars, plain, 'bundle')
    joints, files = data['joints'], data.get('files', {})
    provenance = data.get('provenance', {})
    if not isinstance(joints, list):
        msg = f'joints is {joints!r}, expected a list'
        raise BundleError(msg)
    if not isinstance(files, Mapping) or not isinstance(provenance, Mapping):
        msg = 'files and provenance must be mappings'
        raise BundleError(msg)
    return Bundle(
        path=path,
        name=scalars.name,
        model=read_record(ModelSpec, data['model'], 'model'),
        camera=read_record(CameraSpec, data['camera'], 'camera'),
        vmin=scalars.vmin,
        vmax=scalars.vmax,
        joints=tuple(
            read_record(JointSpec, joint, f'joints[{index}]') for index, joint in enumerate(joints)
        ),
        rate_hz=scalars.rate_hz,
        provenance={str(key): str(value) for key, value in provenance.items()},
        files={
            str(name): read_record(FileEntry, entry, f'files.{name}')
            for name, entry in files.items()
        },
    )


@dataclass(frozen=True)
class _Scalars:
    name: str
    vmin: float
    vmax: float
    rate_hz: float


def load_bundle(path: Path | str, *, verify: bool = True) -> Bundle:
    """
    Read a bundle and check that it is whole and says one thing only.

    Args:
        path: the bundle's folder.
        verify: compare every file with its checksum (5 MB take about 5 ms).

    Returns:
        The bundle.

    Raises:
        BundleError: a part is missing, changed or contradictory; the text names it.

    """
    folder = Path(path)
    yaml_path = folder / YAML_NAME
    try:
        data = read_yaml(yaml_path)
    except FileNotFoundError:
        msg = f'{folder} is not a bundle: it has no {YAML_NAME}; make one with: eipl_trt import'
        raise BundleError(msg) from None
    except (OSError, ValueError) as error:
        msg = f'{yaml_path} cannot be read: {error}'
        raise BundleError(msg) from None
    try:
        bundle = _parse(data, folder)
    except BundleError as error:
        msg = f'{yaml_path}: {error}'
        raise BundleError(msg) from None
    if WEIGHTS_NAME not in bundle.files:
        msg = f'{yaml_path}: files lacks {WEIGHTS_NAME}'
        raise BundleError(msg)
    if verify:
        verify_files(bundle)
    return bundle


def verify_files(bundle: Bundle) -> None:
    """
    Check every file of a bundle against its checksum, and the weights against the model.

    Raises:
        BundleError: a file is missing or changed, or the weights belong to another model.

    """
    for name, entry in bundle.files.items():
        path = bundle.path / name
        if Path(name).name != name:
            msg = f'{bundle.path / YAML_NAME}: file {name!r} is not a plain name in the bundle'
            raise BundleError(msg)
        if not path.is_file():
            msg = f'bundle {bundle.path} lacks {name}, which {YAML_NAME} lists; copy it again'
            raise BundleError(msg)
        found = path.stat().st_size
        if found != entry.bytes:
            msg = f'{path} has {found} bytes, {YAML_NAME} says {entry.bytes}; copy it again'
            raise BundleError(msg)
        digest = sha256_of(path)
        if digest != entry.sha256:
            msg = (
                f'{path} was changed: its SHA-256 is {digest[:12]}..., {YAML_NAME} says '
                f'{entry.sha256[:12]}...; copy it again, or after a change on purpose run: '
                f'eipl_trt export {bundle.path}'
            )
            raise BundleError(msg)
    _verify_weights(bundle)


def _verify_weights(bundle: Bundle) -> None:
    path = bundle.weights_path
    try:
        found = safetensors_shapes(path)
    except (ValueError, KeyError, TypeError, IndexError) as error:
        msg = f'{path} is not a weights file: {error}'
        raise BundleError(msg) from None
    for name, shape in bundle.model.expected_shapes().items():
        if name not in found:
            msg = f'{path} lacks the tensor {name} of a {bundle.model.type} model'
            raise BundleError(msg)
        if found[name] != shape:
            msg = (
                f'{path}: tensor {name} has the shape {found[name]}, but the model in '
                f'{YAML_NAME} needs {shape}'
            )
            raise BundleError(msg)


def write_bundle(bundle: Bundle, file_names: Sequence[str] | None = None) -> Bundle:
    """
    Write ``bundle.yaml`` with fresh checksums, as the last step of making a bundle.

    Args:
        bundle: what to write; its folder holds the files already.
        file_names: the files that belong to the bundle; by default the weights and those of
            `GRAPH_FILES` that lie in the folder.

    Returns:
        The bundle with its new checksums.

    Raises:
        BundleError: the weights are not there.

    """
    names = file_names
    if names is None:
        names = [WEIGHTS_NAME, *GRAPH_FILES]
        names = [name for name in names if (bundle.path / name).is_file()]
    if WEIGHTS_NAME not in names:
        msg = f'{bundle.path} holds no {WEIGHTS_NAME}'
        raise BundleError(msg)
    entries = {
        name: FileEntry(sha256_of(bundle.path / name), (bundle.path / name).stat().st_size)
        for name in names
    }
    data = {
        'format': FORMAT,
        'name': bundle.name,
        'model': write_record(bundle.model),
        'camera': write_record(bundle.camera),
        'vmin': bundle.vmin,
        'vmax': bundle.vmax,
        'rate_hz': bundle.rate_hz,
        'joints': [write_record(joint) for joint in bundle.joints],
        'provenance': dict(bundle.provenance),
        'files': {name: write_record(entry) for name, entry in entries.items()},
    }
    with atomic_write(bundle.path / YAML_NAME) as file:
        file.write(yaml.safe_dump(data, sort_keys=False, allow_unicode=True).encode())
    return load_bundle(bundle.path)
