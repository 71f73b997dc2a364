# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The training loop: schedules, the running average of the weights, checkpoints."""

from __future__ import annotations

import copy
import json
import logging
import math
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from eipl_trt_ros.models import Model, build_model
from eipl_trt_ros.training.data import Demonstrations, make_batch
from eipl_trt_ros.training.losses import total_loss, unroll
from eipl_trt_ros.training.settings import TrainingSettings

_log = logging.getLogger(__name__)
_CLIP = 1.0  # largest norm of a gradient
_FINAL_RATE = 0.01  # of the learning rate
_POINTS_FROM, _FEEDBACK_FROM, _FULL_AT = 0.1, 0.2, 0.6  # shares of the run
_HALF_UNTIL = 0.85  # then all in single precision, as the model will run


def train(train_data: Demonstrations, test_data: Demonstrations, bounds: NDArray[np.float64],
          settings: TrainingSettings, out: Path, *, seconds: float | None = None,
          start: Path | None = None, checkpoints: int = 4) -> Model:
    """
    Train one model and write its checkpoints, in EIPL's format.

    Args:
        train_data: to learn from.
        test_data: to measure the joint error on; nothing is chosen by it here.
        bounds: float64 (2, D), of the joints.
        settings: of the run.
        out: folder; each checkpoint is a folder ``update_<n>`` in it.
        seconds: stop after so long and let the schedules end then; ``None``: after
            ``settings.updates``.
        start: a checkpoint's folder whose weights to begin with.
        checkpoints: how many to write, the last at the end.

    Returns:
        The running average of the trained weights.

    """
    torch.manual_seed(settings.seed)
    device = train_data.images.device
    generator = torch.Generator(device=device)
    generator.manual_seed(settings.seed)
    height, width = train_data.images.shape[-2:]
    model = build_model(settings.spec(train_data.joints.shape[-1], height, width)).to(device)
    _centre_outputs(model, train_data)
    if start is not None:
        model.load_state_dict(read_weights(start))
    if settings.half_precision:
        model = model.to(memory_format=torch.channels_last)
    average = copy.deepcopy(model)
    optimizer = torch.optim.Adam(model.parameters(), lr=settings.learning_rate)

    began, saved, update = time.monotonic(), 0, 0
    for rows in _batches(len(train_data), settings.batch_size, generator):
        done = update / settings.updates
        if seconds is not None:
            done = (time.monotonic() - began) / seconds
        if done >= (saved + 1) / checkpoints:
            saved += 1
            error = joint_error(average, test_data)
            write_checkpoint(out / f'update_{update}', average, settings, bounds,
                             update, error)
        if done >= 1:
            break
        for group in optimizer.param_groups:
            group['lr'] = _learning_rate(settings, update, done)
        batch = make_batch(train_data, rows, settings, generator=generator,
                           feedback=settings.feedback * _ramp(done, _FEEDBACK_FROM))
        half = (settings.half_precision and device.type == 'cuda' and done < _HALF_UNTIL)
        loss, parts = total_loss(model, batch, settings, generator=generator, half=half,
                                 point_weight=settings.point_loss * _ramp(done, _POINTS_FROM))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), _CLIP)
        optimizer.step()
        _follow(average, model, min(settings.average, (1 + update) / (10 + update)))
        if update % 100 == 0:
            shown = ' '.join(f'{name} {value.item():.6f}' for name, value in parts.items())
            _log.info('%s update %d at %.0f s: %s; joint error of the average on test %.6f',
                      out.name, update, time.monotonic() - began, shown,
                      joint_error(average, test_data) if update % 500 == 0 else math.nan)
        update += 1
    return average


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
        images = data.images[begin:begin + rows].float().div_(255.0)
        joints = data.joints[begin:begin + rows]
        predicted = unroll(model, images, joints).joints
        squares.append((predicted[:, :-1] - joints[:, 1:]).square().mean(dim=(1, 2)))
    return float(torch.cat(squares).mean())


def write_checkpoint(folder: Path, model: Model, settings: TrainingSettings,
                     bounds: NDArray[np.float64], update: int, test_error: float) -> None:
    """
    Write model.pth, args.json and joint_bounds.npy, as EIPL's training scripts leave them.

    Args:
        folder: where to.
        model: the network.
        settings: of the run.
        bounds: float64 (2, D), of the joints.
        update: how many updates were made.
        test_error: joint error on the test demonstrations.

    """
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: tensor.detach().cpu().contiguous()
               for name, tensor in model.state_dict().items()}
    torch.save({'epoch': update, 'model_state_dict': weights, 'train_loss': None,
                'test_loss': test_error}, folder / 'model.pth')
    joint_dim, size = model.spec.joint_dim, [model.spec.image_height, model.spec.image_width]
    arguments = settings.as_dict() | {'joint_dim': joint_dim, 'im_size': size, 'vmin': 0.0,
                                      'vmax': 1.0, 'test_joint_error': test_error}
    (folder / 'args.json').write_text(json.dumps(arguments, indent=2) + '\n', encoding='utf-8')
    np.save(folder / 'joint_bounds.npy', bounds)
    _log.info('wrote %s: joint error on test %.6f', folder, test_error)


def read_weights(folder: Path) -> dict[str, Tensor]:
    """Read the state_dict out of a checkpoint's folder."""
    content = torch.load(folder / 'model.pth', map_location='cpu', weights_only=True)
    return content['model_state_dict']


@torch.no_grad()
def _follow(average: Model, model: Model, kept: float) -> None:
    """Move the running average towards the model, keeping this share of what it was."""
    torch._foreach_lerp_(list(average.parameters()), list(model.parameters()), 1.0 - kept)


def _batches(count: int, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Go through all demonstrations again and again, each time in another order."""
    while True:
        order = torch.randperm(count, device=generator.device, generator=generator)
        yield from (rows for rows in order.split(size) if len(rows) == min(size, count))


def _centre_outputs(model: Model, data: Demonstrations) -> None:
    """
    Let predictions start in the middle of what they shall be.

    A ReLU as the last layer (CNNRNNLN) that starts at 0 has no gradient and may never leave it.
    """
    with torch.no_grad():
        joints = model.decoder_joint[0].bias
        joints.copy_(data.targets.mean(dim=(0, 1)))
        image = model.decoder_image[-2].bias
        image.copy_(data.images[0, 0].float().mean(dim=(1, 2)) / 255.0)


def _learning_rate(settings: TrainingSettings, update: int, done: float) -> float:
    falling = _FINAL_RATE + (1 - _FINAL_RATE) * 0.5 * (1 + math.cos(math.pi * done))
    return settings.learning_rate * falling * min(1.0, (update + 1) / settings.warm_up)


def _ramp(done: float, begin: float) -> float:
    return min(1.0, max(0.0, (done - begin) / (_FULL_AT - begin)))
