# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The forms for GPUs against their formulas in float64, over random weights and sizes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from graph_parts import Array, draw, run_part
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from eipl_trt_ros.export.builder import GraphBuilder
from eipl_trt_ros.export.gpu import (
    linear_of_sums,
    lstm_of_sums,
    normalised_map,
    soft_argmax_by_rows,
)

sides, seeds = st.integers(1, 40), st.integers(0, 2**32 - 1)
EPSILON = 1e-5


def expected_points(logits: NDArray[np.float64], x: Array, y: Array) -> NDArray[np.float64]:
    weights = np.exp(logits - logits.max(axis=(1, 2), keepdims=True))
    weights /= weights.sum(axis=(1, 2), keepdims=True)
    return np.stack([(weights * x).sum((1, 2)), (weights * y[:, None]).sum((1, 2))], axis=1)


def points_by_rows(logits: Array, x: Array, y: Array, side: int) -> Array:
    """Give the points of maps (1, K, h, w), which the graph takes in blocks of a side."""
    _, count, height, width = logits.shape
    apart = logits.reshape(count, height // side, side, width // side, side)
    blocks = apart.transpose(0, 2, 4, 1, 3).reshape(1, -1, height // side, width // side)

    def write(build: GraphBuilder) -> list[str]:
        return [soft_argmax_by_rows(build, 'maps', x, y, side)]

    (found,) = run_part({'maps': blocks}, {}, write, [(count, 2)])
    return found


@pytest.mark.parametrize('side', [1, 2])
@settings(deadline=None, max_examples=40)  # a loaded machine is no bug
@example((3, 122, 122), 1e-4, 1.0, 0)
@example((2, 58, 58), 1e-4, 1e5, 1)
@given(
    st.tuples(st.integers(1, 6), sides, sides),
    st.sampled_from((1e-4, 1e-2, 1.0)),
    st.floats(0, 1e6),
    seeds,
)
def test_soft_argmax_by_rows_is_the_expectation_at_any_temperature(
    side: int, size: tuple[int, int, int], temperature: float, strength: float, seed: int
) -> None:
    count, *cells = size
    height, width = (-(-number // side) * side for number in cells)  # whole blocks
    (maps,) = draw(seed, (1, count, height, width))
    logits = np.float32(maps * strength) / np.float32(temperature)
    x, y = (np.linspace(0, 1, number, dtype=np.float32) for number in (width, height))
    expected = expected_points(logits[0].astype(np.float64), x, y)
    np.testing.assert_allclose(points_by_rows(logits, x, y, side), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize('side', [1, 2])
def test_soft_argmax_by_rows_finds_the_only_maximum_beyond_fp16_and_among_infinitesimals(
    side: int,
) -> None:
    height, width = 7 // side * side, 9 // side * side
    logits = np.full((1, 1, height, width), -3e38, np.float32)
    x, y = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)
    for row, column in np.ndindex(height, width):
        logits[0, 0, row, column] = 3e38
        np.testing.assert_array_equal(points_by_rows(logits, x, y, side), [[column, row]])
        logits[0, 0, row, column] = -3e38


def expected_norm(value: Array, weight: Array, bias: Array) -> NDArray[np.float64]:
    exact = value.astype(np.float64)
    deviation = np.sqrt(exact.var() + EPSILON)
    return (exact - exact.mean()) / deviation * weight + bias


def normalise(value: Array, weight: Array, bias: Array) -> Array:
    def write(build: GraphBuilder) -> list[str]:
        return [normalised_map(build, 'x', 'layer', 'norm', EPSILON)]

    weights = {'layer.weight': weight, 'layer.bias': bias}
    (found,) = run_part({'x': value}, weights, write, [value.shape])
    return found


map_shapes = st.one_of(
    st.tuples(st.integers(1, 20), st.integers(1, 12), st.integers(1, 12)),
    st.sampled_from([(64, 64, 64), (32, 32, 32), (16, 16, 16), (12, 8, 8), (4, 16, 48)]),
)


@settings(deadline=None, max_examples=30)  # a loaded machine is no bug
@given(map_shapes, st.sampled_from((0.0, 1.0, 30.0)), st.sampled_from((1e-3, 1.0, 1e4)), seeds)
def test_a_normalised_map_has_the_mean_and_variance_of_the_whole(
    shape: tuple[int, int, int], offset: float, scale: float, seed: int
) -> None:
    value, weight, bias = draw(seed, (1, *shape), shape, shape)
    value = np.float32((value + offset) * scale)
    expected = expected_norm(value, weight, bias)
    # Rounding of what it is given, in units of the deviation.
    given_to = np.abs(value).max() / max(float(value.std()), EPSILON**0.5)
    tolerance = 1e-5 + 1e-6 * given_to * np.abs(weight).max()
    np.testing.assert_allclose(normalise(value, weight, bias), expected, rtol=0, atol=tolerance)


def test_a_chunk_that_is_far_from_all_others_counts_by_its_size() -> None:
    value, weight, bias = draw(0, (1, 16, 64, 64), (16, 64, 64), (16, 64, 64))
    value *= np.float32(1e-3)
    value[:, :, 1:] += 1.0
    expected = expected_norm(value, weight, bias)
    np.testing.assert_allclose(normalise(value, weight, bias), expected, rtol=0, atol=1e-4)


def test_squares_beyond_what_fp16_holds_are_normalised() -> None:
    value, weight, bias = draw(1, (1, 8, 16, 16), (8, 16, 16), (8, 16, 16))
    value *= np.float32(1e6)
    expected = expected_norm(value, weight, bias)
    np.testing.assert_allclose(normalise(value, weight, bias), expected, rtol=0, atol=1e-4)


@settings(deadline=None, max_examples=25)  # a loaded machine is no bug
@given(st.integers(1, 20), st.integers(1, 10), st.integers(1, 60), seeds)
def test_an_lstm_of_sums_is_the_lstm(first: int, second: int, rec_dim: int, seed: int) -> None:
    values = draw(seed, (1, first), (1, second), (rec_dim,), (rec_dim,))
    torch.manual_seed(seed)
    cell = torch.nn.LSTMCell(first + second, rec_dim)
    weights = {f'rec.{name}': part.detach().numpy() for name, part in cell.named_parameters()}

    def write(build: GraphBuilder) -> list[str]:
        return [lstm_of_sums(build, ['x', 'y'], rec_dim), 'next_h', 'next_c']

    shapes = [(rec_dim, 1), (rec_dim,), (rec_dim,)]
    inputs = dict(zip('xyhc', values, strict=True))
    column, hidden, state = run_part(inputs, weights, write, shapes)
    x, y, h, c = map(torch.from_numpy, values)
    with torch.no_grad():
        expected = cell(torch.cat([x, y], dim=1), (h[None], c[None]))
    np.testing.assert_array_equal(column[:, 0], hidden)
    for found, wanted in zip((hidden, state), expected, strict=True):
        np.testing.assert_allclose(found, wanted[0].numpy(), rtol=1e-5, atol=1e-5)


@settings(deadline=None, max_examples=25)  # a loaded machine is no bug
@given(st.lists(st.integers(1, 12), min_size=1, max_size=3), st.integers(1, 80), seeds)
def test_layers_of_sums_are_the_layers_one_after_the_other(
    sizes: list[int], before: int, seed: int
) -> None:
    (value,) = draw(seed, (before, 1))
    layers = [torch.nn.Linear(before, size) for size in sizes]
    weights = {
        f'layer{index}.{name}': part.detach().numpy()
        for index, layer in enumerate(layers)
        for name, part in layer.named_parameters()
    }

    def write(build: GraphBuilder) -> list[str]:
        names = [f'layer{index}' for index in range(len(layers))]
        return [linear_of_sums(build, 'x', names, 'layers')]

    (found,) = run_part({'x': value}, weights, write, [(1, sum(sizes))])
    with torch.no_grad():
        expected = torch.cat([layer(torch.from_numpy(value.T)) for layer in layers], dim=1)
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-5, atol=1e-5)
