# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A measurement from start to stop: what it found, and the JSON file it becomes."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from eipl_trt_ros import __version__
from eipl_trt_ros.documents import read_json
from eipl_trt_ros.energy.frames import FrameLedger, FrameSpan
from eipl_trt_ros.energy.history import History, PowerSample
from eipl_trt_ros.energy.idle import IdlePower, above_idle, frame_above_idle
from eipl_trt_ros.energy.integrate import LONGEST_GAP, Energy
from eipl_trt_ros.energy.meter import (
    PaperEnergy,
    PredictorEnergy,
    WindowReport,
    measure,
    paper_energy,
)
from eipl_trt_ros.energy.shape import MEASUREMENT, check_shape
from eipl_trt_ros.energy.sources import SourceInfo
from eipl_trt_ros.errors import EnergyError
from eipl_trt_ros.files import atomic_write

FORMAT = 1
_KIND = 'energy measurement'


@dataclass(frozen=True)
class MeasuredPredictor:
    """
    What the frames of one predictor cost.

    Attributes:
        energy: its part of the window, the integrated figure among it.
        paper: the paper's figures, as if this predictor had the board to itself; None where the
            source tells no power.
        above_idle: the integrated energy of a frame less its share of the board at rest, in mJ;
            None where the power at rest is not known.

    """

    energy: PredictorEnergy
    paper: PaperEnergy | None
    above_idle: Energy | None


@dataclass(frozen=True)
class MeasuredRun:
    """
    Everything that a measurement found.

    Attributes:
        began: when it was started, UTC.
        source: what was measured.
        begin_ns: monotonic time of the run's begin.
        elapsed_s: length of the run in seconds.
        warm_up_s: how many of them were left out at the begin.
        window: the run without its warm-up.
        idle: the board at rest; None where that is not known.
        above_idle: the window's energy less that of the board at rest; None where that is not
            known. No other figure has anything subtracted.
        predictors: by name.
        samples: all power samples.
        refused: how many samples were refused, by cause.

    """

    began: datetime
    source: SourceInfo
    begin_ns: int
    elapsed_s: float
    warm_up_s: float
    window: WindowReport
    idle: IdlePower | None
    above_idle: Energy | None
    predictors: Mapping[str, MeasuredPredictor]
    samples: Sequence[PowerSample]
    refused: Mapping[str, int]

    @property
    def power_modes(self) -> list[str]:
        """The board's power modes during the run."""
        return sorted({s.power_mode for s in self.samples if s.power_mode is not None})

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON can hold it; docs/energy.md describes the keys."""
        return {
            'format': FORMAT,
            'kind': _KIND,
            'eipl_trt_ros': __version__,
            'began': self.began.isoformat(timespec='seconds'),
            'source': dataclasses.asdict(self.source),
            'elapsed_s': self.elapsed_s,
            'warm_up_s': self.warm_up_s,
            'window': _window(self.window),
            'idle': None if self.idle is None else dataclasses.asdict(self.idle),
            'above_idle': None if self.above_idle is None else dataclasses.asdict(self.above_idle),
            'predictors': {
                name: dataclasses.asdict(of_one) for name, of_one in self.predictors.items()
            },
            'temperatures_c': dict(self.samples[-1].temperatures_c),
            'power_modes': self.power_modes,
            'refused_samples': dict(self.refused),
            'samples': _samples(self.samples, self.begin_ns),
        }


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
        self, info: SourceInfo, *, idle: IdlePower | None, refused: Mapping[str, int]
    ) -> MeasuredRun:
        """
        Return everything that was measured.

        Args:
            info: what the source measures.
            idle: the board's power at rest; None where it is not known.
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
        window = measure(self._history, self._ledgers, settled_ns, end_ns, gap_ns)
        above = None if idle is None else above_idle(window, idle)
        predictors = {
            name: MeasuredPredictor(
                energy,
                self._paper(name, begin_ns, end_ns),
                None if above is None else frame_above_idle(above, energy),
            )
            for name, energy in window.predictors.items()
        }
        return MeasuredRun(
            began=self._began,
            source=info,
            begin_ns=begin_ns,
            elapsed_s=(end_ns - begin_ns) / 1e9,
            warm_up_s=self._warm_up_s,
            window=window,
            idle=idle,
            above_idle=above,
            predictors=predictors,
            samples=self._history.samples,
            refused=dict(refused),
        )

    def _bounds(self) -> tuple[int, int]:
        stamps = self._history.trace().stamps_ns
        if len(stamps) < 2:
            msg = f'{len(stamps)} power samples came during the measurement, expected at least 2'
            raise EnergyError(msg)
        if self._run is None:
            return int(stamps[0]), int(stamps[-1])
        # the frame at either end may lie a little outside of what was sampled
        return max(self._run[0], int(stamps[0])), min(self._run[1], int(stamps[-1]))

    def _paper(self, name: str, begin_ns: int, end_ns: int) -> PaperEnergy | None:
        spans = self._ledgers[name].finished(begin_ns, end_ns)
        per_frame = sum(span.computed_ns for span in spans) / len(spans) / 1e9
        try:
            return paper_energy(
                self._history.trace(), begin_ns, end_ns, per_frame, warm_up=self._warm_up_s
            )
        except EnergyError:  # a source with a counter alone
            return None


def _window(report: WindowReport) -> dict[str, Any]:
    """Return a window without what is elsewhere in the file."""
    window = dataclasses.asdict(report)
    for moved in ('begin_ns', 'end_ns', 'predictors', 'energy'):
        del window[moved]
    return {'seconds': report.seconds, **window, **dataclasses.asdict(report.energy)}


def _samples(samples: Sequence[PowerSample], begin_ns: int) -> dict[str, Any]:
    rails = sorted({name for sample in samples for name in sample.rails_mw})
    return {
        'time_s': [(sample.stamp_ns - begin_ns) / 1e9 for sample in samples],
        'total_mw': [sample.total_mw for sample in samples],
        'energy_mj': [sample.energy_mj for sample in samples],
        'rails_mw': {name: [sample.rails_mw.get(name) for sample in samples] for name in rails},
    }


def write_measurement(path: Path, run: MeasuredRun) -> None:
    """
    Write a measurement, whole or not at all.

    Raises:
        EnergyError: the file cannot be written.

    """
    try:
        with atomic_write(path) as file:
            file.write(json.dumps(run.as_dict(), indent=1, allow_nan=False).encode() + b'\n')
    except OSError as error:
        msg = f'the measurement cannot be written to {path}: {error}'
        raise EnergyError(msg) from None


def read_measurement(path: Path) -> dict[str, Any]:
    """
    Read a measurement that `power_node` wrote.

    Raises:
        EnergyError: the file cannot be read, is torn, or holds something else.

    """
    try:
        found = read_json(path, _refuse)
    except (OSError, ValueError) as error:
        msg = f'the measurement {path} cannot be read: {error}; power_node writes such files'
        raise EnergyError(msg) from None
    kind = (found.get('kind'), found.get('format')) if isinstance(found, dict) else None
    if kind != (_KIND, FORMAT):
        msg = f"{path} is no measurement of power_node: expected kind '{_KIND}', format {FORMAT}"
        raise EnergyError(msg)
    try:
        check_shape(found, MEASUREMENT)
    except EnergyError as error:
        msg = f'the measurement {path} is not as power_node writes it: {error}'
        raise EnergyError(msg) from None
    return dict(found)


def _refuse(constant: str) -> None:
    msg = f'{constant} is no number that a measurement has'
    raise ValueError(msg)
