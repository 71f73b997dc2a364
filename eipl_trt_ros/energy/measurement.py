# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A measurement from start to stop, and the JSON file it becomes."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from eipl_trt_ros import __version__
from eipl_trt_ros.energy.frames import FrameLedger, FrameSpan
from eipl_trt_ros.energy.history import History, PowerSample
from eipl_trt_ros.energy.integrate import LONGEST_GAP
from eipl_trt_ros.energy.meter import WindowReport, measure, paper_energy
from eipl_trt_ros.energy.sources import SourceInfo
from eipl_trt_ros.errors import EnergyError
from eipl_trt_ros.files import atomic_write

FORMAT = 1


class Measurement:
    """
    Keeps all samples and frames between its start and its stop.

    The measured run is from the begin of the first frame to the end of the last, or, where no
    predictor ran (as for an idle baseline), from the first power sample to the last.

    Args:
        predictors: their names.
        warm_up_s: how many seconds at the begin of the run are left out.

    """

    def __init__(self, predictors: Sequence[str], *, warm_up_s: float) -> None:
        self._warm_up_s = warm_up_s
        self._history = History()
        self._ledgers = {name: FrameLedger() for name in predictors}
        self._run: tuple[int, int] | None = None
        self._began = datetime.now(timezone.utc)

    def add_sample(self, sample: PowerSample) -> None:
        """Add a power sample that is newer than all before."""
        self._history.add(sample)

    def add_frame(self, predictor: str, span: FrameSpan) -> None:
        """Add a frame."""
        self._ledgers[predictor].add(span)
        begin_ns, end_ns = self._run or (span.started_ns, span.finished_ns)
        self._run = min(begin_ns, span.started_ns), max(end_ns, span.finished_ns)

    def result(
        self, info: SourceInfo, *, idle_power_w: float | None, refused: Mapping[str, int]
    ) -> dict[str, Any]:
        """
        Return everything that was measured, as JSON can hold it.

        Args:
            info: what the source measures.
            idle_power_w: the board's power at rest, in watts; None where it is not known. It is
                never subtracted from another figure.
            refused: how many samples were refused during the measurement, by cause.

        Raises:
            EnergyError: fewer than two samples, a gap between them, or nothing after the warm-up.

        """
        begin_ns, end_ns = self._bounds()
        settled_ns = begin_ns + round(self._warm_up_s * 1e9)
        gap_ns = LONGEST_GAP * info.interval_s * 1e9
        if settled_ns >= end_ns:
            seconds = (end_ns - begin_ns) / 1e9
            msg = (
                f'the run took {seconds:.2f} s, no more than the warm-up of {self._warm_up_s:g} s'
            )
            raise EnergyError(msg)
        report = measure(self._history, self._ledgers, settled_ns, end_ns, gap_ns)
        newest = self._history.newest
        return {
            'format': FORMAT,
            'kind': 'energy measurement',
            'eipl_trt_ros': __version__,
            'began': self._began.isoformat(timespec='seconds'),
            'source': dataclasses.asdict(info),
            'elapsed_s': (end_ns - begin_ns) / 1e9,
            'warm_up_s': self._warm_up_s,
            'window': _window(report),
            'idle': _idle(report, idle_power_w),
            'predictors': {
                name: dataclasses.asdict(energy) | {'paper': self._paper(name, begin_ns, end_ns)}
                for name, energy in report.predictors.items()
            },
            'temperatures_c': {} if newest is None else dict(newest.temperatures_c),
            'power_modes': sorted(
                {s.power_mode for s in self._history.samples if s.power_mode is not None}
            ),
            'refused_samples': dict(refused),
            'samples': _samples(self._history, begin_ns),
        }

    def _bounds(self) -> tuple[int, int]:
        stamps = self._history.trace().stamps_ns
        if len(stamps) < 2:
            msg = f'{len(stamps)} power samples came during the measurement, expected at least 2'
            raise EnergyError(msg)
        if self._run is None:
            return int(stamps[0]), int(stamps[-1])
        # the frame at either end may lie a little outside of what was sampled
        return max(self._run[0], int(stamps[0])), min(self._run[1], int(stamps[-1]))

    def _paper(self, name: str, begin_ns: int, end_ns: int) -> dict[str, float] | None:
        """Return the paper's figures, as if this predictor had the board to itself."""
        spans = self._ledgers[name].finished(begin_ns, end_ns)
        per_frame = sum(span.computed_ns for span in spans) / len(spans) / 1e9
        try:
            energy = paper_energy(
                self._history.trace(), begin_ns, end_ns, per_frame, warm_up=self._warm_up_s
            )
        except EnergyError:  # a source with a counter alone
            return None
        return dataclasses.asdict(energy)


def _window(report: WindowReport) -> dict[str, Any]:
    """Return a window without what is elsewhere in the file."""
    window = dataclasses.asdict(report)
    for moved in ('begin_ns', 'end_ns', 'predictors', 'energy'):
        del window[moved]
    return {'seconds': report.seconds, **window, **dataclasses.asdict(report.energy)}


def _idle(report: WindowReport, idle_power_w: float | None) -> dict[str, float] | None:
    if idle_power_w is None:
        return None
    energy_mj = idle_power_w * 1000.0 * report.seconds
    return {
        'power_mw': idle_power_w * 1000.0,
        'energy_mj': energy_mj,
        'energy_above_idle_mj': report.energy.energy_mj - energy_mj,
    }


def _samples(history: History, begin_ns: int) -> dict[str, Any]:
    samples = history.samples
    rails = sorted({name for sample in samples for name in sample.rails_mw})
    return {
        'time_s': [(sample.stamp_ns - begin_ns) / 1e9 for sample in samples],
        'total_mw': [sample.total_mw for sample in samples],
        'energy_mj': [sample.energy_mj for sample in samples],
        'rails_mw': {name: [sample.rails_mw.get(name) for sample in samples] for name in rails},
    }


def write_measurement(path: Path, result: Mapping[str, Any]) -> None:
    """
    Write a measurement, whole or not at all.

    Raises:
        EnergyError: the file cannot be written.

    """
    try:
        with atomic_write(path) as file:
            file.write(json.dumps(result, indent=1, allow_nan=False).encode() + b'\n')
    except OSError as error:
        msg = f'the measurement cannot be written to {path}: {error}'
        raise EnergyError(msg) from None
