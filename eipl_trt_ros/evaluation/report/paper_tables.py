# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The paper's tables 4 to 7, laid out as there, for one machine or for two side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from eipl_trt_ros.evaluation.report.boards import Board, Entry
from eipl_trt_ros.evaluation.report.sheets import (
    MISSING,
    Sheet,
    milliseconds,
    number,
    scientific,
    thousands,
    uncertain,
    with_spread,
)

_ENGINES = {'torch': 'PyTorch', 'onnxruntime': 'ONNX Runtime', 'tensorrt': 'TensorRT'}
_WHOLE = 'The whole model, predicted image included, as in the paper; mean of the frames'
_JOINT_MSE = 'joint MSE'
_EXACT = 'imitated arithmetic: right in its errors, not timed'


def paper_tables(board: Board) -> list[Sheet]:
    """Return the four tables of a machine."""
    return [_table4(board), _table5(board), _table6(board), _table7(board)]


def _columns(board: Board) -> list[tuple[str, str, bool]]:
    """Return backend, precision and whether it is the baseline, each once, in order."""
    found = [(e.backend, e.precision, e.baseline) for e in board.entries]
    return list(dict.fromkeys(found))


def _heading(column: tuple[str, str, bool]) -> str:
    backend, precision, _ = column
    return f'{_ENGINES.get(backend, backend)} {precision.upper()}'


def _bundles(board: Board) -> list[str]:
    return list(dict.fromkeys(entry.bundle for entry in board.entries))


def _find(board: Board, bundle: str, column: tuple[str, str, bool]) -> Entry | None:
    for entry in board.entries:
        if entry.bundle == bundle and column == (entry.backend, entry.precision, entry.baseline):
            return entry
    return None


def _times(
    board: Board,
    title: str,
    columns: Sequence[tuple[str, str, bool]],
    cell: Callable[[Entry], str],
) -> Sheet:
    rows = []
    for bundle in _bundles(board):
        entries = [_find(board, bundle, column) for column in columns]
        rows.append((bundle, *(MISSING if e is None else cell(e) for e in entries)))
    spread = any(entry.frame_spread_ms is not None for entry in board.entries)
    note = _WHOLE + (', ± half the width of its 95 % interval.' if spread else '.')
    return Sheet(title, ('model', *map(_heading, columns)), tuple(rows), note)


def _timed(board: Board) -> list[tuple[str, str, bool]]:
    return [
        column
        for column in _columns(board)
        if any(
            not entry.exact and column == (entry.backend, entry.precision, entry.baseline)
            for entry in board.entries
        )
    ]


def _table4(board: Board) -> Sheet:
    title = f'Table 4: inference time, steps (2) to (4), on {board.name} [ms]'
    return _times(
        board, title, _timed(board), lambda e: with_spread(e.device_ms, e.device_spread_ms)
    )


def _table5(board: Board) -> Sheet:
    title = f'Table 5: the same with pre- and post-processing, steps (1) to (5), on {board.name}'
    columns = [
        column
        for column in _timed(board)
        if any(
            entry.frame_ms is not None
            and column == (entry.backend, entry.precision, entry.baseline)
            for entry in board.entries
        )
    ]
    return _times(
        board,
        f'{title} [ms]',
        columns or _timed(board),
        lambda e: with_spread(e.frame_ms, e.frame_spread_ms),
    )


def _table6(board: Board) -> Sheet:
    columns = [
        column
        for column in _columns(board)
        if any(
            entry.mse is not None and column == (entry.backend, entry.precision, entry.baseline)
            for entry in board.entries
        )
    ]
    headings: list[str] = []
    for column in columns:
        headings.append(f'{_heading(column)} MSE')
        if column[1] != 'fp32':
            headings.append('error rate')
    rows = []
    for bundle in _bundles(board):
        cells: list[str] = []
        for column in columns:
            entry = _find(board, bundle, column)
            mark = '*' if entry is not None and entry.exact else ''
            cells.append(scientific(None if entry is None else entry.mse) + mark)
            if column[1] != 'fp32':
                rate = None if entry is None else entry.rate
                cells.append(_rate(rate))
        rows.append((bundle, *cells))
    note = 'MSE of the joints predicted at t against the joints at t + 1, normalised units.'
    if any(entry.exact for entry in board.entries):
        note += f' *: {_EXACT}.'
    title = f'Table 6: loss of accuracy by precision, on {board.name}'
    return Sheet(title, ('model', *headings), tuple(rows), note)


