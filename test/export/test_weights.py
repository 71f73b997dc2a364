# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from eipl_trt_ros.export.weights import WeightFile, write_weights

TENSORS = st.dictionaries(
    st.text(st.characters(codec='utf-8', exclude_characters='\0'), min_size=1, max_size=12).filter(
        lambda name: name != '__metadata__'
    ),
    arrays(np.float32, array_shapes(max_dims=4, max_side=4)),
    max_size=5,
)


@settings(deadline=None, max_examples=50)  # it writes files, which may take long at times
@given(TENSORS)
def test_what_is_written_is_read_back_here_and_by_safetensors(
    tensors: dict[str, np.ndarray],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'weights.safetensors'
        write_weights(tensors, path)
        official = safetensors.numpy.load_file(path)
        ours = WeightFile(path)
        data = path.read_bytes()
    assert official.keys() == tensors.keys()
    for name, values in tensors.items():
        np.testing.assert_array_equal(official[name], values)
        np.testing.assert_array_equal(ours[name].values, values)
        offset = ours[name].offset
        assert data[offset : offset + values.nbytes] == values.tobytes()


def test_the_order_of_the_tensors_does_not_matter(tmp_path: Path) -> None:
    a, b = np.arange(3, dtype=np.float32), np.ones((2, 2), np.float32)
    write_weights({'a': a, 'b': b}, tmp_path / 'one')
    write_weights({'b': b, 'a': a}, tmp_path / 'two')
    assert (tmp_path / 'one').read_bytes() == (tmp_path / 'two').read_bytes()


def test_a_file_by_safetensors_itself_is_read(tmp_path: Path) -> None:
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    safetensors.numpy.save_file({'x': values}, tmp_path / 'w')
    np.testing.assert_array_equal(WeightFile(tmp_path / 'w')['x'].values, values)
