# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The training loop: schedules, the running average of the weights, checkpoints."""

from __future__ import annotations

import copy
import logging
import math
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from eipl_trt_ros.models import SARNN, Model, build_model
from eipl_trt_ros.training.checkpoint import Checkpoint, write_checkpoint
from eipl_trt_ros.training.data import Demonstrations, make_batch
from eipl_trt_ros.training.losses import total_loss, unroll
from eipl_trt_ros.training.settings import TrainingSettings

_log = logging.getLogger(__name__)
_CLIP = 1.0  # largest norm of a gradient
_FINAL_RATE = 0.01  # of the learning rate
_POINTS_FROM, _FEEDBACK_FROM, _FULL_AT = 0.1, 0.2, 0.6  # shares of the run
_HALF_UNTIL = 0.85  # then all in single precision, as the model will run
_REPORT_EVERY = 100  # updates


class Trainer:
    """
    A model in training.

    Args:
        data: to learn from.
        settings: of the run.
        start: weights to begin with, by EIPL's names; ``None``: drawn anew.

    Attributes:
        average: the model with the running average of the weights: the result.

    """

    def __init__(
        self,
        data: Demonstrations,
        settings: TrainingSettings,
        start: dict[str, Tensor] | None = None,
    ) -> None:
        torch.manual_seed(settings.seed)
        device = data.images.device
        height, width = data.images.shape[-2:]
        self._data = data
        self._settings = settings
        self._generator = torch.Generator(device=device)
        self._generator.manual_seed(settings.seed)
        self._half = settings.half_precision and device.type == 'cuda'
        self._model = build_model(settings.spec(data.joints.shape[-1], height, width)).to(device)
        if start is None:
            _centre_outputs(self._model, data)
        else:
            self._model.load_state_dict(start)
        if self._half and isinstance(self._model, SARNN):
            for module in (self._model.pos_encoder, self._model.im_encoder):
                module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average: Model = copy.deepcopy(self._model)
        self._optimizer = torch.optim.Adam(self._model.parameters(), lr=settings.learning_rate)

    def batches(self) -> Iterator[Tensor]:
        """Go through all demonstrations again and again, each time in another order."""
        count, size = len(self._data), min(self._settings.batch_size, len(self._data))
        device = self._generator.device
        while True:
            order = torch.randperm(count, device=device, generator=self._generator)
            yield from (rows for rows in order.split(size) if len(rows) == size)

    def update(self, rows: Tensor, index: int, done: float) -> dict[str, Tensor]:
        """
        Make one optimiser step.

        Args:
            rows: which demonstrations.
            index: of the update, from 0.
            done: share of the run that is over.

        Returns:
            The parts of the loss before weighting.

        """
        settings = self._settings
        for group in self._optimizer.param_groups:
            group['lr'] = learning_rate(settings, index, done)
        batch = make_batch(
            self._data,
            rows,
            settings,
            generator=self._generator,
            feedback=settings.feedback * ramp(done, _FEEDBACK_FROM),
        )
        loss, parts = total_loss(
            self._model,
            batch,
            settings,
            generator=self._generator,
            half=self._half and done < _HALF_UNTIL,
            point_weight=settings.point_loss * ramp(done, _POINTS_FROM),
        )
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self._model.parameters(), _CLIP)
        self._optimizer.step()
        # A short memory at first, or the untrained weights would stay in the average for long.
        self._follow(min(settings.average, (1 + index) / (10 + index)))
        return parts

    @torch.no_grad()
    def _follow(self, kept: float) -> None:
        """Move the running average towards the model, keeping this share of what it was."""
        torch._foreach_lerp_(
            list(self.average.parameters()), list(self._model.parameters()), 1.0 - kept
        )


def train(
    train_data: Demonstrations,
    validation_data: Demonstrations,
    bounds: NDArray[np.float64],
    settings: TrainingSettings,
    out: Path,
    *,
    seconds: float | None = None,
    start: dict[str, Tensor] | None = None,
    checkpoints: int = 4,
) -> Model:
    """
    Train one model and write its checkpoints, in EIPL's format.

    Args:
        train_data: to learn from.
        validation_data: to report the joint error on.
        bounds: float64 (2, D), of the joints.
        settings: of the run.
        out: folder; each checkpoint is a folder ``update_<n>`` in it.
        seconds: let the run, with its schedules, take so long; ``None``: it makes
            ``settings.updates``.
        start: weights to begin with; ``None``: drawn anew.
        checkpoints: how many to write, evenly over the run, the last at its end.

    Returns:
        The running average of the trained weights.

    """
    trainer = Trainer(train_data, settings, start)
    began, saved = time.monotonic(), 0
    for index, rows in enumerate(trainer.batches()):
        past = time.monotonic() - began
        done = index / settings.updates if seconds is None else past / seconds
        if done >= (saved + 1) / checkpoints:
            saved += 1
            error = joint_error(trainer.average, validation_data)
            folder = out / f'update_{index}'
            write_checkpoint(
                folder, Checkpoint(trainer.average, settings, bounds), update=index, error=error
            )
            _log.info('wrote %s: joint error on validation %.3e', folder, error)
        if done >= 1.0:
            break
        parts = trainer.update(rows, index, done)
        if index % _REPORT_EVERY == 0:
            _log.info(
                'update %d at %.0f s: %s',
                index,
                past,
                ', '.join(f'{name} {value.item():.3e}' for name, value in parts.items()),
            )
    return trainer.average


@torch.no_grad()
def joint_error(model: Model, data: Demonstrations, *, rows: int = 8) -> float:
    """
    Measure the joint MSE as the paper does: prediction at t against the joints at t + 1.

    Joints are those recorded, none fed back, no noise; normalised units; mean over frames, joints
    and demonstrations.

    Args:
        model: the network.
        data: demonstrations.
        rows: how many demonstrations to run at once.

    """
    squares = []
    for begin in range(0, len(data), rows):
        images = data.images[begin : begin + rows].float().div_(255.0)
        joints = data.joints[begin : begin + rows]
        predicted = unroll(model, images, joints).joints
        squares.append((predicted[:, :-1] - joints[:, 1:]).square().mean(dim=(1, 2)))
    return float(torch.cat(squares).mean())


def learning_rate(settings: TrainingSettings, index: int, done: float) -> float:
    """Rise in a line over the first updates, then fall along half a cosine to a hundredth."""
    falling = _FINAL_RATE + (1 - _FINAL_RATE) * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
    return settings.learning_rate * falling * min(1.0, (index + 1) / settings.warm_up)


def ramp(done: float, begin: float) -> float:
    """Rise from 0 at ``begin`` to 1 at 60 % of the run."""
    return min(1.0, max(0.0, (done - begin) / (_FULL_AT - begin)))


def _centre_outputs(model: Model, data: Demonstrations) -> None:
    """
    Let predictions start in the middle of what they shall be.

    A ReLU as the last layer (CNNRNNLN) that starts at 0 has no gradient and may never leave it.
    """
    joint_layer, image_layer = model.decoder_joint[0], model.decoder_image[-2]
    assert isinstance(joint_layer.bias, Tensor)  # noqa: S101 - tells the type checker
    assert isinstance(image_layer.bias, Tensor)  # noqa: S101
    with torch.no_grad():
        joint_layer.bias.copy_(data.targets.mean(dim=(0, 1)))
        image_layer.bias.copy_(data.images[0, 0].float().mean(dim=(1, 2)) / 255.0)
