# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the power node publishes: the energy of a frame, and the summary once a second."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from eipl_trt_ros.energy.history import PowerSample
from eipl_trt_ros.energy.idle import IdlePower, above_idle, frame_above_idle
from eipl_trt_ros.energy.integrate import LONGEST_GAP
from eipl_trt_ros.energy.live import FrameEnergy, LiveMeter
from eipl_trt_ros.energy.meter import PredictorEnergy, WindowReport
from eipl_trt_ros.energy.plausibility import Plausibility
from eipl_trt_ros.energy.sample_text import SAMPLE_KIND, SUMMARY_KIND, sample_values
from eipl_trt_ros.energy.sources import PowerSource, SourceInfo, SourceState

_SHORTEST_SILENCE = 1.0  # seconds; less can be the scheduler's doing
_NOTE = (
    'power is sampled far less often than frames come: the energy of this frame is the power '
    'around it times its own time'
)
_NOTE_SHARED = "; several predictors share the board's energy by busy time, which is a convention"


def sample_status(node: str, sample: PowerSample, info: SourceInfo) -> DiagnosticStatus:
    """Return the status of one power sample, for ``~/power``; `recordings` reads it from a bag."""
    status = DiagnosticStatus(name=f'{node.lstrip("/")}: {SAMPLE_KIND}', hardware_id=info.scope)
    status.level = DiagnosticStatus.OK
    status.message = info.total
    if sample.total_mw is not None:
        status.message += f': {sample.total_mw / 1000:.3f} W'
    status.values = _entries(sample_values(sample))
    return status


def frame_status(
    energy: FrameEnergy, info: SourceInfo, idle: IdlePower | None
) -> DiagnosticStatus:
    """Return the status of one frame, for ``~/frame_energy``."""
    of_one = energy.window.predictors[energy.predictor]
    name = f'{energy.predictor.lstrip("/")}: frame energy'
    status = DiagnosticStatus(name=name, hardware_id=info.scope, level=DiagnosticStatus.OK)
    status.message = _per_frame(of_one)
    values = {
        'frame': str(energy.span.number),
        'energy of this frame (mJ)': f'{energy.energy_mj:.3f}',
        'time in work (ms)': f'{energy.span.busy_ns / 1e6:.3f}',
        'steps 1 to 5 (ms)': f'{energy.span.computed_ns / 1e6:.3f}',
        **_predictor_values(of_one, energy.window, idle),
        **_window_values(energy.window),
        **sample_values(energy.newest),
        'note': _NOTE + (_NOTE_SHARED if len(energy.window.predictors) > 1 else ''),
    }
    status.values = _entries(values)
    return status


def _per_frame(of_one: PredictorEnergy) -> str:
    integrated = f'{of_one.integrated_energy_per_frame_mj:.1f} mJ per frame integrated'
    if of_one.paper_energy_per_frame_mj is None:
        return integrated
    return f'{of_one.paper_energy_per_frame_mj:.1f} mJ per frame as in the paper, {integrated}'


def _predictor_values(
    of_one: PredictorEnergy, window: WindowReport, idle: IdlePower | None
) -> dict[str, str]:
    values = {}
    if of_one.paper_energy_per_frame_mj is not None:
        values['energy per frame, paper (mJ)'] = f'{of_one.paper_energy_per_frame_mj:.3f}'
    if idle is not None:
        above = frame_above_idle(above_idle(window, idle), of_one)
        values['energy per frame above idle, integrated (mJ)'] = f'{above.energy_mj:.3f}'
        values['uncertainty above idle (mJ)'] = f'{above.uncertainty_mj:.3f}'
    return values | {
        'energy per frame, integrated (mJ)': f'{of_one.integrated_energy_per_frame_mj:.3f}',
        'uncertainty, integrated (mJ)': f'{of_one.integrated_uncertainty_mj:.3f}',
        'frames per joule': f'{of_one.frames_per_joule:.3f}',
        'time per frame (ms)': f'{of_one.seconds_per_frame * 1e3:.3f}',
        'frames in the window': str(of_one.frames),
        'frames not heard of': str(of_one.missed),
        'share of the board by busy time': f'{of_one.share:.4f}',
        'overlap with other predictors': f'{1.0 - of_one.overlap:.4f}',
    }


def _window_values(window: WindowReport) -> dict[str, str]:
    values = {
        'window (s)': f'{window.seconds:.3f}',
        'energy of the window (mJ)': f'{window.energy.energy_mj:.1f}',
        'method': window.method,
        'samples in the window': str(window.samples),
    }
    if window.interval_seconds is not None and window.longest_interval_seconds is not None:
        values['sampling interval (s)'] = f'{window.interval_seconds:.4f}'
        values['longest sampling interval (s)'] = f'{window.longest_interval_seconds:.4f}'
    if window.mean_power_mw is not None:
        values['mean power (mW)'] = f'{window.mean_power_mw:.0f}'
    for rail, power in window.rails_mw.items():
        values[f'mean power of {rail} (mW)'] = f'{power:.0f}'
    return values


