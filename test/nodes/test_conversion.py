# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import array

import cv2
import numpy as np
import pytest
from builders import make_pictures
from builtin_interfaces.msg import Time
from hypothesis import given
from hypothesis import strategies as st
from ros_world import image_message
from sensor_msgs.msg import CompressedImage, Image

from eipl_trt_ros.errors import InputError
from eipl_trt_ros.nodes.conversion import PictureDecoder, nanoseconds, set_stamp

RGB = make_pictures(1, 48, 64)[0]
BGR = RGB[..., ::-1].copy()


@given(st.integers(0, (2**31) * 10**9 - 1))
def test_a_stamp_survives_the_way_to_nanoseconds_and_back(stamp_ns):
    stamp = Time()
    set_stamp(stamp, stamp_ns)
    assert nanoseconds(stamp) == stamp_ns


@pytest.mark.parametrize('encoding', ['rgb8', 'bgr8'])
def test_a_picture_in_the_bundles_encoding_is_viewed_not_copied(encoding):
    message = image_message(RGB, encoding)
    picture = PictureDecoder(encoding).decode(message)
    assert np.array_equal(picture, RGB)
    assert np.shares_memory(picture, np.frombuffer(message.data, np.uint8))


@pytest.mark.parametrize(('sent', 'wanted'), [('rgb8', 'bgr8'), ('bgr8', 'rgb8')])
def test_swapped_channels_go_into_a_buffer_that_is_kept(sent, wanted):
    decoder = PictureDecoder(wanted)
    first = decoder.decode(image_message(RGB, sent))
    assert np.array_equal(first, BGR)
    second = decoder.decode(image_message(RGB // 2, sent))
    assert second is first
    assert np.array_equal(second, BGR // 2)


@pytest.mark.parametrize('wanted', ['rgb8', 'bgr8'])
def test_rows_may_be_padded(wanted):
    padded = np.full((48, 200), 77, np.uint8)
    padded[:, :192] = RGB.reshape(48, 192)
    message = Image(height=48, width=64, step=200, encoding='rgb8')
    message.data = array.array('B', padded.tobytes())
    picture = PictureDecoder(wanted).decode(message)
    assert np.array_equal(picture, RGB if wanted == 'rgb8' else BGR)


@pytest.mark.parametrize('padding', [0, 8])
@pytest.mark.parametrize('wanted', ['rgb8', 'bgr8'])
def test_grey_pictures_get_three_equal_channels(wanted, padding):
    grey = cv2.cvtColor(RGB, cv2.COLOR_RGB2GRAY)
    message = image_message(np.pad(grey, ((0, 0), (0, padding))), 'mono8')
    message.width = 64
    picture = PictureDecoder(wanted).decode(message)
    assert np.array_equal(picture, np.repeat(grey[..., None], 3, axis=2))


@pytest.mark.parametrize(
    ('encoding', 'code'),
    [
        ('rgba8', cv2.COLOR_RGB2RGBA),
        ('bgra8', cv2.COLOR_RGB2BGRA),
        ('yuv422_yuy2', cv2.COLOR_RGB2YUV_YUY2),
        ('uyvy', cv2.COLOR_RGB2YUV_UYVY),
    ],
)
@pytest.mark.parametrize('wanted', ['rgb8', 'bgr8'])
def test_other_encodings_are_converted(encoding, code, wanted):
    message = image_message(cv2.cvtColor(RGB, code), encoding)
    picture = PictureDecoder(wanted).decode(message).astype(int)
    assert np.abs(picture - (RGB if wanted == 'rgb8' else BGR)).max() <= 12


@pytest.mark.parametrize(('suffix', 'tolerance'), [('.png', 0), ('.jpg', 12)])
@pytest.mark.parametrize('wanted', ['rgb8', 'bgr8'])
def test_compressed_pictures_are_decoded(suffix, tolerance, wanted):
    _, data = cv2.imencode(suffix, BGR)
    message = CompressedImage(format=f'rgb8; {suffix[1:]} compressed bgr8')
    message.data = array.array('B', data.tobytes())
    picture = PictureDecoder(wanted).decode(message).astype(int)
    assert np.abs(picture - (RGB if wanted == 'rgb8' else BGR)).max() <= tolerance


def test_a_picture_that_is_too_short_is_refused():
    message = image_message(RGB)
    message.data = message.data[:-1]
    with pytest.raises(InputError, match=r"encoding 'rgb8' .* found 9215 bytes"):
        PictureDecoder('rgb8').decode(message)


def test_an_unknown_encoding_is_refused_by_name():
    with pytest.raises(InputError, match='hologram'):
        PictureDecoder('rgb8').decode(image_message(RGB, 'hologram'))


def test_a_broken_compressed_picture_is_refused():
    message = CompressedImage(format='jpeg', data=array.array('B', b'not a picture'))
    with pytest.raises(InputError, match="format 'jpeg'"):
        PictureDecoder('rgb8').decode(message)


def test_a_picture_that_does_not_tell_its_encoding_is_refused():
    with pytest.raises(InputError, match="encoding '' cannot be turned into rgb8"):
        PictureDecoder('rgb8').decode(image_message(RGB, ''))
