# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Which network a set of weights is, told by the names and shapes of its tensors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eipl_trt_ros.errors import CheckpointError
from eipl_trt_ros.models.layers import position_grid
from eipl_trt_ros.spec import CNNRNN_IMAGE_SIZE, MODEL_TYPES, SARNN_MARGIN, ModelSpec

Tensors = dict[str, NDArray[np.float32]]


def model_type(tensors: Tensors, path: Path) -> str:
    """
    Tell the type of the network by the names of its tensors.

    Raises:
        CheckpointError: it is none of ours.

    """
    if 'pos_encoder.0.weight' in tensors:
        return 'sarnn'
    if 'encoder_image.0.weight' in tensors:
        return 'cnnrnnln' if 'encoder_image.1.weight' in tensors else 'cnnrnn'
    msg = (
        f'{path} holds none of {", ".join(MODEL_TYPES)}: its tensors are '
        f'{", ".join(sorted(tensors)[:4])}, ...'
    )
    raise CheckpointError(msg)


def sizes_of(model: str, tensors: Tensors, path: Path) -> dict[str, Any]:
    """
    Read each size from the shape of one tensor; the rest is checked by `checked`.

    Raises:
        CheckpointError: that tensor is missing or has too few axes.

    """
    tells = {'joint_dim': ('decoder_joint.0.weight', 0), 'rec_dim': ('rec.weight_hh', 1)}
    tells |= {
        'sarnn': {'k_dim': ('pos_encoder.4.weight', 0)},
        'cnnrnn': {'feat_dim': ('encoder_image.13.weight', 0)},
        'cnnrnnln': {'feat_dim': ('encoder_image.19.weight', 0)},
    }[model]
    sizes = {}
    for size, (name, axis) in tells.items():
        if name not in tensors or tensors[name].ndim <= axis:
            msg = f'{path} is not a whole {model}: it lacks {name}, or it has no axis {axis}'
            raise CheckpointError(msg)
        sizes[size] = tensors[name].shape[axis]
    return sizes


def image_size_of(
    model: str, tensors: Tensors, path: Path, asked: tuple[int, int] | None
) -> tuple[int, int]:
    """
    Tell the height and the width of the network's image.

    Args:
        model: its type.
        tensors: its weights.
        path: their file, for an error.
        asked: what they should be; None for whatever the weights say.

    Raises:
        CheckpointError: the weights do not tell, or say something else.

    """
    grid = tensors.get('issm.pos_xy')
    if model != 'sarnn':
        found = (CNNRNN_IMAGE_SIZE, CNNRNN_IMAGE_SIZE)
    elif grid is not None and grid.ndim == 3:
        found = (grid.shape[1] + SARNN_MARGIN, grid.shape[2] + SARNN_MARGIN)
    elif asked is not None:
        found = asked
    else:
        msg = (
            f'{path} has no issm.pos_xy, which tells the size of the image: '
            'give --image-size HEIGHTxWIDTH'
        )
        raise CheckpointError(msg)
    if asked is not None and asked != found:
        msg = (
            f'--image-size is {asked[0]}x{asked[1]} (height x width), but the {model} in '
            f'{path} takes {found[0]}x{found[1]}'
        )
        raise CheckpointError(msg)
    return found


def checked(tensors: Tensors, spec: ModelSpec, path: Path) -> Tensors:
    """
    Return exactly the tensors of such a model.

    Raises:
        CheckpointError: one is missing, wrong or too many; the text names it.

    """
    grid = position_grid(spec.map_height, spec.map_width).numpy()
    buffers = (
        {
            'pos_encoder.6.pos_x': grid[0].ravel(),
            'pos_encoder.6.pos_y': grid[1].ravel(),
            'issm.pos_xy': grid,
        }
        if spec.type == 'sarnn'
        else {}
    )
    tensors = {**buffers, **tensors}
    shapes = spec.expected_shapes()
    for name in sorted(tensors.keys() ^ shapes.keys()):
        what = 'lacks the tensor' if name in shapes else 'has the unknown tensor'
        msg = f'{path} {what} {name}: it is not a plain {spec.type}'
        raise CheckpointError(msg)
    for name, shape in shapes.items():
        values = tensors[name]
        if values.shape != shape:
            msg = f'{path}: {name} has the shape {values.shape}, expected {shape}'
            raise CheckpointError(msg)
        if not np.isfinite(values).all():
            msg = f'{path}: {name} holds NaN or infinity: the training went wrong'
            raise CheckpointError(msg)
    for name, values in buffers.items():
        if not np.allclose(tensors[name], values, atol=1e-6):
            msg = (
                f'{path}: {name} does not go from 0 to 1 over the image; only such normalised '
                'positions (normalized=True, what EIPL always sets) are supported'
            )
            raise CheckpointError(msg)
    return {name: tensors[name] for name in shapes} | buffers
