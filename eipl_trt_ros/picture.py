# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""From a camera picture of any size to the model's image: stride, crop, flip, resize."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from eipl_trt_ros.errors import InputError
from eipl_trt_ros.robot import CameraSpec


class PictureShaper:
    """Applies a bundle's `CameraSpec`; allocates only when the picture's size changes."""

    def __init__(self, camera: CameraSpec, height: int, width: int) -> None:
        self._camera = camera
        self._size = (width, height)
        self._shape = (height, width, 3)
        self._known_shape: tuple[int, ...] = ()
        self._scratch: NDArray[np.uint8] | None = None

    def shape_into(self, picture: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
        """
        Write the model's image.

        Args:
            picture: uint8 (h, w, 3) in the bundle's encoding, any size, any strides.
            out: uint8 (H, W, 3), overwritten.

        Raises:
            InputError: the picture is not uint8 (h, w, 3), or the crop does not fit into it;
                ``out`` is untouched.

        """
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
            msg = f'the picture is {picture.dtype} {picture.shape}, expected uint8 (h, w, 3)'
            raise InputError(msg)
        view = self._view(picture)
        if view.shape != self._known_shape:
            self._prepare(picture, view)
        if view.shape == self._shape:
            np.copyto(out, view)
            return
        if self._scratch is not None:  # OpenCV would copy such a view into memory of its own
            np.copyto(self._scratch, view)
            view = self._scratch
        cv2.resize(view, self._size, dst=out, interpolation=cv2.INTER_LINEAR)

    def _view(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        camera = self._camera
        view = picture[:: camera.stride, :: camera.stride]
        if camera.crop is not None:
            crop = camera.crop
            view = view[crop.top : crop.top + crop.height, crop.left : crop.left + crop.width]
        if camera.flip in ('vertical', 'both'):
            view = view[::-1]
        if camera.flip in ('horizontal', 'both'):
            view = view[:, ::-1]
        return view

    def _prepare(self, picture: NDArray[np.uint8], view: NDArray[np.uint8]) -> None:
        crop = self._camera.crop
        wanted = (crop.height, crop.width) if crop is not None else view.shape[:2]
        if view.shape[:2] != wanted or 0 in view.shape:
            msg = (
                f'the picture is {picture.shape[1]}x{picture.shape[0]} pixels; with stride '
                f'{self._camera.stride} the crop {crop} does not fit into it: check the '
                "camera's resolution against the bundle"
            )
            raise InputError(msg)
        self._known_shape = view.shape
        plain = self._camera.stride == 1 and self._camera.flip == 'none'
        self._scratch = None if plain else np.empty(view.shape, np.uint8)
