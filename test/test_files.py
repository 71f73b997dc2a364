# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from eipl_trt_ros.files import atomic_write, safetensors_shapes, sha256_of


def test_the_checksum_is_that_of_the_whole_file(tmp_path: Path) -> None:
    data = bytes(range(256)) * 10_000
    (tmp_path / 'f').write_bytes(data)
    assert sha256_of(tmp_path / 'f') == hashlib.sha256(data).hexdigest()


def test_an_interrupted_write_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    path = tmp_path / 'f'
    path.write_bytes(b'old')

    def write_and_be_interrupted() -> None:
        with atomic_write(path) as file:
            file.write(b'half')
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_and_be_interrupted()
    assert path.read_bytes() == b'old'
    assert list(tmp_path.iterdir()) == [path]


def test_a_finished_write_replaces_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / 'f'
    path.write_bytes(b'old')
    with atomic_write(path) as file:
        file.write(b'new')
    assert path.read_bytes() == b'new'


def test_the_shapes_are_those_that_were_saved(tmp_path: Path) -> None:
    path = tmp_path / 'w'
    save_file({'a': np.zeros((2, 3), np.float32), 'b': np.zeros(4, np.float32)}, path)
    assert safetensors_shapes(path) == {'a': (2, 3), 'b': (4,)}


@pytest.mark.parametrize(
    ('data', 'message'),
    [
        (b'', 'no header'),
        (b'\xff' * 16, 'header claims'),
        (b'\x02' + bytes(7) + b'[]', 'not a JSON object'),
        (b'\x02' + bytes(7) + b'{{', 'Expecting property name'),
    ],
)
def test_a_file_that_is_no_safetensors_file_is_refused(
    tmp_path: Path, data: bytes, message: str
) -> None:
    (tmp_path / 'w').write_bytes(data)
    with pytest.raises(ValueError, match=message):
        safetensors_shapes(tmp_path / 'w')


@pytest.mark.parametrize(
    ('shape', 'place'),
    [([4], [-8, 8]), ([4], [0, 8]), ([4], [16, 0]), ([4], [1 << 40, 0]), ([-4], [0, 16])],
)
def test_a_tensor_that_cannot_lie_where_it_is_said_to_is_refused(
    tmp_path: Path, shape: list[int], place: list[int]
) -> None:
    header = json.dumps({'a': {'dtype': 'F32', 'shape': shape, 'data_offsets': place}}).encode()
    (tmp_path / 'w').write_bytes(len(header).to_bytes(8, 'little') + header + bytes(16))
    with pytest.raises(ValueError, match=r'tensor a of shape .* cannot lie from'):
        safetensors_shapes(tmp_path / 'w')


def test_a_truncated_safetensors_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / 'w'
    save_file({'a': np.zeros((20, 30), np.float32)}, path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match='ends before tensor a'):
        safetensors_shapes(path)


def test_weights_of_another_type_are_refused(tmp_path: Path) -> None:
    save_file({'a': np.zeros(3, np.float16)}, tmp_path / 'w')
    with pytest.raises(ValueError, match='F16, expected F32'):
        safetensors_shapes(tmp_path / 'w')
