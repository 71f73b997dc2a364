# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from builders import SPECS, write_weights_only_bundle
from hypothesis import given
from hypothesis import strategies as st

from eipl_trt_ros.bundle import YAML_NAME, load_bundle
from eipl_trt_ros.documents import parse_json, parse_yaml, read_array
from eipl_trt_ros.errors import BundleError

NO_YAML = ['2026-99-99', '!!int x', '!!timestamp 2026-99-99', '[' * 5000, '*x', 'a: [', '\0']


@pytest.mark.parametrize('text', NO_YAML, ids=lambda text: text[:12])
def test_yaml_of_no_plain_values_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(ValueError, match=r'\w') as caught:
        parse_yaml(text)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize('data', [b'', b'{', b'\xff', b'[' * 100_000], ids=lambda data: data[:4])
def test_what_is_no_json_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r'\w'):
        parse_json(data)


@given(st.text())
def test_any_text_is_yaml_or_refused(text: str) -> None:
    with contextlib.suppress(ValueError):
        parse_yaml(text)


ARRAY = b"\x93NUMPY\x01\x00v\x00{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }"


@pytest.mark.parametrize(
    'data',
    [
        b'',
        ARRAY[:40],
        ARRAY.replace(b"'shape'", b"'shape "),
        ARRAY.replace(b"'descr'", b"b'escr'"),
        ARRAY.replace(b'<f8', b'|O8'),
        b'PK\x03\x04' + bytes(30),
    ],
    ids=['empty', 'short', 'open', 'bytes', 'objects', 'archive'],
)
def test_what_is_no_array_is_refused_in_one_line(tmp_path: Path, data: bytes) -> None:
    (tmp_path / 'a.npy').write_bytes(data.ljust(128, b' ') if data else data)
    with pytest.raises(ValueError, match=r'\w') as caught:
        read_array(tmp_path / 'a.npy')
    assert '\n' not in str(caught.value)


SHALLOW = [text for text in NO_YAML if len(text) < 100]  # the deep one takes seconds
VALUES = [*SHALLOW, '1' + 400 * '0', '.nan', '"a\\nb"', '{}', '[]', 'null', '&y [*y]', '']


@pytest.mark.parametrize('value', VALUES, ids=lambda value: value[:12])
def test_a_bundle_with_any_value_in_any_place_loads_or_is_refused(
    tmp_path: Path, value: str
) -> None:
    bundle = write_weights_only_bundle(tmp_path / 'b', SPECS['cnnrnn'])
    path = bundle.path / YAML_NAME
    lines = path.read_text().splitlines()
    refused = 0
    for number, line in enumerate(lines):
        key = line.partition(':')[0]
        path.write_text('\n'.join([*lines[:number], f'{key}: {value}', *lines[number + 1 :]]))
        try:
            load_bundle(bundle.path, verify=False)
        except BundleError:
            refused += 1
    assert refused > len(lines) / 2
