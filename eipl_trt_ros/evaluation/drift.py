# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Where a model goes when it is fed its own predictions, and where fp16 and int8 go otherwise.

With EIPL's ``input_param`` at 1 the model sees the sensors in each step; at 0 only the first step,
and then what it predicted itself. Small errors of arithmetic that a sensed input would mend can
grow there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.errors import EiplTrtError
from eipl_trt_ros.evaluation.accuracy import joint_spans
from eipl_trt_ros.evaluation.configurations import Configuration, open_lineup
from eipl_trt_ros.evaluation.frames import Frame
from eipl_trt_ros.predictor import Predictor

MIXINGS = (1.0, 0.8, 0.0)
STEPS = (10, 50, 100)


@dataclass(frozen=True)
class Rollout:
    """
    One configuration over the begin of one recording, at one mixing.

    Attributes:
        label: of the configuration that ran, see `Identity`.
        mixing: share of the sensed input.
        predicted: float64 (T, D), radians.
        measured: float64 (T, D), the joints one step later; NaN where not measured.

    """

    label: str
    mixing: float
    predicted: NDArray[np.float64]
    measured: NDArray[np.float64]


@dataclass(frozen=True)
class Drift:
    """
    How far a rollout is after some steps.

    Attributes:
        mixing: share of the sensed input.
        step: after how many steps.
        recordings: how many were long enough.
        from_recording: root mean square over joints and recordings of predicted less measured
            joints, in normalised units.
        from_recording_rad: the same in radians, over the joints that are driven by position.
        from_fp32_rad: largest difference of such a joint from fp32's rollout, in radians; NaN
            where there is no fp32 beside it.

    """

    mixing: float
    step: int
    recordings: int
    from_recording: float
    from_recording_rad: float
    from_fp32_rad: float


def run_rollouts(
    bundle: Bundle,
    frames: Sequence[Frame],
    sensed: Mapping[Configuration, NDArray[np.float64]],
    threads: int,
) -> tuple[list[Rollout], list[str]]:
    """
    Roll out configurations at every mixing.

    Args:
        bundle: the model.
        frames: the begin of a recording, without a reset or gap, at least two.
        sensed: the configurations, each with what it predicts of these frames (and maybe more,
            (N, D), radians) where it sees the sensors alone: that is mixing 1.
        threads: CPU threads for one inference.

    Returns:
        The rollouts, and what was left out and why, a line each.

    """
    rollouts: list[Rollout] = []
    notes: list[str] = []
    measured = np.array([frame.joints for frame in frames[1:]], np.float64)
    for one, predicted in sensed.items():
        rollouts.append(Rollout(one.label, 1.0, predicted[: len(measured)], measured))
        try:
            mixed = _mixed(bundle, one, frames[:-1], threads)
        except EiplTrtError as error:
            notes.append(f'{bundle.name}, {one.label}: no closed-loop rollout: {error}')
            continue
        rollouts += [Rollout(one.label, mixing, joints, measured) for mixing, joints in mixed]
    return rollouts, notes


def _mixed(
    bundle: Bundle, wanted: Configuration, frames: Sequence[Frame], threads: int
) -> list[tuple[float, NDArray[np.float64]]]:
    """Roll out at the mixings below 1; the predictor is opened once, which can take seconds."""
    mixings = [mixing for mixing in MIXINGS if mixing != 1.0]
    found = []
    with open_lineup(bundle, [wanted], threads=threads, mixing=mixings[0]) as lineup:
        predictor = lineup.opened[0].predictor
        for mixing in mixings:
            predictor.input_mixing = mixing
            predictor.reset()
            found.append((mixing, _roll(predictor, frames)))
    return found


def _roll(predictor: Predictor, frames: Sequence[Frame]) -> NDArray[np.float64]:
    predicted = np.empty((len(frames), predictor.bundle.model.joint_dim))
    for index, frame in enumerate(frames):
        predicted[index] = predictor.step(frame.picture, frame.joints).joints
    return predicted


def drifts_of(
    bundle: Bundle,
    recordings: Sequence[Sequence[Rollout]],
    label: str,
    reference: str | None,
) -> tuple[Drift, ...]:
    """
    Sum up the rollouts of one configuration over its recordings.

    Args:
        bundle: the model.
        recordings: all rollouts, by recording.
        label: of the configuration.
        reference: label of the fp32 configuration to compare with, if there is one.

    """
    return tuple(
        _drift(bundle, recordings, (label, reference or ''), mixing, step)
        for mixing in MIXINGS
        for step in STEPS
    )


def _drift(
    bundle: Bundle,
    recordings: Sequence[Sequence[Rollout]],
    labels: tuple[str, str],
    mixing: float,
    step: int,
) -> Drift:
    driven = [joint.sink == 'position' for joint in bundle.joints]
    errors, differences = [], []
    for rollouts in recordings:
        found = {
            one.label: one
            for one in rollouts
            if one.mixing == mixing and len(one.predicted) >= step
        }
        own, fp32 = (found.get(label) for label in labels)
        if own is None:
            continue
        errors.append(own.predicted[step - 1] - own.measured[step - 1])
        if fp32 is not None:
            gap = np.abs(own.predicted[step - 1] - fp32.predicted[step - 1])[driven]
            differences.append(gap.max(initial=0.0))
    if not errors:
        return Drift(mixing, step, 0, np.nan, np.nan, np.nan)
    return Drift(
        mixing,
        step,
        len(errors),
        _root_mean_square(np.array(errors) / joint_spans(bundle)),
        _root_mean_square(np.array(errors)[:, driven]),
        float(max(differences)) if differences else np.nan,
    )


def _root_mean_square(values: NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    return float(np.sqrt(np.mean(known**2))) if known.size else float('nan')
