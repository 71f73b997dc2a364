# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The tables of what a `power_node` measured: the board, and the predictors that ran on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from eipl_trt_ros.evaluation.power_file import PowerFile
from eipl_trt_ros.evaluation.report.sheets import (
    MISSING,
    Sheet,
    milliseconds,
    number,
    thousands,
    uncertain,
)


def power_sheets(files: Sequence[PowerFile]) -> list[Sheet]:
    """
    Return the tables; none without a measurement.

    Args:
        files: the measurements, a column each in the first table.

    """
    if not files:
        return []
    sheets = [_board(files)]
    if any(one.measurement['predictors'] for one in files):
        sheets.append(_predictors(files))
    return sheets


_Measurement = Mapping[str, Any]


def _board(files: Sequence[PowerFile]) -> Sheet:
    lines: list[tuple[str, Callable[[_Measurement], str]]] = [
        ('began', lambda m: m['began']),
        ('source', lambda m: f'{m["source"]["name"]} {m["source"]["version"]}'.strip()),
        ('total is the power of', lambda m: m['source']['scope'] or m['source']['total']),
        ('power mode', lambda m: ', '.join(m['power_modes']) or MISSING),
        ('run [s]', lambda m: f'{m["elapsed_s"]:.2f}'),
        ('of it left out as warm-up [s]', lambda m: f'{m["warm_up_s"]:g}'),
        ('window [s]', lambda m: f'{m["window"]["seconds"]:.2f}'),
        ('power samples in it', lambda m: f'{m["window"]["samples"]:,}'),
        ('mean interval of samples [s]', lambda m: number(m['window']['interval_seconds'])),
        ('longest interval [s]', lambda m: number(m['window']['longest_interval_seconds'])),
        ('samples refused', lambda m: str(sum(m['refused_samples'].values()))),
        ('mean power, total [mW]', lambda m: thousands(m['window']['mean_power_mw'])),
        ('... lowest to highest [mW]', _range),
        *((f'... rail {name} [mW]', _rail(name)) for name in _rails(files)),
        ('energy of the window by', lambda m: m['window']['method']),
        ('... [mJ]', lambda m: _energy(m['window'])),
        ('... by the integral of power [mJ]', lambda m: _energy(m['window']['integral'])),
        ('power at rest [mW]', _idle),
        ('energy above rest [mJ]', lambda m: _energy(m['above_idle'])),
    ]
    note = (
        'Window: the run without its warm-up. ± standard uncertainty from sampling. Rails are '
        'parts of the total.'
    )
    return Sheet(
        'Power of the board in service, by power_node',
        ('measurement', *(one.file.name for one in files)),
        tuple((label, *(cell(one.measurement) for one in files)) for label, cell in lines),
        note,
    )


def _rails(files: Sequence[PowerFile]) -> list[str]:
    found = (name for one in files for name in one.measurement['window']['rails_mw'])
    return list(dict.fromkeys(found))


def _rail(name: str) -> Callable[[_Measurement], str]:
    return lambda m: thousands(m['window']['rails_mw'].get(name))


def _range(measurement: _Measurement) -> str:
    window = measurement['window']
    if window['lowest_power_mw'] is None or window['highest_power_mw'] is None:
        return MISSING
    return f'{thousands(window["lowest_power_mw"])} to {thousands(window["highest_power_mw"])}'


def _idle(measurement: _Measurement) -> str:
    idle = measurement['idle']
    return MISSING if idle is None else uncertain(idle['power_mw'], idle['uncertainty_mw'])


def _energy(energy: Mapping[str, float] | None) -> str:
    return MISSING if energy is None else uncertain(energy['energy_mj'], energy['uncertainty_mj'])


def _predictors(files: Sequence[PowerFile]) -> Sheet:
    columns = (
        'predictor',
        'measurement',
        'frames',
        'steps (1) to (5) [ms]',
        'part of the energy',
        'mean power [mW]',
        'total energy [mJ]',
        'energy per frame [mJ]',
        'integrated, per frame [mJ]',
        'above rest, per frame [mJ]',
        'frames per joule',
    )
    note = (
        "Mean power, total energy and energy per frame are the paper's method: one sample a "
        'second, without the warm-up, as if the predictor had the board to itself. The other '
        'figures share it by busy time. Integrated: also what the board drew between frames.'
    )
    rows = tuple(
        _predictor(name, one.file.name, of_one)
        for one in files
        for name, of_one in one.measurement['predictors'].items()
    )
    return Sheet('Energy of the predictors in service', columns, rows, note)


def _predictor(name: str, file: str, of_one: Mapping[str, Any]) -> tuple[str, ...]:
    energy, paper = of_one['energy'], of_one['paper'] or {}
    integrated = energy['integrated_energy_per_frame_mj']
    return (
        name,
        file,
        f'{energy["frames"]:,}',
        milliseconds(1e3 * energy['seconds_per_frame']),
        f'{100 * energy["share"]:.1f} %',
        thousands(paper.get('mean_power_mw')),
        thousands(paper.get('total_energy_mj')),
        number(paper.get('energy_per_frame_mj')),
        uncertain(integrated, energy['integrated_uncertainty_mj']),
        _energy(of_one['above_idle']),
        number(energy['frames_per_joule']),
    )
