# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the predictor node says of itself on ``/diagnostics``, once a second (REP 107)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from eipl_trt_ros.ensemble import AnyPredictor, Ensemble
from eipl_trt_ros.nodes.intake import Intake
from eipl_trt_ros.nodes.statistics import FrameCounts, FrameStatistics
from eipl_trt_ros.sync import DropCause

_SILENCE_NS = 2_000_000_000  # nothing on a topic for this long is worth a warning


@dataclass(frozen=True)
class _Counts:
    """All counters of the node at one moment."""

    time_ns: int
    images: int
    joint_messages: int
    superseded: int
    missed_ticks: int
    time_jumps: int
    drops: Mapping[DropCause, int]
    frames: FrameCounts


class PredictorDiagnostics:
    """
    Turns counters into rates and a verdict, report by report.

    Args:
        name: the node's name, first part of the status' name.

    """

    def __init__(self, name: str) -> None:
        self._name = f'{name.lstrip("/")}: predictor'
        self._last: _Counts | None = None
        self._heard_ns = [0, 0]

    def restart(self, now_ns: int) -> None:
        """Forget the last report: the node was activated at this monotonic time."""
        self._last = None
        self._heard_ns = [now_ns, now_ns]

    def idle(self, state: str, failure: str | None) -> DiagnosticStatus:
        """Return the status of a node that is not active."""
        status = DiagnosticStatus(name=self._name)
        status.level = DiagnosticStatus.OK if failure is None else DiagnosticStatus.ERROR
        status.message = state if failure is None else failure
        return status

    def active(
        self, intake: Intake, statistics: FrameStatistics, predictor: AnyPredictor, now_ns: int
    ) -> DiagnosticStatus:
        """Return the status of an active node at a monotonic time, in nanoseconds."""
        sync = intake.synchronizer
        counts = _Counts(
            time_ns=now_ns,
            images=intake.images,
            joint_messages=intake.joint_messages,
            superseded=intake.superseded,
            missed_ticks=sync.missed_ticks,
            time_jumps=sync.jumps,
            drops=dict(sync.counters),
            frames=statistics.counts(),
        )
        last = self._last or counts
        self._last = counts
        if counts.images != last.images:
            self._heard_ns[0] = now_ns
        if counts.joint_messages != last.joint_messages:
            self._heard_ns[1] = now_ns
        status = DiagnosticStatus(name=self._name, hardware_id=predictor.backend.device)
        status.level, status.message = self._verdict(intake, last, counts)
        values = {**_identity(predictor), **_rates(last, counts), **_totals(intake, counts)}
        for what, quantiles in statistics.latencies().items():
            values[f'{what} p50 (ms)'] = f'{quantiles.p50:.3f}'
            values[f'{what} p95 (ms)'] = f'{quantiles.p95:.3f}'
            values[f'{what} p99 (ms)'] = f'{quantiles.p99:.3f}'
            values[f'{what} max (ms)'] = f'{quantiles.maximum:.3f}'
        status.values = [KeyValue(key=key, value=value) for key, value in values.items()]
        return status

    def _verdict(self, intake: Intake, last: _Counts, now: _Counts) -> tuple[bytes, str]:
        """Return the level and one line; the worst of what happened since the last report."""
        if now.frames.failed > last.frames.failed:
            failed = now.frames.failed - last.frames.failed
            return DiagnosticStatus.ERROR, f'{failed} frames failed, see the log'
        warning = self._silence(intake, now) or _losses(last, now)
        if warning is not None:
            return DiagnosticStatus.WARN, warning
        return DiagnosticStatus.OK, 'predicting' if now.frames.done else 'waiting for images'

    def _silence(self, intake: Intake, now: _Counts) -> str | None:
        topics = (intake.image_topic, intake.joint_topic)
        for topic, heard_ns in zip(topics, self._heard_ns, strict=True):
            if now.time_ns - heard_ns > _SILENCE_NS:
                seconds = (now.time_ns - heard_ns) / 1e9
                return f'nothing on {topic} for {seconds:.0f} s'
        missing = intake.synchronizer.missing_joints
        if missing and now.joint_messages:
            return f'{intake.joint_topic} lacks {", ".join(missing)}'
        return None


def _losses(last: _Counts, now: _Counts) -> str | None:
    lost = {
        cause.value: now.drops[cause] - last.drops[cause]
        for cause in DropCause
        if cause is not DropCause.RATE
    }
    lost['overtaken by a newer one'] = now.superseded - last.superseded
    texts = [f'{count} {cause}' for cause, count in lost.items() if count]
    if texts:
        return 'images dropped: ' + ', '.join(texts)
    if now.missed_ticks > last.missed_ticks:
        return f'{now.missed_ticks - last.missed_ticks} ticks without an image'
    if now.frames.overruns > last.frames.overruns:
        return f'{now.frames.overruns - last.frames.overruns} frames took longer than a period'
    return None


def _identity(predictor: AnyPredictor) -> dict[str, str]:
    bundle = predictor.bundle
    return {
        'bundle': bundle.name,
        'model': bundle.model.type,
        'backend': predictor.backend.name,
        'precision': predictor.backend.precision,
        **predictor.backend.notes,
        **_errors(predictor),
        'model rate (Hz)': f'{bundle.rate_hz:g}',
    }


def _errors(predictor: AnyPredictor) -> dict[str, str]:
    if not isinstance(predictor, Ensemble):
        return {}
    errors = zip(predictor.names, predictor.arbiter.errors, strict=True)
    return {f'error of {name}': f'{error:.3g}' for name, error in errors}


def _rates(last: _Counts, now: _Counts) -> dict[str, str]:
    seconds = (now.time_ns - last.time_ns) / 1e9
    if seconds <= 0:
        return {}
    return {
        'images (Hz)': f'{(now.images - last.images) / seconds:.2f}',
        'joint messages (Hz)': f'{(now.joint_messages - last.joint_messages) / seconds:.2f}',
        'predictions (Hz)': f'{(now.frames.done - last.frames.done) / seconds:.2f}',
    }


def _totals(intake: Intake, now: _Counts) -> dict[str, str]:
    totals = {
        'images': now.images,
        'joint messages': now.joint_messages,
        'frames': now.frames.done,
        'frames failed': now.frames.failed,
        'overruns': now.frames.overruns,
        'missed ticks': now.missed_ticks,
        'time jumps': now.time_jumps,
        'dropped: overtaken by a newer one': now.superseded,
        **{f'dropped: {cause.value}': count for cause, count in now.drops.items()},
    }
    values = {name: str(count) for name, count in totals.items()}
    joints_ns = intake.synchronizer.newest_joints_ns
    if joints_ns is not None and intake.last_stamp_ns is not None:
        ahead = (joints_ns - intake.last_stamp_ns) / 1e6
        values['newest joints minus newest image (ms)'] = f'{ahead:.1f}'
    return values
