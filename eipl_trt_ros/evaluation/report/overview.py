# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The tables beside the paper's: an overview, the times in full, rollouts, joints, recordings."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from eipl_trt_ros.evaluation.drift import STEPS
from eipl_trt_ros.evaluation.report.sheets import (
    MISSING,
    Sheet,
    factor,
    milliseconds,
    number,
    spread,
)
from eipl_trt_ros.evaluation.spread import Figure, Timing
from eipl_trt_ros.evaluation.summary import Row, plain

_COLUMNS = 4


def overview(rows: Sequence[Row]) -> Sheet:
    """
    Put one column per bundle and configuration, one row per figure: so it fits a narrow terminal.

    More than four get a row each.

    Args:
        rows: of the evaluation; the figures of a live run appear if one has it.

    """
    lines: list[tuple[str, Callable[[Row], str]]] = [
        ('backend', lambda r: r.identity.backend),
        ('precision', lambda r: r.identity.precision + '*' * r.identity.exact),
        ('frames', lambda r: str(r.accuracy.frames)),
        ('images dropped', lambda r: str(sum(r.dropped.values()))),
        ('joint MSE (x 1e-5)', lambda r: f'{r.accuracy.joint_mse * 1e5:.2f}'),
        ('... if nothing moved', lambda r: f'{r.accuracy.joint_mse_persistence * 1e5:.2f}'),
        ('1 to 5, to the joints (ms)', lambda r: _median(r, 'command')),
        ('1 to 5, with the image (ms)', lambda r: _median(r, 'frame')),
    ]
    if any(row.live is not None for row in rows):
        lines += [
            ('in the node: to the joints (ms)', lambda r: _live(r, 'motion_ms')),
            ('in the node: with the image (ms)', lambda r: _live(r, 'frame_ms')),
            ('image stamp to joints, p50 (ms)', lambda r: _live(r, 'command_ms')),
            ('... p99 (ms)', lambda r: _live(r, 'command_ms', 'p99')),
            ('... of it the camera (ms)', lambda r: _live(r, 'camera_ms')),
            ('... of it the node (ms)', lambda r: _live(r, 'node_ms')),
            ('frames dropped by the node', _dropped),
            ('frames equal to offline', _equal),
        ]
    note = 'Times are medians.'
    if any(row.identity.exact for row in rows):
        note += ' *: imitated arithmetic, right in its errors, not timed.'
    sheet = Sheet(
        'Overview',
        ('model', *(row.bundle.name for row in rows)),
        tuple((label, *(cell(row) for row in rows)) for label, cell in lines),
        note,
    )
    return sheet if len(rows) <= _COLUMNS else sheet.transposed()


def _median(row: Row, part: str) -> str:
    return MISSING if row.times is None else milliseconds(getattr(row.times, part).p50.value)


def _live(row: Row, part: str, percentile: str = 'p50') -> str:
    if row.live is None:
        return MISSING
    return milliseconds(getattr(getattr(row.live, part), percentile))


def _dropped(row: Row) -> str:
    return MISSING if row.live is None else str(sum(row.live.dropped.values()))


def _equal(row: Row) -> str:
    return MISSING if row.live is None else f'{row.live.equal}/{row.live.expected}'


def times(rows: Sequence[Row]) -> list[Sheet]:
    """Return the distributions of the times, and how many times as fast they are."""
    timed = [row for row in rows if row.times is not None]
    if not timed:
        return []
    frames = timed[0].times.frame.count if timed[0].times is not None else 0
    parts = {
        'device': 'steps (2) to (4), with the image',
        'frame': 'steps (1) to (5), with the image',
        'command': 'steps (1) to (5), to the command',
    }
    note = (
        f'{frames} frames of each, all in turn in one run; ± half the width of the 95 % interval '
        '(block bootstrap); jitter: standard deviation. Times as fast: ratio of the medians in '
        'the same blocks of frames.'
    )
    note += ''.join(
        f' {row.name}: every {row.times.every}th frame that ran was timed, since asking this '
        'device for times takes time.'
        for row in timed
        if row.times is not None and row.times.every > 1
    )
    return [
        Sheet(
            f'Time of a frame, {text} [ms]',
            (
                'model',
                'runs on',
                'mean',
                'p50',
                'p95',
                'p99',
                'max',
                'jitter',
                'frames/s',
                'than baseline',
                'than fp32',
            ),
            tuple(_timing_row(row, part) for row in timed),
            note,
        )
        for part, text in parts.items()
    ]


