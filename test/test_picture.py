# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from eipl_trt_ros.errors import InputError
from eipl_trt_ros.picture import PictureShaper
from eipl_trt_ros.robot import CameraSpec, Crop


def random_picture(height: int, width: int) -> NDArray[np.uint8]:
    return np.random.default_rng(height * width).integers(0, 256, (height, width, 3), np.uint8)


def shape(camera: CameraSpec, picture: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    out = np.zeros((size, size, 3), np.uint8)
    PictureShaper(camera, size, size).shape_into(picture, out)
    return out


def test_a_picture_of_the_right_size_passes_unchanged() -> None:
    picture = random_picture(32, 32)
    np.testing.assert_array_equal(shape(CameraSpec('rgb8', 1, None, 'none'), picture, 32), picture)


@given(
    height=st.integers(40, 90),
    width=st.integers(40, 90),
    stride=st.integers(1, 2),
    flip=st.sampled_from(['none', 'vertical', 'horizontal', 'both']),
    crop=st.one_of(
        st.none(),
        st.builds(
            Crop, st.integers(0, 5), st.integers(0, 5), st.integers(4, 15), st.integers(4, 15)
        ),
    ),
)
def test_the_steps_come_in_the_order_stride_crop_flip_resize(
    height: int, width: int, stride: int, flip: str, crop: Crop | None
) -> None:
    picture = random_picture(height, width)
    expected = picture[::stride, ::stride]
    if crop is not None:
        expected = expected[crop.top : crop.top + crop.height, crop.left : crop.left + crop.width]
    if flip in ('vertical', 'both'):
        expected = np.flipud(expected)
    if flip in ('horizontal', 'both'):
        expected = np.fliplr(expected)
    expected = cv2.resize(np.ascontiguousarray(expected), (24, 24))
    np.testing.assert_array_equal(
        shape(CameraSpec('rgb8', stride, crop, flip), picture, 24), expected
    )


def test_a_shaper_follows_a_camera_that_changes_its_size() -> None:
    shaper = PictureShaper(CameraSpec('rgb8', 1, None, 'vertical'), 16, 16)
    for side in (16, 64, 33, 64):
        picture, out = random_picture(side, side), np.zeros((16, 16, 3), np.uint8)
        shaper.shape_into(picture, out)
        np.testing.assert_array_equal(out, cv2.resize(np.flipud(picture).copy(), (16, 16)))


@pytest.mark.parametrize(
    'picture',
    [
        np.zeros((8, 8), np.uint8),
        np.zeros((8, 8, 4), np.uint8),
        np.zeros((8, 8, 3), np.float32),
        np.zeros((0, 8, 3), np.uint8),
    ],
)
def test_a_picture_of_another_shape_or_type_is_refused(picture: NDArray[np.uint8]) -> None:
    with pytest.raises(InputError, match='picture is'):
        shape(CameraSpec('rgb8', 1, None, 'none'), picture, 8)


def test_a_crop_outside_the_picture_names_both_and_leaves_the_output_alone() -> None:
    shaper = PictureShaper(CameraSpec('rgb8', 2, Crop(0, 0, 40, 40), 'none'), 8, 8)
    out = np.full((8, 8, 3), 7, np.uint8)
    with pytest.raises(InputError, match=r'64x64 pixels; with stride 2 the crop .*40.* not fit'):
        shaper.shape_into(random_picture(64, 64), out)
    assert (out == 7).all()
