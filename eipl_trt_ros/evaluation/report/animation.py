# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Packs the pictures of a pass into two images that the page plays like a film.

A sprite sheet holds all frames side by side; the page draws one tile at a time. One WebP of eighty
tiles is smaller than eighty files and needs nothing but a canvas to play.
"""

from __future__ import annotations

import base64
import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from eipl_trt_ros.evaluation.offline import Pass

_QUALITY = 82
_MAX_SIDE = 16000  # WebP ends at 16383 pixels


def film_of(run: Pass) -> dict[str, Any]:
    """
    Prepare the animation of a pass.

    Args:
        run: the pass.

    Returns:
        What the page's player needs, ready for JSON: ``camera`` and ``predicted`` (sprite sheets
        as data URLs), ``width`` and ``height`` of a tile, ``columns`` of a sheet, ``frames``
        (frame numbers), ``seconds`` (times from the first frame), ``encoder`` and ``decoder``
        (points in 0..1 by frame, or ``None``).

    """
    pairs, frames = run.strip.pairs, list(run.strip.frames)
    height, width = pairs[0][0].shape[:2]
    columns = min(math.ceil(math.sqrt(len(pairs))), _MAX_SIDE // width)
    bgr = run.bundle.camera.encoding == 'bgr8'
    return {
        'camera': _sheet([camera for camera, _ in pairs], columns, bgr),
        'predicted': _sheet([predicted for _, predicted in pairs], columns, bgr),
        'width': width,
        'height': height,
        'columns': columns,
        'frames': frames,
        'seconds': [round(float(t), 3) for t in (run.stamps_ns[frames] - run.stamps_ns[0]) / 1e9],
        'encoder': _rounded(run.encoder_points, frames),
        'decoder': _rounded(run.decoder_points, frames),
    }


def _rounded(points: NDArray[np.float32] | None, frames: list[int]) -> list[Any] | None:
    return None if points is None else np.round(points[frames].astype(float), 4).tolist()


def _sheet(pictures: list[NDArray[np.uint8]], columns: int, bgr: bool) -> str:
    height, width = pictures[0].shape[:2]
    sheet = np.zeros((math.ceil(len(pictures) / columns) * height, columns * width, 3), np.uint8)
    for index, picture in enumerate(pictures):
        top, left = index // columns * height, index % columns * width
        sheet[top : top + height, left : left + width] = picture
    if not bgr:
        sheet = cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR)  # type: ignore[assignment]
    data = cv2.imencode('.webp', sheet, [cv2.IMWRITE_WEBP_QUALITY, _QUALITY])[1]
    return 'data:image/webp;base64,' + base64.b64encode(data.tobytes()).decode()