def _table7(board: Board) -> Sheet:
    title = f'Table 7: energy of inference, on {board.name}'
    columns: tuple[str, ...] = (
        'model',
        'precision',
        'frames',
        'mean power [mW]',
        'total energy [mJ]',
        'energy per frame [mJ]',
    )
    better = any(entry.integrated_mj is not None for entry in board.entries)
    if better:
        columns += ('integrated, per frame [mJ]', 'above idle, per frame [mJ]')
    measured = [e for e in board.entries if e.energy_per_frame_mj is not None or e.integrated_mj]
    rows = tuple(_energy_row(entry, better) for entry in measured)
    note = (
        "The paper's method: one power sample a second, the first 3 s dropped; total = mean power "
        'x (elapsed - 3 s); per frame = mean power x time of steps (1) to (5).'
    )
    if better:
        note += (
            ' Integrated: the power over its own stamps, or the energy counter where there is '
            "one, per frame; ± standard uncertainty from sampling. Above idle: less the machine's "
            'power at rest.'
        )
    if not rows:
        note = f'Not measured: {board.energy_note or "no power was recorded"}'
    return Sheet(title, columns, rows, note)


def _energy_row(entry: Entry, better: bool) -> tuple[str, ...]:
    cells = [
        entry.bundle,
        f'{_ENGINES.get(entry.backend, entry.backend)} {entry.precision.upper()}',
        MISSING if entry.frames is None else f'{entry.frames:,}',
        thousands(entry.mean_power_mw),
        thousands(entry.total_energy_mj),
        number(entry.energy_per_frame_mj),
    ]
    if better:
        cells.append(uncertain(entry.integrated_mj, entry.integrated_spread_mj))
        cells.append(uncertain(entry.above_idle_mj, entry.above_idle_spread_mj))
    return tuple(cells)


def compared(first: Board, second: Board) -> list[Sheet]:
    """
    Put two machines side by side.

    A bundle meets the bundle of its name or, where there is none, that of the same type of model.

    Args:
        first: a machine.
        second: another.

    Returns:
        A table for times, accuracy and energy each.

    """
    pairs = _pairs(first, second)
    kinds: list[tuple[str, Callable[[Entry], float | None], Callable[[float | None], str]]] = [
        ('steps (2) to (4) [ms]', lambda e: e.device_ms, milliseconds),
        ('steps (1) to (5) [ms]', lambda e: e.frame_ms, milliseconds),
        (_JOINT_MSE, lambda e: e.mse, scientific),
        ('error rate against fp32', lambda e: e.rate, _rate),
        ('mean power [mW]', lambda e: e.mean_power_mw, thousands),
        ("energy per frame, the paper's way [mJ]", lambda e: e.energy_per_frame_mj, number),
        ('energy per frame, integrated [mJ]', lambda e: e.integrated_mj, number),
    ]
    names = [first.name, second.name]
    if names[0] == names[1]:
        names = [f'{board.name} ({board.source})' for board in (first, second)]
    return [
        _side_by_side(title, value, write, names, pairs)
        for title, value, write in kinds
        if any(value(e) is not None for pair in pairs for e in pair if e is not None)
    ]


_Pair = tuple['Entry | None', 'Entry | None']


def _rate(value: float | None) -> str:
    return MISSING if value is None else f'{value:.3f}'


def _pairs(first: Board, second: Board) -> list[_Pair]:
    left = list(second.entries)
    pairs: list[_Pair] = []
    for entry in first.entries:
        other = next((e for e in left if _same(entry, e, by='bundle')), None) or next(
            (e for e in left if _same(entry, e, by='model')), None
        )
        if other is not None:
            left.remove(other)
        pairs.append((entry, other))
    return [*pairs, *((None, entry) for entry in left)]


def _same(first: Entry, second: Entry, *, by: str) -> bool:
    return (
        getattr(first, by) == getattr(second, by)
        and first.precision == second.precision
        and first.baseline == second.baseline
    )


def _side_by_side(
    title: str,
    value: Callable[[Entry], float | None],
    write: Callable[[float | None], str],
    names: Sequence[str],
    pairs: Sequence[_Pair],
) -> Sheet:
    rows = []
    for one, other in pairs:
        known = one or other
        values = [None if entry is None else value(entry) for entry in (one, other)]
        if known is None or values == [None, None]:
            continue
        engines = [
            MISSING if e is None else _ENGINES.get(e.backend, e.backend) for e in (one, other)
        ]
        rows.append(
            (
                known.model.upper(),
                f'{known.precision.upper()}{", baseline" if known.baseline else ""}',
                f'{write(values[0])} ({engines[0]})',
                f'{write(values[1])} ({engines[1]})',
                _quotient(title, one, other, values),
            )
        )
    columns = ('model', 'precision', *names, 'first / second')
    return Sheet(title, columns, tuple(rows))


def _quotient(
    title: str, one: Entry | None, other: Entry | None, values: Sequence[float | None]
) -> str:
    """Divide; but the errors of two bundles are of other weights and data, and do not compare."""
    first, second = values
    if one is None or other is None or first is None or not second:
        return MISSING
    if title == _JOINT_MSE and one.bundle != other.bundle:
        return MISSING
    return number(first / second)
