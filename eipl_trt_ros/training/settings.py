# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Everything that a training run may choose, read from YAML."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from eipl_trt_ros.documents import parse_yaml, read_yaml
from eipl_trt_ros.errors import EiplTrtError
from eipl_trt_ros.spec import ModelSpec


class TrainingError(EiplTrtError):
    """A training run cannot start: its settings or its data are not usable."""


@dataclass(frozen=True)
class TrainingSettings:
    """
    One run. Noise and losses are in normalised units (0..1 for joints and images).

    Attributes:
        model: ``'sarnn'``, ``'cnnrnn'`` or ``'cnnrnnln'``.
        rec_dim: length of the LSTM's state.
        k_dim: number of attention points (sarnn).
        temperature: of the attention's softmax (sarnn); EIPL's default is 1e-4.
        heatmap_size: of the decoder's heatmaps (sarnn).
        feat_dim: length of the image features (cnnrnn, cnnrnnln).
        updates: number of optimiser steps.
        batch_size: demonstrations in a batch.
        learning_rate: at the start; falls to a hundredth along half a cosine.
        warm_up: updates over which the learning rate rises from 0.
        joint_loss: weight of the joint error.
        image_loss: weight of the error of the predicted image.
        point_loss: weight of the error of the predicted attention points (sarnn).
        early_frames: first frames of a demonstration that weigh more: only vision can tell what
            to do in them.
        early_weight: how much more.
        decoded_frames: frames of each demonstration whose image is decoded, drawn anew each time.
        image_noise: standard deviation of the noise on each pixel.
        brightness: largest change of a demonstration's brightness, and of its contrast.
        joint_noise: standard deviation of the noise on each joint, at each frame.
        joint_offset: standard deviation of an error that a joint keeps for a whole demonstration.
        feedback: largest share of frames whose joints are the model's own prediction in place of
            the recorded ones; reached after 60 % of the run.
        prediction_joints: joints that are never measured, always fed back (the gripper).
        average: share of the old weights that stays in the running average, at each update; that
            average is the result.
        half_precision: run SARNN's convolutions in bfloat16 on a GPU for most of the run.
        seed: of everything random.

    """

    model: str
    rec_dim: int = 50
    k_dim: int = 5
    temperature: float = 1e-2
    heatmap_size: float = 0.1
    feat_dim: int = 10
    updates: int = 10_000
    batch_size: int = 8
    learning_rate: float = 1e-3
    warm_up: int = 100
    joint_loss: float = 1.0
    image_loss: float = 0.1
    point_loss: float = 0.1
    early_frames: int = 24
    early_weight: float = 2.0
    decoded_frames: int = 6
    image_noise: float = 0.01
    brightness: float = 0.05
    joint_noise: float = 0.02
    joint_offset: float = 0.02
    feedback: float = 0.5
    prediction_joints: tuple[int, ...] = (7,)
    average: float = 0.998
    half_precision: bool = False
    seed: int = 0

    def spec(self, joint_dim: int, height: int, width: int) -> ModelSpec:
        """Give the spec of the model for joints and images of these sizes."""
        if self.model == 'sarnn':
            return ModelSpec(
                'sarnn',
                height,
                width,
                joint_dim,
                self.rec_dim,
                k_dim=self.k_dim,
                temperature=self.temperature,
                heatmap_size=self.heatmap_size,
            )
        return ModelSpec(
            self.model, height, width, joint_dim, self.rec_dim, feat_dim=self.feat_dim
        )

    def as_dict(self) -> dict[str, Any]:
        """Give all settings as plain values, for a JSON file."""
        return asdict(self)


def load_settings(path: Path, changes: dict[str, str] | None = None) -> TrainingSettings:
    """
    Read a run's settings.

    Args:
        path: a YAML file of the fields of ``TrainingSettings``.
        changes: fields to set otherwise, as text, such as ``{'seed': '3'}``.

    Raises:
        TrainingError: the file cannot be read, or names an unknown field.

    """
    try:
        found = read_yaml(path)
        changed = {name: parse_yaml(text) for name, text in (changes or {}).items()}
    except (OSError, ValueError) as error:
        msg = f'cannot read the training settings {path}: {error}'
        raise TrainingError(msg) from error
    if not isinstance(found, dict):
        msg = f'{path}: expected a mapping of settings, found {type(found).__name__}'
        raise TrainingError(msg)
    values = found | changed
    known = {field.name: field for field in fields(TrainingSettings)}
    unknown = sorted(set(values) - set(known))
    if unknown or 'model' not in values:
        msg = (
            f'{path}: unknown settings {unknown}, known are {", ".join(known)}'
            if unknown
            else f"{path}: the setting 'model' is missing"
        )
        raise TrainingError(msg)
    return TrainingSettings(
        **{name: _as_field(known[name].type, value) for name, value in values.items()}
    )


def _as_field(kind: object, value: Any) -> Any:
    """Turn what YAML gives into a field's type: 1e-4, without a dot, is text to YAML."""
    if kind == 'float':
        return float(value)
    return tuple(value) if isinstance(value, list) else value