def _timing_row(row: Row, part: str) -> tuple[str, ...]:
    timing: Timing = getattr(row.times, part)
    speed = getattr(row.times, f'speed_{part}')
    figures = [spread(plain(getattr(timing, n))) for n in ('mean', 'p50', 'p95', 'p99', 'max')]
    return (
        row.bundle.name,
        row.identity.label,
        *figures,
        spread(plain(timing.jitter)),
        number(timing.fps.value),
        _factor(speed.get('baseline')),
        _factor(speed.get('fp32')),
    )


def _factor(figure: Figure | None) -> str:
    return MISSING if figure is None else factor(plain(figure))


def accuracies(rows: Sequence[Row]) -> Sheet:
    """Return what the paper's table 6 lacks: radians, images, and the command."""
    columns = (
        'model',
        'runs on',
        'joint MSE [1e-5]',
        'in radians² [1e-5]',
        'if nothing moved [1e-5]',
        'error rate',
        'image error [grey levels]',
        'image from fp32 [grey levels]',
        'command beyond tolerance [frames]',
        'largest [rad]',
        'gripper switched [frames]',
    )
    return Sheet(
        'Accuracy',
        columns,
        tuple(_accuracy_row(row) for row in rows),
        _tolerance(rows),
    )


def _tolerance(rows: Sequence[Row]) -> str:
    found = [row.accuracy.command for row in rows if row.accuracy.command is not None]
    if not found:
        return ''
    return (
        f'Command: frames in which a joint that is driven by position would have been sent more '
        f"than {found[0].tolerance:g} rad away from fp32's command."
    )


def _accuracy_row(row: Row) -> tuple[str, ...]:
    accuracy, command = row.accuracy, row.accuracy.command
    return (
        row.bundle.name,
        row.identity.label,
        number(accuracy.joint_mse * 1e5),
        number(accuracy.joint_mse_rad2 * 1e5),
        number(accuracy.joint_mse_persistence * 1e5),
        MISSING if accuracy.error_rate != accuracy.error_rate else f'{accuracy.error_rate:.4f}',
        number(accuracy.image_error),
        number(accuracy.image_difference),
        MISSING if command is None else f'{command.beyond} of {command.frames}',
        MISSING if command is None else number(command.largest),
        MISSING if command is None else str(command.switched),
    )


def drifts(rows: Sequence[Row]) -> Sheet:
    """Return how far closed-loop rollouts are after some steps."""
    heads = [f'{kind} after {step}' for kind in ('from recording', 'from fp32') for step in STEPS]
    lines = []
    for row in rows:
        for mixing in dict.fromkeys(drift.mixing for drift in row.drifts):
            found = [drift for drift in row.drifts if drift.mixing == mixing]
            lines.append(
                (
                    row.bundle.name,
                    row.identity.label,
                    f'{mixing:g}',
                    *(number(drift.from_recording_rad) for drift in found),
                    *(number(drift.from_fp32_rad) for drift in found),
                )
            )
    note = (
        'Mixing: share of the sensed image and joints in what the model sees; 0 shows it the '
        'first frame only. From recording: root mean square over the joints; from fp32: the joint '
        "that is farthest from fp32's rollout. '-': the recording has fewer frames without a gap."
    )
    return Sheet(
        'Drift of a rollout, in steps [rad]',
        ('model', 'runs on', 'mixing', *heads),
        tuple(lines),
        note,
    )


def recordings(rows: Sequence[Row]) -> Sheet:
    """Return the accuracy by recording."""
    return Sheet(
        'By recording',
        ('recording', 'model', 'runs on', 'frames', 'dropped', 'joint MSE [1e-5]', 'error rate'),
        tuple(
            (
                bag.bag,
                row.bundle.name,
                row.identity.label,
                str(bag.accuracy.frames),
                str(sum(bag.dropped.values())),
                number(bag.accuracy.joint_mse * 1e5),
                number(bag.accuracy.error_rate),
            )
            for row in rows
            for bag in row.bags
        ),
    )
