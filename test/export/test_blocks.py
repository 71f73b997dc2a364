# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Convolutions over blocks of pixels against PyTorch's own, over random weights and sizes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from graph_parts import Array, draw, near, run_part
from hypothesis import example, given, settings
from hypothesis import strategies as st

from eipl_trt_ros.export.blocks import (
    LANES,
    Filters,
    convolution,
    doubling_kernel_into_blocks,
    halving_kernel_over_blocks,
    image_in_blocks,
    kernel_over_blocks,
    pixels_of_blocks,
    whole_lanes,
    with_channels,
)
from eipl_trt_ros.export.builder import GraphBuilder
from eipl_trt_ros.spec import Form

channels, seeds = st.integers(1, 20), st.integers(0, 2**32 - 1)
sides, even_sides = st.integers(1, 12), st.integers(2, 10).map(lambda half: 2 * half)
sizes, even_sizes = st.tuples(sides, sides), st.tuples(even_sides, even_sides)


def run(value: Array, write: Callable[[GraphBuilder], str], shape: tuple[int, ...]) -> Array:
    """Write a graph from the input ``x`` to a value and run it."""
    (found,) = run_part(
        {'x': value}, {}, lambda build: [write(build)], [shape], form=Form.TENSOR_CORES
    )
    return found


@settings(deadline=None, max_examples=25)  # a loaded machine is no bug
@example((128, 128), 16, 32, 0, 0)
@given(even_sizes, channels, channels, st.integers(0, 1), seeds)
def test_a_convolution_from_blocks_to_blocks_is_the_convolution_of_the_pixels(
    size: tuple[int, int], before: int, after: int, padding: int, seed: int
) -> None:
    """A padding of one block is one of two pixels, which makes it a transposed convolution."""
    value, kernel, bias = draw(seed, (1, before, *size), (after, before, 3, 3), (after,))
    expected = F.conv2d(*map(torch.from_numpy, (value, kernel, bias)), padding=2 * padding)
    filters = Filters(kernel_over_blocks(kernel), np.repeat(bias, 4), 'layer.blocks')

    def write(build: GraphBuilder) -> str:
        blocks = image_in_blocks(build, 'x', 'image', (before, *size))
        blocks = convolution(build, blocks, filters, 'conv', pads=[padding] * 4)
        return pixels_of_blocks(build, blocks, 'pixels')

    near(run(value, write, tuple(expected.shape)), expected)


@settings(deadline=None, max_examples=25)  # a loaded machine is no bug
@example((128, 128), 3, 64, 0)
@given(even_sizes, channels, channels, seeds)
def test_a_convolution_that_takes_blocks_is_the_one_that_halves_the_image(
    size: tuple[int, int], before: int, after: int, seed: int
) -> None:
    value, kernel, bias = draw(seed, (1, before, *size), (after, before, 3, 3), (after,))
    weights = map(torch.from_numpy, (value, kernel, bias))
    expected = F.conv2d(*weights, stride=2, padding=1)
    filters = Filters(halving_kernel_over_blocks(kernel), bias, 'layer.blocks')

    def write(build: GraphBuilder) -> str:
        blocks = image_in_blocks(build, 'x', 'image', (before, *size))
        return convolution(build, blocks, filters, 'conv', pads=[1, 1, 0, 0])

    near(run(value, write, tuple(expected.shape)), expected)


@settings(deadline=None, max_examples=25)  # a loaded machine is no bug
@example((64, 64), 64, 3, 0)
@example((1, 1), 8, 12, 0)
@given(sizes, channels, channels, seeds)
def test_a_convolution_that_gives_blocks_is_the_transposed_one_that_doubles_the_image(
    size: tuple[int, int], before: int, after: int, seed: int
) -> None:
    value, kernel, bias = draw(seed, (1, before, *size), (before, after, 3, 3), (after,))
    weights = map(torch.from_numpy, (value, kernel, bias))
    expected = F.conv_transpose2d(*weights, stride=2, padding=1, output_padding=1)
    filters = Filters(doubling_kernel_into_blocks(kernel), np.repeat(bias, 4), 'layer.blocks')

    def write(build: GraphBuilder) -> str:
        blocks = convolution(build, 'x', filters, 'conv', pads=[0, 0, 1, 1])
        return pixels_of_blocks(build, blocks, 'pixels')

    near(run(value, write, tuple(expected.shape)), expected)


