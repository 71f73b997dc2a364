# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""How well a configuration predicts, over all its recordings, and how far it is from fp32."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.command.gripper import OpenCloseSwitch
from eipl_trt_ros.evaluation import metrics
from eipl_trt_ros.evaluation.offline import Pass


@dataclass(frozen=True)
class JointAccuracy:
    """
    One joint; MSE in normalised units, RMSE in the joint's own (radians for a revolute one).

    Attributes:
        name: of the joint.
        mse, mse_rad2: mean squared error, normalised and in the joint's unit squared.
        rmse: root of the latter.
        rate: MSE as a multiple of fp32's; NaN where there is no fp32 beside it.
        mse_persistence, rmse_persistence: the same for the guess that nothing moves.

    """

    name: str
    mse: float
    mse_rad2: float
    rmse: float
    rate: float
    mse_persistence: float
    rmse_persistence: float


@dataclass(frozen=True)
class CommandDifference:
    """
    Whether a robot would have been told something else than with fp32.

    Attributes:
        frames: frames that were compared.
        tolerance: difference of a commanded position that still counts as the same, in radians.
        beyond: frames in which a joint's command differs by more.
        largest: largest difference of a commanded position, in radians.
        switched: frames in which a gripper would have been told the opposite.

    """

    frames: int
    tolerance: float
    beyond: int
    largest: float
    switched: int


@dataclass(frozen=True)
class Accuracy:
    """
    How well one configuration predicts.

    Attributes:
        frames, pairs: frames that ran, and those whose successor is known.
        joint_mse: the paper's section 5.3, in normalised units.
        joint_mse_rad2: the same in radians squared, over the joints that are driven by position.
        joint_mse_persistence: the first for the guess that nothing moves.
        error_rate: ``joint_mse`` as a multiple of fp32's (the paper's table 6); NaN without fp32.
        joints: each joint.
        image_error, image_persistence: mean absolute grey levels, one step ahead.
        image_difference: mean absolute grey levels from the image that fp32 predicts.
        command: the difference from fp32's command; None where there is no fp32 beside it.

    """

    frames: int
    pairs: int
    joint_mse: float
    joint_mse_rad2: float
    joint_mse_persistence: float
    error_rate: float
    joints: tuple[JointAccuracy, ...]
    image_error: float
    image_persistence: float
    image_difference: float
    command: CommandDifference | None


def accuracy_of(
    passes: Sequence[Pass],
    reference: Sequence[Pass] | None,
    tolerance: float,
    predicted: Sequence[NDArray[np.float64]] | None = None,
) -> Accuracy:
    """
    Sum up passes over one or more recordings: every pair of frames counts the same.

    Args:
        passes: of one configuration, one a recording.
        reference: those of the fp32 configuration over the same recordings, if there is one.
        tolerance: see `CommandDifference`.
        predicted: predictions (N, D) to judge instead of the passes' own, as those of a node.

    """
    bundle = passes[0].bundle
    spans = joint_spans(bundle)
    own = [run.predicted for run in passes] if predicted is None else list(predicted)
    errors = _errors(passes, own, spans)
    nothing = _errors(passes, [run.joints for run in passes], spans)
    fp32 = None
    if reference is not None:
        fp32 = _errors(reference, [run.predicted for run in reference], spans)
    driven = [joint.sink == 'position' for joint in bundle.joints]
    images = np.concatenate([run.image_errors for run in passes])
    images = images if len(images) else np.full((1, 2), np.nan)
    rates = np.full(len(spans), np.nan) if fp32 is None else _ratio(errors, fp32)
    return Accuracy(
        frames=sum(run.frames for run in passes),
        pairs=errors.pairs,
        joint_mse=errors.mse,
        joint_mse_rad2=float(np.nanmean((errors.rmse_rad**2)[driven])) if any(driven) else np.nan,
        joint_mse_persistence=nothing.mse,
        error_rate=np.nan if fp32 is None else errors.mse / fp32.mse,
        joints=tuple(
            JointAccuracy(
                joint.name,
                float(errors.per_joint[i]),
                float(errors.rmse_rad[i] ** 2),
                float(errors.rmse_rad[i]),
                float(rates[i]),
                float(nothing.per_joint[i]),
                float(nothing.rmse_rad[i]),
            )
            for i, joint in enumerate(bundle.joints)
        ),
        image_error=float(images[:, 0].mean()),
        image_persistence=float(images[:, 1].mean()),
        image_difference=float(np.mean(np.concatenate([r.image_differences for r in passes]))),
        command=None if reference is None else _command(bundle, passes, reference, tolerance),
    )


def joint_spans(bundle: Bundle) -> NDArray[np.float64]:
    """Return (D,), radians per normalised unit."""
    return (bundle.joint_maximum - bundle.joint_minimum) / (bundle.vmax - bundle.vmin)


def _errors(
    passes: Sequence[Pass],
    predicted: Sequence[NDArray[np.float64]],
    spans: NDArray[np.float64],
) -> metrics.JointErrors:
    before, after = [], []
    for run, joints in zip(passes, predicted, strict=True):
        pairs = run.pairs
        before.append(joints[pairs])
        after.append(run.joints[pairs + 1])
    return metrics.paired_errors(np.concatenate(before), np.concatenate(after), spans)


def _ratio(errors: metrics.JointErrors, fp32: metrics.JointErrors) -> NDArray[np.float64]:
    with np.errstate(divide='ignore', invalid='ignore'):
        return errors.per_joint / fp32.per_joint


def _command(
    bundle: Bundle, passes: Sequence[Pass], reference: Sequence[Pass], tolerance: float
) -> CommandDifference:
    driven = [joint.sink == 'position' for joint in bundle.joints]
    largest = np.concatenate(
        [
            np.abs(one.predicted - other.predicted)[:, driven].max(axis=1, initial=0.0)
            for one, other in zip(passes, reference, strict=True)
        ]
    )
    switched = sum(
        int((_switches(one) != _switches(other)).any(axis=1).sum())
        for one, other in zip(passes, reference, strict=True)
    )
    return CommandDifference(
        len(largest),
        tolerance,
        int((largest > tolerance).sum()),
        float(largest.max(initial=0.0)),
        switched,
    )


def _switches(run: Pass) -> NDArray[np.int8]:
    """Return what each gripper was told, (N, G): 1 close, 0 open, -1 nothing yet."""
    grippers = [i for i, joint in enumerate(run.bundle.joints) if joint.sink == 'open_close']
    told = np.full((run.frames, len(grippers)), -1, np.int8)
    for column, index in enumerate(grippers):
        switch = OpenCloseSwitch(run.bundle.joints[index])
        for frame in range(run.frames):
            if run.resets[frame]:
                switch.reset()
            closed = switch.update(run.predicted[frame, index])
            told[frame, column] = -1 if closed is None else int(closed)
    return told
