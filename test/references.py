# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The models as EIPL runs them, written out the plain way, and bundles to compare with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray
from torch import Tensor

from eipl_trt_ros.bundle import Bundle, write_bundle
from eipl_trt_ros.export.graphs import write_graphs
from eipl_trt_ros.export.weights import write_weights
from eipl_trt_ros.models import build_model
from eipl_trt_ros.robot import CameraSpec, JointSpec
from eipl_trt_ros.spec import ModelSpec

Weights = dict[str, Tensor]
State = tuple[Tensor, Tensor]


@dataclass
class Prediction:
    """One frame as EIPL's loop sees it: raw outputs, and what is shown and commanded."""

    raw_image: Tensor
    raw_joints: Tensor
    image: NDArray[np.uint8]
    joints: NDArray[np.float64]
    encoder_points: NDArray[np.float32] | None
    decoder_points: NDArray[np.float32] | None
    state: State


def sarnn(
    weights: Weights, spec: ModelSpec, image: Tensor, joints: Tensor, state: State | None
) -> tuple[Tensor, Tensor, Tensor, Tensor, State]:
    """SARNN on the full grid: no separated exponentials, no products in place of sums."""

    def encode(name: str) -> Tensor:
        value = image
        for index in (0, 2, 4):
            layer = f'{name}.{index}'
            value = F.conv2d(value, weights[f'{layer}.weight'], weights[f'{layer}.bias'])
            value = F.leaky_relu(value, 0.3)
        return value

    def linear(name: str, value: Tensor) -> Tensor:
        value = F.linear(value, weights[f'{name}.0.weight'], weights[f'{name}.0.bias'])
        return F.leaky_relu(value, 0.3)

    assert spec.k_dim is not None
    assert spec.temperature is not None
    assert spec.heatmap_size is not None
    height, width = image.shape[2] - 6, image.shape[3] - 6
    y, x = torch.meshgrid(torch.linspace(0, 1, height), torch.linspace(0, 1, width), indexing='ij')
    attention = torch.softmax(encode('pos_encoder').flatten(2) / spec.temperature, dim=-1)
    attention = attention.unflatten(2, (height, width))
    points = torch.stack([(attention * x).sum((2, 3)), (attention * y).sum((2, 3))], dim=-1)
    state = lstm(weights, torch.cat([points.flatten(1), joints], dim=1), state)
    decoded = linear('decoder_point', state[0])
    place = decoded.reshape(-1, spec.k_dim, 2, 1, 1)
    distance = (x - place[:, :, 0]) ** 2 + (y - place[:, :, 1]) ** 2
    value = torch.exp(-distance / spec.heatmap_size) * encode('im_encoder')
    for index in (0, 2, 4):
        layer = f'decoder_image.{index}'
        value = F.conv_transpose2d(value, weights[f'{layer}.weight'], weights[f'{layer}.bias'])
        value = F.leaky_relu(value, 0.3)
    return value, linear('decoder_joint', state[0]), points.flatten(1), decoded, state


