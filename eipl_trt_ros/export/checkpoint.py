# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Reads what EIPL's training scripts leave: a .pth file, args.json, joint_bounds.npy."""

from __future__ import annotations

import logging
import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from eipl_trt_ros.documents import read_array, read_json
from eipl_trt_ros.errors import BundleError, CheckpointError
from eipl_trt_ros.export.network import (
    Tensors,
    checked,
    image_size_of,
    model_type,
    sizes_of,
)
from eipl_trt_ros.files import sha256_of
from eipl_trt_ros.spec import ModelSpec

_log = logging.getLogger(__name__)

_GREATEST = 1e30  # what is more, or NaN, is no bound of a normalised value
_COMPILED = '_orig_mod.'  # what torch.compile puts before each name
# Arguments of EIPL's training scripts that say nothing about the model: places and machines.
_PRIVATE = ('log_dir', 'device', 'compile')


@dataclass(frozen=True)
class Checkpoint:
    """
    A trained network.

    Attributes:
        spec: its type and sizes.
        tensors: its weights, float32, under EIPL's names, buffers included.
        vmin: lower end of the range that images and joints were normalised to.
        vmax: upper end of it.
        provenance: how it was trained, as far as the files say.

    """

    spec: ModelSpec
    tensors: Tensors
    vmin: float
    vmax: float
    provenance: Mapping[str, str]


def read_checkpoint(
    weights: Path,
    arguments: Path,
    *,
    model: str | None = None,
    image_size: tuple[int, int] | None = None,
) -> Checkpoint:
    """
    Read a checkpoint; what the weights, the arguments and the caller say must agree.

    Args:
        weights: a file of torch.save: a state_dict, or a dictionary with one under
            ``model_state_dict``, as EIPL's trainers write; also of a compiled model.
        arguments: EIPL's args.json of the same training.
        model: the type, to check; found in the weights if None.
        image_size: (height, width), to check; found in the weights if None.

    Returns:
        The checkpoint.

    Raises:
        CheckpointError: a file cannot be read, or two sources contradict each other.

    """
    settings = _read_arguments(arguments)
    tensors, notes = _read_weights(weights)
    found = model_type(tensors, weights)
    for source, value in (('--model', model), (str(arguments), settings.get('model'))):
        if value is not None and str(value).lower() != found:
            msg = f'{source} says model {value!r}, but {weights} holds the weights of a {found}'
            raise CheckpointError(msg)
    sizes = sizes_of(found, tensors, weights)
    for name, size in sizes.items():
        if settings.get(name) not in (None, size):
            msg = (
                f'{arguments} says {name} {settings[name]}, but in {weights} it is {size}: '
                'are the two from the same training?'
            )
            raise CheckpointError(msg)
    height, width = image_size_of(found, tensors, weights, image_size)
    if settings.get('im_size') not in (None, [height, width]):
        msg = (
            f'{arguments} says im_size {settings["im_size"]}, but in {weights} it is '
            f'[{height}, {width}]: are the two from the same training?'
        )
        raise CheckpointError(msg)
    if found == 'sarnn':
        sizes |= {
            name: _number(settings, name, arguments) for name in ('temperature', 'heatmap_size')
        }
    try:
        spec = ModelSpec(found, height, width, **sizes)
    except BundleError as error:
        msg = f'{weights} and {arguments}: {error}'
        raise CheckpointError(msg) from None
    vmin, vmax = (_number(settings, name, arguments) for name in ('vmin', 'vmax'))
    if (vmin, vmax) != (0, 1):
        _log.warning(
            'vmin is %g and vmax is %g: the bundle scales images and joints to that range, as '
            "EIPL's test scripts do; EIPL's own training data loader scales images to 0..1 all "
            'the same, so check how this model was trained',
            vmin,
            vmax,
        )
    return Checkpoint(spec, checked(tensors, spec, weights), vmin, vmax, notes | _told(settings))


