# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Records the power beside a loop that is measured, from a process of its own.

The loop's process is left in peace: it does not read its power, hold a second thread, or import
jtop, which changes settings of its process. The other process (`recording_process`) writes what
it reads to a file, which is looked at when the loop has ended.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from eipl_trt_ros.child_environment import child_environment
from eipl_trt_ros.closing import Closing
from eipl_trt_ros.energy.frames import FrameSpan
from eipl_trt_ros.energy.history import PowerSample
from eipl_trt_ros.energy.idle import IdlePower, idle_power
from eipl_trt_ros.energy.integrate import LONGEST_GAP
from eipl_trt_ros.energy.measurement import MeasuredRun, Measurement
from eipl_trt_ros.energy.meter import PAPER_WARM_UP
from eipl_trt_ros.energy.sampler import DEFAULT_INTERVAL, DEFAULT_JITTER
from eipl_trt_ros.energy.sources import SourceInfo, SourceState
from eipl_trt_ros.errors import EnergyError

_MODULE = 'eipl_trt_ros.energy.recording_process'
_LOOK = 0.02  # seconds between looks at the file
_PATIENCE = 5.0  # seconds the process gets to end by itself
_EDGE_NS = 2_000_000_000  # power this long before and after frames is kept with them


class PowerRecorder(Closing):
    """
    Records the power of this machine; use it in a ``with`` block.

    The recorder reads one source throughout, so that all runs within the block are comparable::

        with PowerRecorder('auto') as power:
            power.wait_for_power()  # or EnergyError: why there is none, and what helps
            idle = power.idle(10.0)
            # the loop: time.monotonic_ns() before and after each frame, into arrays
            run = power.measure({'sarnn fp32': frame_spans(started, finished, computed)}, idle)

    Args:
        source: one of `sources.SOURCES`.
        interval_s: mean time between samples, in seconds.
        jitter: see `Sampler`; 0 and an interval of 1 s read just as the paper did.
        maximum_w: power above this is not believed; None takes the source's own limit.
        recording: CSV file or bag for ``'recorded'``.
        gpu: index of the GPU for ``'nvml'``.

    """

    def __init__(
        self,
        source: str = 'auto',
        *,
        interval_s: float = DEFAULT_INTERVAL,
        jitter: float = DEFAULT_JITTER,
        maximum_w: float | None = None,
        recording: str = '',
        gpu: int = 0,
    ) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix='eipl_trt_')
        self._file = Path(self._folder.name) / 'power.jsonl'
        self._errors = Path(self._folder.name) / 'errors'
        self._offset = 0
        self._samples: list[PowerSample] = []
        self._info: SourceInfo | None = None
        self._state = SourceState.WAITING
        self._reason = f'the power source {source} was not opened yet'
        self._refused: list[tuple[int, Counter[str]]] = []  # counts by cause, and since when
        settings = {
            'source': source,
            'interval_s': interval_s,
            'jitter': jitter,
            'maximum_w': maximum_w,
            'recording': str(Path(recording).resolve()) if recording else '',
            'gpu': gpu,
        }
        with self._errors.open('wb') as errors:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [sys.executable, '-m', _MODULE, str(self._file), json.dumps(settings)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                env=child_environment(),
                start_new_session=True,  # Ctrl-C reaches this process alone, which ends the other
            )

    def wait_for_power(self, patience_s: float = 10.0) -> SourceInfo:
        """
        Wait for the first sample; return what the source measures.

        Raises:
            EnergyError: the source has none: the reason, and what helps.

        """
        info = self._until(time.monotonic_ns(), patience_s)
        if info is None:
            waited = '' if self._failed else f'no power came in {patience_s:g} s: '
            raise EnergyError(waited + self._reason)
        return info

    def idle(self, seconds: float = 10.0) -> IdlePower:
        """
        Measure the machine at rest, from now on; this process sleeps meanwhile.

        Raises:
            EnergyError: the power was not known throughout.

        """
        begin_ns = time.monotonic_ns()
        time.sleep(seconds)
        run = self._measure({}, None, begin_ns, time.monotonic_ns(), warm_up_s=0.0)
        return idle_power(run.window)

    def measure(
        self,
        frames: Mapping[str, Sequence[FrameSpan]],
        idle: IdlePower | None = None,
        *,
        warm_up_s: float = PAPER_WARM_UP,
    ) -> MeasuredRun:
        """
        Measure a run that has just ended, from the begin of its first frame to its last one's end.

        Waits for the first sample after the run.

        Args:
            frames: the frames of each predictor that ran, by a name; see `frame_spans`.
            idle: the machine at rest.
            warm_up_s: how many seconds at the begin of the run are left out.

        Raises:
            EnergyError: the run is no longer than the warm-up, or its power is not known
                throughout.

        """
        spans = [span for of_one in frames.values() for span in of_one]
        begin_ns = min(span.started_ns for span in spans)
        end_ns = max(span.finished_ns for span in spans)
        return self._measure(frames, idle, begin_ns, end_ns, warm_up_s=warm_up_s)

    def _measure(
        self,
        frames: Mapping[str, Sequence[FrameSpan]],
        idle: IdlePower | None,
        begin_ns: int,
        end_ns: int,
        *,
        warm_up_s: float,
    ) -> MeasuredRun:
        longest = LONGEST_GAP * (1.0 if self._info is None else self._info.interval_s)
        info = self._until(end_ns, 1.0 + longest)
        if info is None:
            msg = f'the power of the last frames is not known: {self._reason}'
            raise EnergyError(msg)
        measurement = Measurement(list(frames), warm_up_s=warm_up_s)
        edge_ns = _EDGE_NS if frames else 0
        for sample in self._samples:
            if begin_ns - edge_ns <= sample.stamp_ns <= end_ns + edge_ns:
                measurement.add_sample(sample)
        for name, spans in frames.items():
            for span in spans:
                measurement.add_frame(name, span)
        before = [counts for when_ns, counts in self._refused if when_ns < begin_ns]
        refused = self._refused[-1][1] - (before[-1] if before else Counter())
        return measurement.result(info, idle=idle, refused=refused)

    def _until(self, stamp_ns: int, patience_s: float) -> SourceInfo | None:
        """Wait for a sample at or after a stamp; None where none comes."""
        deadline = time.monotonic() + patience_s
        while True:
            ended = self._process.poll() is not None  # before the look: nothing comes after it
            self._look()
            if self._samples and self._samples[-1].stamp_ns >= stamp_ns:
                return self._info
            hopeless = self._failed and not self._samples
            if ended or hopeless or time.monotonic() > deadline:
                break
            time.sleep(_LOOK)
        if ended and not self._failed:
            self._state = SourceState.FAILED
            self._reason = f'the recording process ended: {self._errors.read_text().strip()}'
        return None

    @property
    def _failed(self) -> bool:
        return self._state is SourceState.FAILED

    def _look(self) -> None:
        """Take in what was written since the last look."""
        if not self._file.exists():
            return
        with self._file.open('rb') as file:
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b'\n'):  # the rest is still to be written
                    break
                self._offset += len(line)
                self._take(json.loads(line))

    def _take(self, message: Mapping[str, Any]) -> None:
        if 'sample' in message:
            self._samples.append(PowerSample(**message['sample']))
            return
        self._state = SourceState(message['state'])
        self._reason = message['reason']
        self._refused.append((message['now_ns'], Counter(message['refused'])))
        self._info = SourceInfo(**message['info'])

    def close(self) -> None:
        """End the process and remove its file."""
        if self._process.poll() is None and self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
            try:
                self._process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._folder.cleanup()
