# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""From an image message, of ROS or of a recording, to a picture; free of ROS."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from eipl_trt_ros.errors import require
from eipl_trt_ros.robot import ENCODINGS


def picture_of(message: Any, encoding: str) -> NDArray[np.uint8]:
    """
    Decode a ``sensor_msgs/Image`` or ``sensor_msgs/CompressedImage``.

    Args:
        message: the message; one with a ``format`` is compressed (PNG, JPEG).
        encoding: what is wanted, ``'rgb8'`` or ``'bgr8'``.

    Returns:
        uint8 (height, width, 3). An uncompressed message of the wanted encoding is viewed, not
        copied, also when its rows are padded.

    Raises:
        ValueError: the picture cannot be decoded.

    """
    if hasattr(message, 'format'):
        return _decompressed(message, encoding)
    if message.encoding in ENCODINGS:
        view = _view(message)
        return view if message.encoding == encoding else cv2.cvtColor(view, cv2.COLOR_RGB2BGR)  # type: ignore[return-value]
    image = require(
        'rosbags.image', install='pip install rosbags-image', needed_for=message.encoding
    )
    try:
        picture = image.image_to_cvimage(_packed(message, image), encoding)
    except (image.ImageError, TypeError, cv2.error) as error:
        msg = f'encoding {message.encoding!r} cannot be converted to {encoding}: {error}'
        raise ValueError(msg) from error
    return np.asarray(picture, np.uint8)


def _view(message: Any) -> NDArray[np.uint8]:
    """Look at packed 8-bit colours without copying; ``step`` may exceed ``3 * width``."""
    height, width, step = int(message.height), int(message.width), int(message.step)
    data = np.frombuffer(message.data, np.uint8)
    if step < 3 * width or data.size < height * step:
        msg = f'{message.encoding} {width}x{height} with step {step} needs {height * step} bytes '
        msg += f'and a step of at least {3 * width}, found {data.size} bytes'
        raise ValueError(msg)
    rows = data[: height * step].reshape(height, step)
    return rows[:, : 3 * width].reshape(height, width, 3)


def _packed(message: Any, image: Any) -> Any:
    """Return the message without padding at the end of its rows, which rosbags-image ignores."""
    _, _, kind, channels = image.image.to_cvtype(message.encoding)
    row = message.width * channels * np.dtype(kind).itemsize
    if message.step <= row:
        return message
    data = np.frombuffer(message.data, np.uint8)
    rows = data[: data.size // message.step * message.step].reshape(-1, message.step)
    return SimpleNamespace(
        encoding=message.encoding,
        height=message.height,
        width=message.width,
        is_bigendian=message.is_bigendian,
        data=np.ascontiguousarray(rows[:, :row]),
    )


def _decompressed(message: Any, encoding: str) -> NDArray[np.uint8]:
    data = np.frombuffer(message.data, np.uint8)
    picture = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if picture is None:
        msg = f'{data.size} bytes of format {message.format!r} are no picture that can be decoded'
        raise ValueError(msg)
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB) if encoding == 'rgb8' else picture  # type: ignore[return-value]