def lstm(weights: Weights, value: Tensor, state: State | None) -> State:
    """An LSTM step by its formula; gates are stored in the order i, f, g, o."""
    size = weights['rec.weight_hh'].shape[1]
    h, c = state if state is not None else (torch.zeros(len(value), size),) * 2
    gates = value @ weights['rec.weight_ih'].T + weights['rec.bias_ih']
    gates = gates + h @ weights['rec.weight_hh'].T + weights['rec.bias_hh']
    i, f, g, o = gates.chunk(4, dim=1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


def random_weights(spec: ModelSpec, seed: int = 0) -> Weights:
    """
    Draw weights that give a network something to do: EIPL's first weights, biases not zero.

    PyTorch's first weights of CNNRNN make all pixels alike, so those layers are made stronger.
    """
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    weights = {name: value.clone() for name, value in build_model(spec).state_dict().items()}
    for name, value in weights.items():
        if name.split('.')[-1].startswith('bias'):
            value.add_(0.1 * torch.randn(value.shape, generator=generator))
        elif spec.type != 'sarnn' and value.ndim == 4:
            value.mul_(2)
    return weights


def smooth_pictures(count: int, height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """
    Draw soft coloured blobs that wander, uint8 (count, height, width, 3).

    Not noise: SARNN divides its feature maps by 1e-4 before a softmax, so that between two maxima
    of nearly the same height, as noise has plenty of, a rounding error in the seventh digit
    decides where the point lies, in PyTorch as in any other program.
    """
    rng = np.random.default_rng(seed)
    time = np.linspace(0, 2 * np.pi, count)[:, None, None, None, None]
    phase, place = rng.uniform(0, 2 * np.pi, (2, 4, 3)), rng.uniform(0.2, 0.8, (2, 4, 3))
    y, x = np.meshgrid(np.linspace(0, 1, height), np.linspace(0, 1, width), indexing='ij')
    dx = x[:, :, None, None] - (place[0] + 0.2 * np.sin(time + phase[0]))
    dy = y[:, :, None, None] - (place[1] + 0.2 * np.cos(time + phase[1]))
    blobs = np.exp(-(dx**2 + dy**2) / rng.uniform(0.005, 0.1, (4, 3)))
    return (20 + 230 * blobs.max(axis=3)).astype(np.uint8)


def make_bundle(
    path: Path, spec: ModelSpec, weights: Weights, *, vmin: float = 0.0, vmax: float = 1.0
) -> Bundle:
    """Write a bundle with these weights, its graphs included."""
    rng = np.random.default_rng(1)
    low = rng.uniform(-2.5, 1.0, spec.joint_dim)
    high = low + rng.uniform(0.2, 3.0, spec.joint_dim)
    joints = tuple(
        JointSpec(f'joint{index}', float(bottom), float(top), 'joint_states', 'position')
        for index, (bottom, top) in enumerate(zip(low, high, strict=True))
    )
    path.mkdir(parents=True, exist_ok=True)
    bundle = Bundle(
        path=path,
        name=spec.type,
        model=spec,
        camera=CameraSpec('rgb8', 1, None, 'none'),
        vmin=vmin,
        vmax=vmax,
        joints=joints,
        rate_hz=10.0,
    )
    write_weights({name: value.numpy() for name, value in weights.items()}, bundle.weights_path)
    write_graphs(bundle)
    return write_bundle(bundle)


def joint_path(bundle: Bundle, count: int) -> NDArray[np.float32]:
    """Move every joint through its range, float32 (count, D), rad."""
    phase = np.linspace(0, 4, count)[:, None] + np.arange(bundle.model.joint_dim)
    share = 0.5 + 0.45 * np.sin(phase)
    low, high = bundle.joint_minimum, bundle.joint_maximum
    return (low + share * (high - low)).astype(np.float32)


def rollout(
    bundle: Bundle,
    weights: Weights,
    pictures: NDArray[np.uint8],
    joints: NDArray[np.float32],
    mixing: float = 1.0,
) -> Iterator[Prediction]:
    """
    Run PyTorch in the order of EIPL's loop (zoo/cnnrnn/bin/test.py), step by step.

    Images and joints to [vmin, vmax]; from the second frame on mixed with the raw prediction;
    network; image clipped, to 0..255, cut off; joints back through their bounds.
    """
    spec, vmin, vmax = bundle.model, bundle.vmin, bundle.vmax
    low, high = bundle.joint_minimum, bundle.joint_maximum
    model = build_model(spec).eval()
    model.load_state_dict(weights)
    last: Prediction | None = None
    for picture, position in zip(pictures, joints, strict=True):
        image = torch.from_numpy(picture.transpose(2, 0, 1)[None].astype(np.float32))
        image = image / 255 * (vmax - vmin) + vmin
        unit = (position - low) / (high - low) * (vmax - vmin) + vmin
        vector = torch.from_numpy(unit.astype(np.float32)[None])
        if last is not None:
            image = mixing * image + (1 - mixing) * last.raw_image
            vector = mixing * vector + (1 - mixing) * last.raw_joints
        state = last.state if last is not None else None
        encoder_points = decoder_points = None
        with torch.no_grad():
            if spec.type == 'sarnn':
                raw_image, raw_joints, first, second, state = sarnn(
                    weights, spec, image, vector, state
                )
                encoder_points = first.reshape(-1, 2).numpy()
                decoder_points = second.reshape(-1, 2).numpy()
            else:
                raw_image, raw_joints, state = model(image, vector, state)
        clipped = np.clip(raw_image[0].numpy(), vmin, vmax)
        levels = ((clipped - vmin) / (vmax - vmin) * 255).astype(np.uint8).transpose(1, 2, 0)
        command = (raw_joints[0].numpy() - vmin) / (vmax - vmin) * (high - low) + low
        last = Prediction(
            raw_image, raw_joints, levels, command, encoder_points, decoder_points, state
        )
        yield last
