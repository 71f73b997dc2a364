# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Real bundles with random weights and a short recording, made once per test process."""

from __future__ import annotations

from pathlib import Path

import pytest
import recordings
from builders import SPECS, write_random_bundle

from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.spec import ModelSpec

SARNN = ModelSpec('sarnn', 32, 32, 4, 12, k_dim=3, temperature=1e-2, heatmap_size=0.1)


@pytest.fixture(scope='session')
def sarnn(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return write_random_bundle(tmp_path_factory.mktemp('sarnn'), SARNN)


@pytest.fixture(scope='session')
def cnnrnn(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return write_random_bundle(tmp_path_factory.mktemp('cnnrnn'), SPECS['cnnrnn'])


@pytest.fixture(scope='session')
def bag(tmp_path_factory: pytest.TempPathFactory, sarnn: Bundle, cnnrnn: Bundle) -> Path:
    """Two seconds at 10 Hz that hold the joints of both bundles."""
    names = tuple(dict.fromkeys(sarnn.joint_names + cnnrnn.joint_names))
    path = tmp_path_factory.mktemp('bags') / 'movement'
    return recordings.demonstration(names, seconds=2.0).write(path)
