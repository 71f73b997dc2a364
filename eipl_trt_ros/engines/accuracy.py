# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""How far a rewritten motion graph's joints are from what was demonstrated, and from fp32's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray

from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.engines.demonstrations import Demonstration
from eipl_trt_ros.engines.rollout import rollout


@dataclass(frozen=True)
class JointAccuracy:
    """
    Joint errors over demonstrations, in the model's normalised units.

    Attributes:
        mse: mean over frames and joints of (prediction at t - joints at t + 1) squared: the
            figure of the paper's section 5.3.
        per_joint: the same for each joint, float64 (D,).
        predicted: every prediction, float64 (frames, D), normalised.

    """

    mse: float
    per_joint: NDArray[np.float64]
    predicted: NDArray[np.float64]

    def rate(self, reference: JointAccuracy) -> float:
        """Return the paper's error rate: this error over that of the reference."""
        return self.mse / reference.mse

    def deviation(self, reference: JointAccuracy) -> float:
        """Return the mean squared difference of the predicted joints from the reference's."""
        return float(((self.predicted - reference.predicted) ** 2).mean())

    def expected_rate(self, reference: JointAccuracy) -> float:
        """
        Return the error rate to expect on other demonstrations.

        A deviation d from the reference, whose error is e, has the error E[(e + d)^2], which is
        E[e^2] + E[d^2] unless they are correlated. Where they cancel out on these demonstrations,
        that is chance; so it is the larger of this and of what was measured.
        """
        return max(self.rate(reference), 1 + self.deviation(reference) / reference.mse)

    def drift(self, reference: JointAccuracy) -> float:
        """Return the largest difference of a predicted joint from the reference's."""
        return float(np.abs(self.predicted - reference.predicted).max())


def joint_accuracy(
    bundle: Bundle,
    demonstrations: Sequence[Demonstration],
    motion: onnx.ModelProto | None = None,
) -> JointAccuracy:
    """
    Measure a motion graph over demonstrations; the state is carried in each.

    Args:
        bundle: the model.
        demonstrations: at least one, of two frames or more.
        motion: the graph; the bundle's own, fp32, if None.

    Raises:
        EngineError: a graph cannot be loaded.

    """
    span = (bundle.joint_maximum - bundle.joint_minimum) / (bundle.vmax - bundle.vmin)
    predicted, errors = [], []
    for step in rollout(bundle, demonstrations, motion=motion):
        normalised = (step.outputs['predicted_joints'] - bundle.joint_minimum) / span
        predicted.append(normalised)
        following = demonstrations[step.demonstration].joints[step.frame + 1 : step.frame + 2]
        if len(following):
            error = (step.outputs['predicted_joints'] - following[0].astype(np.float64)) / span
            errors.append(error)
    squares = np.square(errors)
    with np.errstate(invalid='ignore'):
        per_joint = np.nanmean(squares, axis=0)
    return JointAccuracy(float(np.nanmean(squares)), per_joint, np.array(predicted))