def read_bounds(path: Path, joint_dim: int) -> NDArray[np.float64]:
    """
    Read EIPL's joint_bounds.npy.

    Args:
        path: the file: minima, then maxima, (2, D), or (2,) for the same bounds everywhere.
        joint_dim: D.

    Returns:
        float64 (2, D), in joint units.

    Raises:
        CheckpointError: the file cannot be read, or holds something else, or a joint has no range.

    """
    try:
        bounds = read_array(path)
    except (OSError, ValueError) as error:
        msg = f'{path} cannot be read as joint bounds: {_one_line(error)}'
        raise CheckpointError(msg) from None
    if bounds.shape not in ((2, joint_dim), (2, 1), (2,)):
        msg = (
            f'{path} has the shape {bounds.shape}, expected (2, {joint_dim}): minima, then maxima'
        )
        raise CheckpointError(msg)
    if bounds.dtype.kind not in 'fiu' or not np.isfinite(bounds).all():
        msg = f'{path} must hold finite numbers, found {bounds.dtype} {bounds.tolist()}'
        raise CheckpointError(msg)
    bounds = np.broadcast_to(bounds.reshape(2, -1), (2, joint_dim)).astype(np.float64)
    for index, (low, high) in enumerate(bounds.T):
        if low >= high:
            msg = (
                f'{path}: dimension {index} is from {low:g} to {high:g}, but its maximum must '
                'be above the minimum: a joint that never moves in the training data cannot '
                'be normalised, so leave it out of the model or record it moving'
            )
            raise CheckpointError(msg)
    return bounds


def _one_line(error: Exception) -> str:
    return ' '.join(str(error).split())[:300]


def _read_arguments(path: Path) -> dict[str, Any]:
    try:
        settings = read_json(path)
    except FileNotFoundError:
        msg = (
            f"there is no {path}: it is what EIPL's training scripts write beside the weights; "
            'give its place with --args, or write one with vmin, vmax and, for SARNN, '
            'temperature and heatmap_size'
        )
        raise CheckpointError(msg) from None
    except (OSError, ValueError) as error:
        msg = f'{path} cannot be read as JSON: {_one_line(error)}'
        raise CheckpointError(msg) from None
    if not isinstance(settings, dict):
        msg = f'{path} must hold a JSON object, found {type(settings).__name__}'
        raise CheckpointError(msg)
    return settings


def _number(settings: Mapping[str, Any], name: str, path: Path) -> float:
    value = settings.get(name)
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, float))
        or not abs(value) < _GREATEST
    ):
        found = f'found {value!r}' if name in settings else 'but it is not there'
        msg = f'{path} must say {name} as a number, {found}'
        raise CheckpointError(msg)
    return float(value)


def _read_weights(path: Path) -> tuple[Tensors, dict[str, str]]:
    """Return the tensors and what else the file tells about the training."""
    try:
        content = torch.load(path, map_location='cpu', weights_only=True)
    except FileNotFoundError:
        msg = f'there is no {path}'
        raise CheckpointError(msg) from None
    except pickle.UnpicklingError as error:
        named = re.search(r'GLOBAL (\S+)', str(error))
        if named is None:
            msg = f'{path} cannot be read by torch.load: it is no file of torch.save'
        else:
            msg = (
                f'{path} is refused: it holds {named[1]}, and objects other than tensors and '
                'plain values can run code when they are loaded; save the state_dict alone, '
                'with torch.save(model.state_dict(), FILE)'
            )
        raise CheckpointError(msg) from None
    except Exception as error:  # a damaged file makes torch.load raise nearly anything
        msg = f'{path} cannot be read by torch.load: {_one_line(error)}'
        raise CheckpointError(msg) from None
    if not isinstance(content, Mapping):
        msg = f'{path} must hold a state_dict, found {type(content).__name__}'
        raise CheckpointError(msg)
    state = content.get('model_state_dict', content)
    notes = {'checkpoint': path.name, 'checkpoint_sha256': sha256_of(path)}
    notes |= {
        name: f'{content[name]:g}'
        for name in ('epoch', 'train_loss', 'test_loss')
        if isinstance(content.get(name), (int, float))
    }
    tensors: Tensors = {}
    for name, value in state.items() if isinstance(state, Mapping) else ():
        if isinstance(value, torch.Tensor) and value.is_floating_point():
            plain = str(name).removeprefix(_COMPILED)
            tensors[plain] = value.to(torch.float32).contiguous().numpy()
    if not tensors:
        msg = f'{path} holds no weights, neither directly nor under model_state_dict'
        raise CheckpointError(msg)
    return tensors, notes


def _told(settings: Mapping[str, Any]) -> dict[str, str]:
    told = [
        f'{name}={value}'
        for name, value in sorted(settings.items())
        if name not in _PRIVATE and isinstance(value, (str, int, float))
    ]
    return {'settings': ', '.join(told)}