def _entries(values: Mapping[str, str]) -> list[KeyValue]:
    return [KeyValue(key=key, value=value) for key, value in values.items()]


@dataclass
class _Seen:
    """Counts at the last report."""

    accepted: int = 0
    refused: int = 0
    unread: int = 0


class PowerDiagnostics:
    """
    The power node's own status.

    Args:
        name: the node's name, first part of the status' name.
        begin_ns: monotonic time at which the node began.

    """

    def __init__(self, name: str, begin_ns: int) -> None:
        self._name = f'{name.lstrip("/")}: {SUMMARY_KIND}'
        self._begin_ns = begin_ns
        self._last = _Seen()

    def report(
        self,
        source: PowerSource,
        plausibility: Plausibility,
        live: LiveMeter,
        *,
        unread: str,
        unread_count: int,
        idle: IdlePower | None,
        measurement: str,
        now_ns: int,
    ) -> DiagnosticStatus:
        """
        Return the status.

        Args:
            source: where power is read.
            plausibility: what became of its samples.
            live: the meter.
            unread: why the last message that was no frame timing could not be read.
            unread_count: how many such messages came.
            idle: the board at rest; None where that is not known.
            measurement: what the measurement does.
            now_ns: monotonic time.

        """
        now = _Seen(plausibility.accepted, plausibility.refused.total(), unread_count)
        last, self._last = self._last, now
        info = source.info
        status = DiagnosticStatus(name=self._name, hardware_id=info.scope)
        status.level, status.message = (
            self._trouble(source, plausibility, live, last, now_ns)
            or _doubts(plausibility, last, now, unread)
            or (DiagnosticStatus.OK, _good_news(live))
        )
        values = {
            **_source_values(info, plausibility),
            **_live_values(live, idle),
            'measurement': measurement,
        }
        status.values = _entries(values)
        return status

    def _trouble(
        self,
        source: PowerSource,
        plausibility: Plausibility,
        live: LiveMeter,
        last: _Seen,
        now_ns: int,
    ) -> tuple[bytes, str] | None:
        """Return why there is no power now, or None where there is."""
        status = source.status
        if status.state is SourceState.FAILED:
            return DiagnosticStatus.ERROR, str(status)
        heard_ns = self._begin_ns if live.newest is None else live.newest.stamp_ns
        silent = (now_ns - heard_ns) / 1e9
        if plausibility.accepted == last.accepted and plausibility.refused.total() > last.refused:
            text = f'no power: {plausibility.last_refusal}; check the sensor and maximum_power'
            return DiagnosticStatus.ERROR, text
        if silent > max(LONGEST_GAP * source.info.interval_s, _SHORTEST_SILENCE):
            return DiagnosticStatus.STALE, f'no power for {silent:.0f} s: {status}'
        if live.newest is None:
            return DiagnosticStatus.STALE, f'no power yet: {status}'
        return None


def _doubts(
    plausibility: Plausibility, last: _Seen, now: _Seen, unread: str
) -> tuple[bytes, str] | None:
    if now.unread > last.unread:
        return DiagnosticStatus.WARN, unread
    if now.refused > last.refused:
        count = now.refused - last.refused
        return DiagnosticStatus.WARN, f'{count} samples refused: {plausibility.last_refusal}'
    return None


def _good_news(live: LiveMeter) -> str:
    if live.window is None:
        return f'power is read; no energy yet: {live.no_window}'
    if not live.window.predictors:
        return 'power is read; no frames in the window'
    texts = [f'{name}: {_per_frame(of)}' for name, of in live.window.predictors.items()]
    return '; '.join(texts)


def _source_values(info: SourceInfo, plausibility: Plausibility) -> dict[str, str]:
    values = {
        'source': f'{info.name} {info.version}'.strip(),
        'total': info.total,
        'scope': info.scope,
        'asked-for sampling interval (s)': f'{info.interval_s:.4f}',
        'samples': str(plausibility.accepted),
    }
    for name, value in info.settings.items():
        values[f'sensor: {name}'] = value
    for cause, count in sorted(plausibility.refused.items()):
        values[f'samples refused: {cause}'] = str(count)
    for rail, count in sorted(plausibility.refused_rails.items()):
        values[f'readings of {rail} refused'] = str(count)
    return values


def _live_values(live: LiveMeter, idle: IdlePower | None) -> dict[str, str]:
    values = {} if live.newest is None else sample_values(live.newest)
    if idle is not None:
        values['idle power (mW)'] = f'{idle.power_mw:.0f}'
    if live.window is not None:
        values |= _window_values(live.window)
        for name, of_one in live.window.predictors.items():
            for key, value in _predictor_values(of_one, live.window, idle).items():
                values[f'{name}: {key}'] = value
    for name, count in sorted(live.frames.items()):
        values[f'{name}: frames heard of'] = str(count)
    for reason, count in sorted(live.without_energy.items()):
        values[f'frames without energy: {reason}'] = str(count)
    return values
