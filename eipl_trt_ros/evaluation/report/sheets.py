# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A table of texts, which terminal, page and Markdown show alike, and how numbers are written."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from rich import box
from rich.table import Table
from rich.text import Text

MISSING = '-'


@dataclass(frozen=True)
class Sheet:
    """
    A table.

    Attributes:
        title: what it shows, with the unit.
        columns: headings; the first column's cells are names, the others' numbers.
        rows: texts, as many as columns.
        note: what a reader must know of it; may be empty.

    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ''

    def transposed(self) -> Sheet:
        """Return it with rows and columns exchanged."""
        columns, *rows = zip(self.columns, *self.rows, strict=True)
        return Sheet(self.title, columns, tuple(rows), self.note)

    def table(self) -> Table:
        """Return it for `rich.console.Console.print`, laid out so that Markdown takes it as is."""
        table = Table(box=box.MARKDOWN)
        for index, column in enumerate(self.columns):
            justify: Literal['left', 'right'] = 'right' if index else 'left'
            table.add_column(Text(column), justify=justify, overflow='fold')
        for row in self.rows:
            table.add_row(*map(Text, row))
        return table


def milliseconds(value: float | None) -> str:
    """Write a duration as short as it is still telling; '-' where nothing was measured."""
    if value is None or math.isnan(value):
        return MISSING
    return f'{value:.{_digits(value)}f}' if value else '0'


def _digits(value: float) -> int:
    return next((digits for limit, digits in ((100, 0), (10, 1), (1, 2)) if value >= limit), 3)


def with_spread(value: float | None, spread: float | None) -> str:
    """Write a duration and, after ±, its spread to as many digits."""
    if value is None or spread is None or math.isnan(spread):
        return milliseconds(value)
    return f'{milliseconds(value)} ±{spread:.{_digits(value)}f}'


def number(value: float | None) -> str:
    """Three significant digits without an exponent for usual sizes; '-' for what is not known."""
    if value is None or math.isnan(value):
        return MISSING
    if abs(value) >= 100:
        return f'{value:.0f}'
    return f'{value:.3g}'


def thousands(value: float | None) -> str:
    """Write a whole number with a comma at each thousand; '-' for what is not known."""
    return MISSING if value is None else f'{value:,.0f}'


def uncertain(value: float | None, spread: float | None) -> str:
    """Write a number and, after ±, its uncertainty where there is one."""
    if value is None:
        return MISSING
    return number(value) if spread is None else f'{number(value)} ±{number(spread)}'


def scientific(value: float | None) -> str:
    """Write an error as the paper does: 3.36E-05."""
    return MISSING if value is None or math.isnan(value) else f'{value:.2E}'


def spread(figure: Mapping[str, Any] | None) -> str:
    """Write a duration with half the width of its interval, if it has one."""
    if figure is None or figure['value'] is None:
        return MISSING
    half = None if figure['low'] is None else (figure['high'] - figure['low']) / 2
    return with_spread(figure['value'], half)


def factor(figure: Mapping[str, Any] | None) -> str:
    """Write how many times as fast, with its interval, if it has one."""
    if figure is None or figure['value'] is None:
        return MISSING
    text = f'{figure["value"]:.2f}x'
    if figure['low'] is None:
        return text
    return f'{text} ({figure["low"]:.2f} to {figure["high"]:.2f})'
