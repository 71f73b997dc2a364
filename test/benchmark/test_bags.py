# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip('rosbags', reason='recordings need rosbags')

from eipl_trt_ros.benchmark.bags import cost_by_bags
from eipl_trt_ros.benchmark.tables import bag_table
from eipl_trt_ros.bundle import load_bundle
from eipl_trt_ros.errors import EvaluationError

SAMPLES = Path(__file__).parents[2] / 'samples'


def test_an_evaluation_is_timed_for_each_number_of_recordings_and_processes() -> None:
    bundle = load_bundle(SAMPLES / 'cnnrnn')
    costs = cost_by_bags(bundle, SAMPLES / 'demonstration', threads=1, jobs=(1, 2), counts=(1, 2))
    assert [(cost.bags, cost.jobs) for cost in costs] == [(1, 1), (2, 1), (1, 2), (2, 2)]
    one, two, *_ = costs
    assert one.images > 0
    assert two.images == 2 * one.images
    assert all(cost.seconds > 0 for cost in costs)
    assert bag_table('cnnrnn', costs).row_count == 4


def test_a_recording_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    bundle = load_bundle(SAMPLES / 'cnnrnn')
    with pytest.raises(EvaluationError, match=str(tmp_path)):
        cost_by_bags(bundle, tmp_path, threads=1, jobs=(1,), counts=(1,))
