# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""From image messages to pictures, without a copy where the camera sends what the model wants."""

from __future__ import annotations

import importlib
from typing import Any

import cv2
import numpy as np
from builtin_interfaces.msg import Time
from numpy.typing import NDArray

from eipl_trt_ros.errors import InputError, MissingPackageError
from eipl_trt_ros.image_message import picture_of
from eipl_trt_ros.robot import ENCODINGS


def nanoseconds(stamp: Time) -> int:
    """Return a message's stamp in integer nanoseconds."""
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)


def set_stamp(stamp: Time, stamp_ns: int) -> None:
    """Write integer nanoseconds into a message's stamp."""
    stamp.sec, stamp.nanosec = divmod(stamp_ns, 1_000_000_000)


def find_cv_bridge() -> Any:
    """Return ROS's own image converter, or None where ROS came without it."""
    try:
        return importlib.import_module('cv_bridge').CvBridge()
    except ImportError:
        return None


class PictureDecoder:
    """
    Gives the picture in an image message, in a bundle's encoding.

    A message in that encoding is viewed where it lies; one with red and blue swapped goes into a
    buffer that is kept. Every other encoding is converted by cv_bridge, and where that is not
    installed by rosbags-image.

    Args:
        encoding: what the model wants, ``'rgb8'`` or ``'bgr8'``.

    """

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self._buffer: NDArray[np.uint8] = np.empty((0, 0, 3), np.uint8)
        self._bridge = find_cv_bridge()

    def decode(self, message: Any) -> NDArray[np.uint8]:
        """
        Decode one picture.

        Args:
            message: ``sensor_msgs/Image`` or ``sensor_msgs/CompressedImage``.

        Returns:
            uint8 (h, w, 3); valid while the message is, and until the next call.

        Raises:
            InputError: the message holds no picture, or one that cannot be converted.

        """
        encoding = getattr(message, 'encoding', None)
        try:
            if encoding in ENCODINGS:
                view = picture_of(message, encoding)
                return view if encoding == self._encoding else self._swap(view)
            if encoding is not None and self._bridge is not None:
                return self._bridge.imgmsg_to_cv2(message, self._encoding)  # type: ignore[no-any-return]
            return picture_of(message, self._encoding)
        except MissingPackageError:
            raise
        except Exception as error:  # the converters share no base class for what they refuse
            compressed = encoding is None
            found = f'format {message.format!r}' if compressed else f'encoding {encoding!r}'
            msg = f'an image of {found} cannot be turned into {self._encoding}: {error}'
            raise InputError(msg) from error

    def _swap(self, view: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if self._buffer.shape != view.shape:
            self._buffer = np.empty(view.shape, np.uint8)
        cv2.cvtColor(view, cv2.COLOR_RGB2BGR, dst=self._buffer)
        return self._buffer
