# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The weights of a bundle: read with the place of each tensor in the file, and written."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eipl_trt_ros.errors import ExportError
from eipl_trt_ros.files import atomic_write, safetensors_places


@dataclass(frozen=True)
class StoredTensor:
    """A float32 tensor of a safetensors file, and where its bytes lie in that file."""

    values: NDArray[np.float32]
    offset: int


class WeightFile:
    """
    A safetensors file of float32 tensors, read whole.

    Args:
        path: the file. Graphs refer to it by its name, so they must lie in its folder.

    Raises:
        ExportError: the file is missing, or not a whole safetensors file of float32 tensors.

    """

    def __init__(self, path: Path) -> None:
        self.name = path.name
        try:
            places = safetensors_places(path)
            data = path.read_bytes()
        except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
            msg = f'{path} cannot be read as weights: {error}'
            raise ExportError(msg) from None
        self._path = path
        self._tensors: dict[str, StoredTensor] = {}
        for name, place in places.items():
            count = int(np.prod(place.shape))
            values = np.frombuffer(data, '<f4', count, place.offset).reshape(place.shape)
            self._tensors[name] = StoredTensor(values, place.offset)

    def check(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Raise ExportError unless each of these tensors is there with this shape."""
        for name, shape in shapes.items():
            found = self[name].values.shape
            if found != shape:
                msg = f'{self._path}: tensor {name} has the shape {found}, the model needs {shape}'
                raise ExportError(msg)

    def __getitem__(self, name: str) -> StoredTensor:
        try:
            return self._tensors[name]
        except KeyError:
            msg = f'{self._path} has no tensor {name!r}'
            raise ExportError(msg) from None


def write_weights(tensors: Mapping[str, NDArray[np.float32]], path: Path) -> None:
    """
    Write a safetensors file; the same tensors give the same bytes.

    The format is small enough to write here: eight bytes with the header's length, the header as
    JSON, padded with spaces so that the data is aligned to 64 bytes, then the tensors one after
    the other in the order of their names.

    Args:
        tensors: float32 arrays by name.
        path: the file to replace, atomically; its folder must exist.

    """
    header, offset = {}, 0
    arrays = [(name, np.ascontiguousarray(tensors[name], '<f4')) for name in sorted(tensors)]
    for name, array in arrays:
        header[name] = {
            'dtype': 'F32',
            'shape': list(array.shape),
            'data_offsets': [offset, offset + array.nbytes],
        }
        offset += array.nbytes
    text = json.dumps(header, separators=(',', ':')).encode()
    text += b' ' * (-(8 + len(text)) % 64)
    with atomic_write(path) as file:
        file.write(struct.pack('<Q', len(text)))
        file.write(text)
        for _, array in arrays:
            file.write(array.tobytes())
