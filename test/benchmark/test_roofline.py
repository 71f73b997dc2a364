# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from builders import SPECS, write_random_bundle
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch.utils.flop_counter import FlopCounterMode

from eipl_trt_ros.benchmark import roofline
from eipl_trt_ros.benchmark.roofline import (
    ORIN_NANO,
    PAPER_MS,
    Ceilings,
    Work,
    describe_share,
    measure_ceilings,
    work_of,
)
from eipl_trt_ros.export.cnnrnn_layers import Layers, LayersForProcessors
from eipl_trt_ros.models import build_model

amounts = st.floats(1.0, 1e12)


@pytest.mark.parametrize('model', SPECS)
def test_the_arithmetic_is_what_pytorch_counts(model: str, tmp_path: Path) -> None:
    spec = SPECS[model]
    bundle = write_random_bundle(tmp_path, spec)
    whole = work_of(bundle, 'motion') + work_of(bundle, 'image')
    network = build_model(spec)
    with FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 3, 128, 128), torch.zeros(1, spec.joint_dim))
    # A transposed convolution of stride 1 is a padded convolution here, some at the border.
    assert counter.get_total_flops() <= whole.flop <= 1.06 * counter.get_total_flops()


def test_each_weight_counts_once_and_the_ends_too(tmp_path: Path) -> None:
    spec = SPECS['cnnrnn']
    bundle = write_random_bundle(tmp_path, spec)
    whole = work_of(bundle, 'motion') + work_of(bundle, 'image')
    weights = 4 * sum(parameter.numel() for parameter in build_model(spec).parameters())
    pictures = 2 * 3 * 128 * 128
    assert weights + pictures < whole.bytes < 1.02 * (weights + pictures)


def test_a_zero_in_a_kernel_is_neither_multiplied_nor_moved(tmp_path: Path) -> None:
    def lose_a_filter(weights: dict[str, NDArray[np.float32]]) -> None:
        weights['encoder_image.0.weight'][0] = 0
        weights['encoder_image.0.bias'][1] = 0  # a bias counts whatever it is

    whole = work_of(write_random_bundle(tmp_path / 'whole'), 'motion')
    bundle = write_random_bundle(tmp_path / 'less', change=lose_a_filter)
    less = work_of(bundle, 'motion')
    filter_size = 3 * 3 * 3
    assert whole.bytes - less.bytes == 4 * filter_size
    assert whole.flop - less.flop == 2 * filter_size * 64 * 64


def test_a_graph_from_before_its_transposed_convolutions_gave_blocks_has_the_same_arithmetic(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = write_random_bundle(tmp_path / 'now')
    monkeypatch.setattr(Layers, 'transposed', LayersForProcessors.transposed)
    before = write_random_bundle(tmp_path / 'before')
    nodes = onnx.load(before.graph_path('image'), load_external_data=False).graph.node
    assert [node.op_type for node in nodes].count('ConvTranspose') == 5
    assert work_of(before, 'image').flop == work_of(now, 'image').flop


@given(amounts, amounts, amounts, amounts)
def test_the_floor_is_the_longer_of_two_times(
    flop: float, moved: float, flop_per_s: float, bytes_per_s: float
) -> None:
    floor = Ceilings(flop_per_s, bytes_per_s).floor(Work(flop, moved))
    assert floor >= flop / flop_per_s
    assert floor >= moved / bytes_per_s
    assert floor in (flop / flop_per_s, moved / bytes_per_s)


def test_the_papers_fp16_time_of_sarnn_is_twenty_times_its_floor(tmp_path: Path) -> None:
    bundle = write_random_bundle(tmp_path, SPECS['sarnn'])
    whole = work_of(bundle, 'motion') + work_of(bundle, 'image')
    floor = 1e3 * ORIN_NANO['fp16'].floor(whole)
    assert floor == pytest.approx(0.12, abs=0.015)
    line = describe_share('paper', whole, ORIN_NANO['fp16'], PAPER_MS['sarnn']['fp16'])
    assert 'took 2.47 ms: 5 %' in line


def test_ceilings_are_measured_by_whoever_multiplies_faster(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = measure_ceilings(1)
    assert found.flop_per_s > 1e9
    assert found.bytes_per_s > 1e8
    multiply = torch.matmul

    def multiply_slowly(*arguments: Any, **settings: Any) -> torch.Tensor:
        time.sleep(1.0)
        return multiply(*arguments, **settings)

    monkeypatch.setattr(roofline, '_TRIES', 2)
    monkeypatch.setattr(torch, 'matmul', multiply_slowly)
    # 2 GFLOP in less than the second that PyTorch sleeps
    assert measure_ceilings(1).flop_per_s > 2 * 1024**3
