# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Runs a model along whole demonstrations and tells how wrong it was."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from eipl_trt_ros.models import SARNN, Model
from eipl_trt_ros.training.data import Batch
from eipl_trt_ros.training.settings import TrainingSettings


@dataclass(frozen=True)
class Unrolled:
    """
    What a model did along N demonstrations of T frames.

    Attributes:
        joints: (N, T, D), predicted for the next frame.
        hidden: (N, T, R), the LSTM's h after each frame.
        features: (N, T, F), what it took from each image.

    """

    joints: Tensor
    hidden: Tensor
    features: Tensor


def image_features(model: Model, images: Tensor, *, half: bool = False) -> Tensor:
    """
    Take from images what the LSTM gets of them: (N, 3, H, W) to (N, F).

    Args:
        model: the network.
        images: normalised.
        half: run SARNN's convolutions in bfloat16, which halves their time on a GPU; the places
            of its points are still computed in float32. Other models ignore it.

    """
    if half and isinstance(model, SARNN):
        *convolutions, soft_argmax = model.pos_encoder
        with torch.autocast(images.device.type, torch.bfloat16):
            maps = images.contiguous(memory_format=torch.channels_last)
            for layer in convolutions:
                maps = layer(maps)
        return soft_argmax(maps.float()).flatten(1)
    return model.encode(images, images.new_empty(len(images), 0))


def unroll(
    model: Model,
    images: Tensor,
    joints: Tensor,
    fed_back: Tensor | None = None,
    *,
    half: bool = False,
) -> Unrolled:
    """
    Run a model through time: image features of all frames at once, then the LSTM frame by frame.

    Args:
        model: the network.
        images: (N, T, 3, H, W), normalised.
        joints: (N, T, D), normalised.
        fed_back: bool (N, T, D): where the model's last prediction stands in for ``joints``; the
            gradient does not flow through that. ``None``: nowhere.
        half: see ``image_features``.

    """
    count, frames = joints.shape[:2]
    features = image_features(model, images.flatten(0, 1), half=half)
    features = features.unflatten(0, (count, frames))
    state = None
    previous = joints[:, 0]
    predicted, hidden = [], []
    for frame in range(frames):
        seen = joints[:, frame]
        if fed_back is not None:
            seen = torch.where(fed_back[:, frame], previous, seen)
        state = model.step(torch.cat([features[:, frame], seen], dim=-1), state)
        prediction = model.decode_joints(state[0])
        previous = prediction.detach()
        predicted.append(prediction)
        hidden.append(state[0])
    return Unrolled(torch.stack(predicted, 1), torch.stack(hidden, 1), features)


def total_loss(
    model: Model,
    batch: Batch,
    settings: TrainingSettings,
    *,
    point_weight: float,
    generator: torch.Generator,
    half: bool = False,
) -> tuple[Tensor, dict[str, Tensor]]:
    """
    Add up the errors of the predicted joints, images and attention points.

    The encoder's points are the target of the decoder's, and take no gradient from that: else
    the easiest way to predict a point well is a point that never moves.

    Args:
        model: the network.
        batch: what it sees.
        settings: the weights.
        point_weight: weight of the points' error at this stage of the run.
        generator: on the batch's device.
        half: see ``image_features``.

    Returns:
        The loss, and its parts before weighting, detached.

    """
    images = batch.images
    frames = images.shape[1]
    noise = torch.randn(images.shape, device=images.device, generator=generator)
    seen = images + batch.noise * noise
    run = unroll(model, seen, batch.joints, batch.fed_back, half=half)

    weights = torch.ones(frames, device=images.device)
    weights[: settings.early_frames] = settings.early_weight
    squares = (run.joints - batch.targets).square().mean(dim=(0, 2))
    joint = (squares * weights).sum() / weights.sum()

    chosen = torch.randperm(frames - 1, device=images.device, generator=generator)
    chosen = chosen[: settings.decoded_frames]
    hidden = run.hidden[:, chosen].flatten(0, 1)
    image = mse_loss(
        model.decode_image(hidden, seen[:, chosen].flatten(0, 1)),
        images[:, chosen + 1].flatten(0, 1),
    )
    parts = {'joint': joint, 'image': image}
    loss = settings.joint_loss * joint + settings.image_loss * image
    if isinstance(model, SARNN):
        points = model.decode_points(run.hidden[:, :-1].flatten(0, 1))
        parts['point'] = mse_loss(points, run.features[:, 1:].flatten(0, 1).detach())
        loss = loss + point_weight * parts['point']
    return loss, {name: part.detach() for name, part in parts.items()}
