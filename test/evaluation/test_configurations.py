# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.errors import EiplTrtError
from eipl_trt_ros.evaluation.configurations import Configuration, configurations, open_lineup


def test_the_baseline_comes_first_and_the_reference_is_the_bundles_own_fp32(
    cnnrnn: Bundle,
) -> None:
    wanted = configurations('onnxruntime', ('fp16', 'fp32'), 'torch')
    with open_lineup(cnnrnn, wanted) as lineup:
        assert [one.identity.label for one in lineup.opened] == [
            'torch fp32',
            'onnxruntime fp16',
            'onnxruntime fp32',
        ]
        assert [one.identity.baseline for one in lineup.opened] == [True, False, False]
        assert lineup.reference == 2
        assert lineup.notes == []


def test_the_baseline_is_the_reference_where_nothing_else_runs_in_fp32(cnnrnn: Bundle) -> None:
    with open_lineup(cnnrnn, configurations('onnxruntime', ('fp16',), 'torch')) as lineup:
        assert lineup.reference == 0
    with open_lineup(cnnrnn, configurations('onnxruntime', ('fp16',), None)) as lineup:
        assert lineup.reference is None


def test_what_cannot_run_is_noted_and_the_rest_compared(cnnrnn: Bundle) -> None:
    wanted = configurations('onnxruntime', ('fp32', 'int8'), None)  # there is no int8 recipe
    with open_lineup(cnnrnn, wanted) as lineup:
        assert [one.identity.precision for one in lineup.opened] == ['fp32']
        [note] = lineup.notes
    assert note.startswith(f'{cnnrnn.name}, onnxruntime int8: left out: ')


def test_what_would_run_twice_runs_once(cnnrnn: Bundle) -> None:
    wanted = [Configuration('onnxruntime', 'fp32'), Configuration('onnxruntime', 'fp32')]
    with open_lineup(cnnrnn, wanted) as lineup:
        assert len(lineup.opened) == 1
        assert 'compared already' in lineup.notes[0]


def test_where_nothing_runs_the_error_is_that_of_the_first(cnnrnn: Bundle) -> None:
    with pytest.raises(EiplTrtError, match='int8'):
        open_lineup(cnnrnn, [Configuration('onnxruntime', 'int8')])


def test_automatic_means_the_precision_asked_for_not_another(cnnrnn: Bundle) -> None:
    with open_lineup(cnnrnn, configurations('auto', ('fp16',), None)) as lineup:
        assert [one.identity.precision for one in lineup.opened] == ['fp16']
