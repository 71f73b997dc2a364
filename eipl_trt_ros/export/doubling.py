# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Transposed convolutions that double an image, in the form that a processor runs fastest.

ONNX Runtime does a transposed convolution as a matrix product that gives nine values per input,
and a sum of them that takes longer than the product. With kernel 3, stride 2, padding 1 and output
padding 1, result (r, c) depends on the input around (r // 2, c // 2) only, through other taps of
the kernel in each of the four *phases* (r % 2, c % 2): each is an ordinary convolution. What
remains is to put phases together, which would take as long as is won; so it is done where it is
cheap, or not at all.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from eipl_trt_ros.export.builder import GraphBuilder

_SIDE = 3  # of all kernels here
# Where row 2i + phase of the result comes from: for rows i, i + 1 of the input, the kernel's row.
_TAPS = ((1,), (2, 0))


def doubled_rows(build: GraphBuilder, value: str, layer: str, name: str) -> list[str]:
    """
    Double an image: one convolution for the result's even rows and one for its odd ones.

    Args:
        build: the graph.
        value: (1, C, H, W).
        layer: its weights, (C, K, 3, 3) and (K,), in the weights file.
        name: of the layer.

    Returns:
        Even rows and odd rows, each (1, 2 * K, H, W): K channels of the even columns, then K of
        the odd ones. `rows_together` puts them together.

    """
    return [_phases(build, value, layer, name, phase, columns=True) for phase in (0, 1)]


def doubled_columns(build: GraphBuilder, value: str, layer: str, name: str) -> list[str]:
    """
    Double an image: one convolution for the result's even columns and one for its odd ones.

    Args:
        build: the graph.
        value: (1, C, H, W).
        layer: its weights, (C, K, 3, 3) and (K,), in the weights file.
        name: of the layer.

    Returns:
        Even columns and odd columns, each (1, 2 * K, H, W): K channels of the even rows, then K of
        the odd ones. `doubled_again` takes them as they are.

    """
    return [_phases(build, value, layer, name, phase, columns=False) for phase in (0, 1)]


def _phases(
    build: GraphBuilder, value: str, layer: str, name: str, phase: int, *, columns: bool
) -> str:
    """Give one phase of the rows and both of the columns, or the other way round."""
    kernel = build.array(f'{layer}.weight').transpose(1, 0, 2, 3)
    if columns:
        kernel = kernel.swapaxes(2, 3)
    count, before = kernel.shape[:2]
    taps = _TAPS[phase]
    both = np.zeros((2, count, before, 2, len(taps)), np.float32)
    for other in (0, 1):
        for place, tap in enumerate(_TAPS[other]):
            both[other, :, :, place] = kernel[:, :, tap][:, :, taps]
    both = both.reshape(2 * count, before, 2, len(taps))
    if columns:
        both = both.swapaxes(2, 3)
    bias = np.tile(build.array(f'{layer}.bias'), 2)
    label = f'{"row" if columns else "column"}{phase}'
    return build.add(
        'Conv',
        [
            value,
            build.constant(f'{layer}.weight_{label}', np.ascontiguousarray(both)),
            build.constant(f'{layer}.bias_twice', bias),
        ],
        f'{name}_{label}',
        kernel_shape=list(both.shape[2:]),
        pads=[0, 0, both.shape[2] - 1, both.shape[3] - 1],
    )


def rows_together(
    build: GraphBuilder, rows: Sequence[str], name: str, shape: tuple[int, int, int]
) -> str:
    """
    Put together what `doubled_rows` gave.

    With the channels last, two columns of K channels lie as one of 2 * K: no number moves.

    Args:
        build: the graph.
        rows: even and odd ones, each (1, 2 * K, H, W).
        name: of the layer.
        shape: K, H and W.

    Returns:
        (1, 2 * H, 2 * W, K), channels last.

    """
    count, height, width = shape
    lines = build.constant(f'{name}/lines', [height, 1, width * 2 * count])
    parts = []
    for phase, value in enumerate(rows):
        last = build.add('Transpose', [value], f'{name}_row{phase}_last', perm=[0, 2, 3, 1])
        parts.append(build.add('Reshape', [last, lines], f'{name}_row{phase}_lines'))
    value = build.add('Concat', parts, f'{name}/lines_in_turn', axis=1)
    doubled = build.constant(f'{name}/doubled', [1, 2 * height, 2 * width, count])
    return build.add('Reshape', [value, doubled], f'{name}/together')


def normalised_together(
    build: GraphBuilder, value: str, layer: str, name: str, epsilon: float
) -> str:
    """
    Apply layer normalisation to what `rows_together` gave.

    Args:
        build: the graph.
        value: (1, H, W, K), channels last.
        layer: its weights, each (K, H, W), in the weights file; a runtime brings them into this
            order once, when it loads the graph.
        name: of the layer.
        epsilon: added to the variance.

    Returns:
        (1, H, W, K).

    """
    weights = [
        build.add(
            'Transpose', [build.weight(f'{layer}.{part}')], f'{name}/{part}_last', perm=[1, 2, 0]
        )
        for part in ('weight', 'bias')
    ]
    return build.add('LayerNormalization', [value, *weights], name, axis=1, epsilon=epsilon)


def normalised_columns(
    build: GraphBuilder, columns: Sequence[str], layer: str, name: str, epsilon: float
) -> str:
    """
    Apply layer normalisation to what `doubled_columns` gave.

    Args:
        build: the graph.
        columns: even and odd ones, each (1, 2 * K, H, W).
        layer: its weights, each (K, 2 * H, 2 * W), in the weights file; a runtime brings them into
            the order of the columns once, when it loads the graph.
        name: of the layer.
        epsilon: added to the variance.

    Returns:
        Even columns, then odd ones: (1, 4 * K, H, W).

    """
    channels, height, width = build.array(f'{layer}.weight').shape
    apart = build.constant(f'{name}/apart', [channels, height // 2, 2, width // 2, 2])
    stacked = build.constant(f'{name}/stacked', [4 * channels, height // 2, width // 2])
    weights = []
    for part in ('weight', 'bias'):
        value = build.add('Reshape', [build.weight(f'{layer}.{part}'), apart], f'{name}/{part}')
        value = build.add('Transpose', [value], f'{name}/{part}_phases', perm=[4, 2, 0, 1, 3])
        weights.append(build.add('Reshape', [value, stacked], f'{name}/{part}_stacked'))
    value = build.add('Concat', list(columns), f'{name}/columns', axis=1)
    return build.add('LayerNormalization', [value, *weights], name, axis=1, epsilon=epsilon)


def doubled_again(
    build: GraphBuilder, columns: Sequence[str], layer: str, name: str, size: tuple[int, int]
) -> str:
    """
    Double an image once more that `doubled_columns` gave, with few channels K.

    The image seen as blocks of 2x2 becomes one of blocks of 4x4. One product per column phase
    gives all that its values do to a block and to its neighbours: for each of the kernel's three
    columns, the block's four rows and the one above. What falls on the same pixel is then added
    up: few numbers, since K is small. The pixels of a block stay apart, each an image of its own.

    Args:
        build: the graph.
        columns: even and odd ones, each (1, 2 * C, H, W), or both as one, (1, 4 * C, H, W).
        layer: its weights, (C, K, 3, 3) and (K,), in the weights file.
        name: of the layer.
        size: H and W.

    Returns:
        (4, 4, K, H, W): column and row in a block, channel, row and column of the block.

    """
    kernel, bias = build.array(f'{layer}.weight'), build.array(f'{layer}.bias')
    before, count = kernel.shape[:2]
    # (tap of the columns, row -1 to 3 of a block, channel, phase of the rows, input channel)
    product = np.zeros((_SIDE, 5, count, 2, before), np.float32)
    for phase in (0, 1):
        for tap in range(_SIDE):
            product[:, 2 * phase + tap, :, phase] = kernel[:, :, tap].transpose(2, 1, 0)
    # The bias goes where each pixel of a block passes once: taps 1 and 2, not the row above.
    biases = np.zeros((_SIDE, 5, count), np.float32)
    biases[1:, 1:] = bias
    groups = 2 // len(columns)
    filters = np.tile(product.reshape(-1, 2 * before, 1, 1), (groups, 1, 1, 1))
    weights = [
        build.constant(f'{layer}.weight_blocks', filters),
        build.constant(f'{layer}.bias_blocks', np.tile(biases.reshape(-1), groups)),
    ]
    taps = build.constant(f'{name}/taps', [groups * _SIDE, 5, count, *size])
    parts: list[str] = []
    for index, value in enumerate(columns):
        made = build.add(
            'Conv', [value, *weights], f'{name}_{index}', kernel_shape=[1, 1], group=groups
        )
        made = build.add('Reshape', [made, taps], f'{name}_{index}/taps')
        names = [f'{name}_{index}/tap{tap}' for tap in range(groups * _SIDE)]
        build.add('Split', [made], f'{name}_{index}/split', names, axis=0)
        parts += names
    return _added_up(build, parts, name)


def _added_up(build: GraphBuilder, taps: Sequence[str], name: str) -> str:
    """Add what falls on the same column of a block, then what falls on the same row."""
    even, odd = taps[:_SIDE], taps[_SIDE:]
    left = _moved(build, even[0], f'{name}/left', axis=4, axes=5)
    columns = [
        even[1],
        build.add('Add', [even[2], odd[0]], f'{name}/column1'),
        odd[1],
        build.add('Add', [odd[2], left], f'{name}/column3'),
    ]
    value = build.add('Concat', columns, f'{name}/columns', axis=0)
    sizes = build.constant(f'{name}/rows', [1, 3, 1])
    names = [f'{name}/row_above', f'{name}/rows012', f'{name}/row3_part']
    build.add('Split', [value, sizes], f'{name}/split_rows', names, axis=1)
    above = _moved(build, names[0], f'{name}/above', axis=3, axes=5)
    last = build.add('Add', [names[2], above], f'{name}/row3')
    return build.add('Concat', [names[1], last], name, axis=1)


def _moved(build: GraphBuilder, value: str, name: str, *, axis: int, axes: int) -> str:
    """Move values by one place towards the beginning of an axis, and a zero in at its end."""
    pads = [0] * (2 * axes)
    pads[axis], pads[axes + axis] = -1, 1
    return build.add('Pad', [value, build.constant(f'{name}_pads', pads)], name)


def blocks_as_planes(
    build: GraphBuilder, value: str, name: str, shape: tuple[int, int, int]
) -> str:
    """
    Put the pixels of blocks of 4x4 together.

    Args:
        build: the graph.
        value: (4, 4, K, H, W), as `doubled_again` gives it.
        name: of the result.
        shape: K, 4 * H and 4 * W.

    Returns:
        (1, K, 4 * H, 4 * W).

    """
    value = build.add('Transpose', [value], f'{name}/pixels', perm=[2, 3, 1, 4, 0])
    return build.add('Reshape', [value, build.constant(f'{name}/shape', [1, *shape])], name)


def blocks_as_pixels(
    build: GraphBuilder, value: str, name: str, shape: tuple[int, int, int]
) -> str:
    """
    Put the pixels of blocks of 4x4 together, channels last.

    In two steps: ONNX Runtime copies whole lines in the first, and moves a single axis in the
    second; all at once takes several times as long.

    Args:
        build: the graph.
        value: (4, 4, K, H, W), as `doubled_again` gives it.
        name: of the result.
        shape: 4 * H, 4 * W and K.

    Returns:
        (4 * H, 4 * W, K).

    """
    height, width, count = shape
    value = build.add('Transpose', [value], f'{name}/lines', perm=[3, 1, 0, 2, 4])
    lines = build.constant(f'{name}/lines_shape', [height, 4 * count, width // 4])
    value = build.add('Reshape', [value, lines], f'{name}/lines_apart')
    value = build.add('Transpose', [value], f'{name}/pixels', perm=[0, 2, 1])
    return build.add('Reshape', [value, build.constant(f'{name}/shape', [*shape])], name)
