# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The forms for processors against PyTorch's own layers, over random weights and sizes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from graph_parts import Array, draw, near, run_part
from hypothesis import given, settings
from hypothesis import strategies as st

from eipl_trt_ros.export.builder import GraphBuilder
from eipl_trt_ros.export.cpu import convolution_of_pixels, fills_few_lanes
from eipl_trt_ros.export.doubling import (
    blocks_as_pixels,
    blocks_as_planes,
    doubled_again,
    doubled_columns,
    doubled_rows,
    normalised_columns,
    normalised_together,
    rows_together,
)
from eipl_trt_ros.export.rows import convolution_by_rows
from eipl_trt_ros.spec import Form

sides, channels, seeds = st.integers(3, 20), st.integers(1, 20), st.integers(0, 2**32 - 1)
sizes = st.tuples(sides, sides)


def run(
    value: Array,
    weights: dict[str, Array],
    write: Callable[[GraphBuilder], list[str]],
    shapes: list[tuple[int, ...]],
) -> list[Array]:
    """Write a graph from the input ``x`` to some values and run it."""
    return run_part({'x': value}, weights, write, shapes, form=Form.PROCESSOR)


@settings(deadline=None, max_examples=25)  # a loaded machine is no bug
@given(sizes, channels, channels, st.integers(0, 2), seeds)
def test_a_convolution_by_rows_is_the_convolution(
    size: tuple[int, int], before: int, after: int, padding: int, seed: int
) -> None:
    value, kernel, bias = draw(seed, (1, before, *size), (after, before, 3, 3), (after,))
    expected = F.conv2d(*map(torch.from_numpy, (value, kernel, bias)), padding=padding)

    def write(build: GraphBuilder) -> list[str]:
        rows = expected.shape[2]
        made = convolution_by_rows(
            build, 'x', kernel, bias, 'conv', weights='layer', height=rows, padding=padding
        )
        return [made]

    (found,) = run(value, {}, write, [tuple(expected.shape)])
    near(found, expected)


@pytest.mark.parametrize(('outputs', 'pays'), [(1, True), (3, True), (5, True), (16, False)])
def test_only_layers_that_leave_lanes_empty_go_by_rows(outputs: int, pays: bool) -> None:
    assert fills_few_lanes(outputs) == pays


@settings(deadline=None, max_examples=25)  # a loaded machine is no bug
@given(sizes, channels, st.integers(1, 2), st.integers(0, 1), seeds)
def test_a_convolution_of_pixels_is_that_of_the_planes(
    size: tuple[int, int], after: int, stride: int, padding: int, seed: int
) -> None:
    height, width = size
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (height, width, 3)).astype(np.float32)
    kernel, bias = draw(seed, (after, 3, 3, 3), (after,))
    planes = torch.from_numpy(pixels.transpose(2, 0, 1)[None] / 255)
    weights = torch.from_numpy(kernel), torch.from_numpy(bias)
    expected = F.conv2d(planes, *weights, stride=stride, padding=padding)

    def write(build: GraphBuilder) -> list[str]:
        made = convolution_of_pixels(
            build,
            'x',
            kernel,
            build.constant('bias', bias),
            'conv',
            weights='layer',
            level=1 / 255,
            stride=stride,
            padding=padding,
        )
        return [made]

    lines = pixels.reshape(1, 1, height, 3 * width)
    (found,) = run(lines, {}, write, [tuple(expected.shape)])
    near(found, expected)


def doubled(value: torch.Tensor, kernel: Array, bias: Array) -> torch.Tensor:
    weights = torch.from_numpy(kernel), torch.from_numpy(bias)
    return F.conv_transpose2d(value, *weights, stride=2, padding=1, output_padding=1)


def layer_norm(value: torch.Tensor, weight: Array, bias: Array) -> torch.Tensor:
    return F.layer_norm(value, weight.shape, torch.from_numpy(weight), torch.from_numpy(bias))


@settings(deadline=None, max_examples=15)  # a loaded machine is no bug
@given(sizes, channels, channels, st.booleans(), seeds)
def test_a_doubling_by_rows_is_the_transposed_convolution(
    size: tuple[int, int], before: int, after: int, norms: bool, seed: int
) -> None:
    height, width = size
    whole = (after, 2 * height, 2 * width)
    value, kernel, bias, weight, offset = draw(
        seed, (1, before, *size), (before, after, 3, 3), (after,), whole, whole
    )
    weights = {'a.weight': kernel, 'a.bias': bias, 'b.weight': weight, 'b.bias': offset}

    def write(build: GraphBuilder) -> list[str]:
        rows = doubled_rows(build, 'x', 'a', 'first')
        made = rows_together(build, rows, 'first', (after, height, width))
        return [normalised_together(build, made, 'b', 'norm', 1e-5) if norms else made]

    (found,) = run(value, weights, write, [(1, *whole[1:], after)])
    expected = doubled(torch.from_numpy(value), kernel, bias)
    if norms:
        expected = layer_norm(expected, weight, offset)
    near(found.transpose(0, 3, 1, 2), expected)


@settings(deadline=None, max_examples=25)  # a loaded machine is no bug
@given(sizes, st.tuples(channels, channels, channels), st.booleans(), seeds)
def test_two_doublings_in_a_row_are_the_two_transposed_convolutions(
    size: tuple[int, int], widths: tuple[int, int, int], norms: bool, seed: int
) -> None:
    first, second, third = widths
    height, width = size
    whole = (second, 2 * height, 2 * width)
    value, kernel, bias, weight, offset, last_kernel, last_bias = draw(
        seed,
        (1, first, *size),
        (first, second, 3, 3),
        (second,),
        whole,
        whole,
        (second, third, 3, 3),
        (third,),
    )
    weights = {
        'a.weight': kernel,
        'a.bias': bias,
        'b.weight': weight,
        'b.bias': offset,
        'c.weight': last_kernel,
        'c.bias': last_bias,
    }

    def write(build: GraphBuilder) -> list[str]:
        columns = doubled_columns(build, 'x', 'a', 'first')
        if norms:
            columns = [normalised_columns(build, columns, 'b', 'norm', 1e-5)]
        blocks = doubled_again(build, columns, 'c', 'second', size)
        planes = blocks_as_planes(build, blocks, 'planes', (third, 4 * height, 4 * width))
        pixels = blocks_as_pixels(build, blocks, 'pixels', (4 * height, 4 * width, third))
        return [planes, pixels]

    once = doubled(torch.from_numpy(value), kernel, bias)
    twice = doubled(layer_norm(once, weight, offset) if norms else once, last_kernel, last_bias)
    planes, pixels = run(
        value, weights, write, [tuple(twice.shape), (4 * height, 4 * width, third)]
    )
    near(planes, twice)
    np.testing.assert_array_equal(pixels, planes[0].transpose(1, 2, 0))
