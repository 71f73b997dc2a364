# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest
from builders import SPECS, write_random_bundle

pytest.importorskip('torch', reason='models of other sizes need torch')

from eipl_trt_ros.benchmark.scaling import cost_by_models, cost_by_size


def test_each_number_of_models_has_its_cost(tmp_path: Path) -> None:
    bundle = write_random_bundle(tmp_path, SPECS['cnnrnn'])
    costs = cost_by_models(bundle, threads=1, frames=3, counts=(1, 3))
    assert [cost.count for cost in costs] == [1, 3]
    assert all(cost.motion > 0 and cost.image is None for cost in costs)


def test_larger_images_take_longer(tmp_path: Path) -> None:
    bundle = write_random_bundle(tmp_path, SPECS['sarnn'])
    small, large = cost_by_size(bundle, threads=1, frames=5, sides=(32, 128))
    assert small.image is not None
    assert large.image is not None
    assert small.motion < large.motion
    assert small.image < large.image


def test_a_model_of_one_size_has_no_cost_by_size(tmp_path: Path) -> None:
    assert cost_by_size(write_random_bundle(tmp_path), threads=1, frames=1) == []