@settings(deadline=None, max_examples=25)  # a loaded machine is no bug
@given(
    sizes, st.tuples(channels, channels), st.tuples(st.integers(0, 40), st.integers(0, 40)), seeds
)
def test_channels_that_are_put_beside_others_are_zero_and_change_none_of_them(
    size: tuple[int, int], counts: tuple[int, int], added: tuple[int, int], seed: int
) -> None:
    (before, after), (takes, gives) = counts, np.add(counts, added).tolist()
    value, kernel, bias = draw(seed, (1, before, *size), (after, before, 1, 1), (after,))
    expected = F.conv2d(*map(torch.from_numpy, (value, kernel, bias)))
    filters = Filters(kernel, bias, 'layer.wide').widened(takes, gives)

    def write(build: GraphBuilder) -> str:
        wide = with_channels(build, 'x', 'before', (before, *size), takes)
        return convolution(build, wide, filters, 'conv')

    found = run(value, write, (1, gives, *size))
    near(found[:, :after], expected)
    np.testing.assert_array_equal(found[:, after:], 0)


@settings(deadline=None, max_examples=25)  # a loaded machine is no bug
@given(sizes, channels, st.integers(1, 40), seeds)
def test_an_image_keeps_its_first_channels_whatever_number_it_is_given(
    size: tuple[int, int], before: int, after: int, seed: int
) -> None:
    (value,) = draw(seed, (1, before, *size))

    def write(build: GraphBuilder) -> str:
        made = with_channels(build, 'x', 'place', (before, *size), after)
        return build.add('Identity', [made], 'same')

    found = run(value, write, (1, after, *size))
    kept = min(before, after)
    np.testing.assert_array_equal(found[:, :kept], value[:, :kept])
    np.testing.assert_array_equal(found[:, kept:], 0)


@settings(deadline=None, max_examples=25)  # a loaded machine is no bug
@given(sizes, channels, st.integers(0, 40), seeds)
def test_channels_that_were_put_beside_others_can_be_taken_away_again(
    size: tuple[int, int], count: int, added: int, seed: int
) -> None:
    (value,) = draw(seed, (1, count, *size))

    def write(build: GraphBuilder) -> str:
        wide = with_channels(build, 'x', 'wide', (count, *size), count + added)
        narrow = with_channels(build, wide, 'narrow', (count + added, *size), count)
        return build.add('Identity', [narrow], 'same')

    np.testing.assert_array_equal(run(value, write, value.shape), value)


@settings(deadline=None, max_examples=25)  # a loaded machine is no bug
@given(even_sizes, channels, seeds)
def test_an_image_that_is_taken_in_blocks_and_put_together_again_is_the_image(
    size: tuple[int, int], count: int, seed: int
) -> None:
    (value,) = draw(seed, (1, count, *size))

    def write(build: GraphBuilder) -> str:
        blocks = image_in_blocks(build, 'x', 'image', (count, *size))
        return pixels_of_blocks(build, blocks, 'pixels')

    np.testing.assert_array_equal(run(value, write, value.shape), value)


@settings(deadline=None, max_examples=25)  # a loaded machine is no bug
@given(even_sizes, channels, seeds)
def test_a_channel_of_a_block_is_a_pixel_of_it(
    size: tuple[int, int], count: int, seed: int
) -> None:
    (value,) = draw(seed, (1, count, *size))
    height, width = size
    shape = 1, 4 * count, height // 2, width // 2
    found = run(value, lambda build: image_in_blocks(build, 'x', 'image', value.shape[1:]), shape)
    for row, column in np.ndindex(2, 2):
        pixels = value[:, :, row::2, column::2]
        np.testing.assert_array_equal(found[:, 2 * row + column :: 4], pixels)


@given(st.integers(1, 10_000))
def test_whole_lanes_are_the_fewest_that_hold_all_channels(count: int) -> None:
    lanes = whole_lanes(count)
    assert lanes % LANES == 0
    assert lanes - LANES < count <= lanes


@pytest.mark.parametrize(
    'kernel_of', [kernel_over_blocks, halving_kernel_over_blocks, doubling_kernel_into_blocks]
)
@given(st.tuples(channels, channels, st.just(3), st.just(3)), seeds)
def test_a_kernel_of_blocks_has_each_stored_number_as_often_and_zeros_besides(
    kernel_of: Callable[[Array], Array], shape: tuple[int, ...], seed: int
) -> None:
    (kernel,) = draw(seed, shape)
    found = kernel_of(kernel)
    times = 4 if kernel_of is kernel_over_blocks else 1
    np.testing.assert_array_equal(
        np.sort(found[found != 0]), np.repeat(np.sort(kernel[kernel != 0]), times)
    )
