# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Checksums, atomic writes and the header of a safetensors file."""

from __future__ import annotations

import contextlib
import hashlib
import math
import operator
import os
import struct
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from eipl_trt_ros.documents import parse_json

_CHUNK = 1 << 20
_HEADER_LIMIT = 100 << 20


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits, read in pieces of 1 MiB."""
    digest = hashlib.sha256()
    with path.open('rb') as file:
        while piece := file.read(_CHUNK):
            digest.update(piece)
    return digest.hexdigest()


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """
    Write a file so that a reader, or a crash, sees the old content or the new, never a half.

    Args:
        path: the file to replace; its folder must exist.

    Yields:
        A binary file to write to. It takes the place of ``path`` when the block ends without an
        exception, and disappears otherwise.

    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f'.{path.name}.')
    temporary = Path(name)
    try:
        with os.fdopen(handle, 'wb') as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@dataclass(frozen=True)
class TensorPlace:
    """A float32 tensor in a file: its shape, and the byte at which its data begins."""

    shape: tuple[int, ...]
    offset: int


def safetensors_places(path: Path) -> dict[str, TensorPlace]:
    """
    Tell where the tensors of a safetensors file lie, without loading one or needing the package.

    The format: eight bytes, the header's length as a little-endian integer; then the header, a
    JSON object from each tensor's name to its ``dtype``, ``shape`` and ``data_offsets``.

    Args:
        path: the file.

    Returns:
        The place of each tensor by its name.

    Raises:
        ValueError: the file is not a whole safetensors file of float32 tensors.

    """
    size = path.stat().st_size
    with path.open('rb') as file:
        prefix = file.read(8)
        if len(prefix) < 8:
            msg = f'it has {size} bytes and no header'
            raise ValueError(msg)
        (length,) = struct.unpack('<Q', prefix)
        if length > min(size - 8, _HEADER_LIMIT):
            msg = f'its header claims {length} bytes, but the file has {size}'
            raise ValueError(msg)
        header = parse_json(file.read(length))
    if not isinstance(header, dict):
        msg = 'its header is not a JSON object'
        raise ValueError(msg)
    places = {}
    for name, entry in header.items():
        if name == '__metadata__':
            continue
        if entry['dtype'] != 'F32':
            msg = f'tensor {name} is {entry["dtype"]}, expected F32'
            raise ValueError(msg)
        begin, end = entry['data_offsets']
        if 8 + length + end > size:
            msg = f'it ends before tensor {name}'
            raise ValueError(msg)
        shape = tuple(operator.index(side) for side in entry['shape'])
        if min(begin, *shape, 0) < 0 or end - begin != 4 * math.prod(shape):
            msg = f'tensor {name} of shape {shape} cannot lie from {begin} to {end}'
            raise ValueError(msg)
        places[name] = TensorPlace(shape, 8 + length + begin)
    return places


def safetensors_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Return the shape of each tensor of a safetensors file; see `safetensors_places`."""
    return {name: place.shape for name, place in safetensors_places(path).items()}
