# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Publishes what is for people to look at, and only what somebody is subscribed to.

- ``~/predicted_image``, sensor_msgs/Image: the image that the model expects one step later.
- ``~/attention_image``, sensor_msgs/Image, SARNN only: the model's image with its attention
  points, blue where it looks and red where it expects to look one step later.
- ``~/attention_points``, std_msgs/Float32MultiArray, SARNN only: [2, K, 2], that is encoder and
  decoder, points, x and y in 0..1 of the image's width and height.
"""

from __future__ import annotations

import array
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import Image
from std_msgs.msg import Float32MultiArray, Header, MultiArrayDimension

from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.ensemble import AnyPredictor
from eipl_trt_ros.nodes.command_messages import LATEST
from eipl_trt_ros.spec import ModelSpec

_RGB_BLUE = (0, 0, 255)
_RGB_RED = (255, 0, 0)


class ImageMessage:
    """An image message of a fixed size, written again for every frame through ``pixels``."""

    def __init__(self, height: int, width: int, encoding: str) -> None:
        self.message = Image(height=height, width=width, encoding=encoding, step=3 * width)
        self.message.data = array.array('B', bytes(3 * height * width))
        flat: NDArray[np.uint8] = np.frombuffer(self.message.data, np.uint8)
        self.pixels = flat.reshape(height, width, 3)


class ImageOutput:
    """
    Publishers for the predicted image and the attention points.

    Args:
        node: lifecycle node that publishes while it is active.
        bundle: the model.

    """

    def __init__(self, node: LifecycleNode, bundle: Bundle) -> None:
        self._node = node
        model = bundle.model
        size = model.image_height, model.image_width
        self._fits = (*size, model.k_dim)
        self._predicted = ImageMessage(*size, bundle.camera.encoding)
        self._image_publisher = self._publisher(Image, '~/predicted_image')
        self._overlay_publisher: Any = None
        self._points_publisher: Any = None
        if model.k_dim is None:
            return
        self._overlay = ImageMessage(*size, bundle.camera.encoding)
        swapped = bundle.camera.encoding == 'bgr8'
        self._blue = _RGB_BLUE[::-1] if swapped else _RGB_BLUE
        self._red = _RGB_RED[::-1] if swapped else _RGB_RED
        self._points = Float32MultiArray(data=array.array('f', bytes(4 * 2 * model.k_dim * 2)))
        self._points.layout.dim = [
            MultiArrayDimension(label='encoder,decoder', size=2, stride=4 * model.k_dim),
            MultiArrayDimension(label='point', size=model.k_dim, stride=2 * model.k_dim),
            MultiArrayDimension(label='x,y', size=2, stride=2),
        ]
        values: NDArray[np.float32] = np.frombuffer(self._points.data, np.float32)
        self._point_values = values.reshape(2, model.k_dim, 2)
        self._overlay_publisher = self._publisher(Image, '~/attention_image')
        self._points_publisher = self._publisher(Float32MultiArray, '~/attention_points')

    def _publisher(self, kind: Any, topic: str) -> Any:
        return self._node.create_lifecycle_publisher(kind, topic, LATEST)

    def publish(self, predictor: AnyPredictor, header: Header) -> None:
        """
        Publish what somebody is subscribed to, of the predictor's last frame.

        Args:
            predictor: runs the image graph only if the predicted image is wanted.
            header: the camera image's: its stamp and frame go with all images.

        """
        if not self._shows(predictor.bundle.model):
            return
        if _wanted(self._points_publisher) or _wanted(self._overlay_publisher):
            self._publish_attention(predictor, header)
        if _wanted(self._image_publisher):
            np.copyto(self._predicted.pixels, predictor.predicted_image())
            self._predicted.message.header = header
            self._image_publisher.publish(self._predicted.message)

    def _shows(self, model: ModelSpec) -> bool:
        """Tell whether a model's image and points fit into the messages, where several drive."""
        return (model.image_height, model.image_width, model.k_dim) == self._fits

    def _publish_attention(self, predictor: AnyPredictor, header: Header) -> None:
        backend = predictor.backend
        for values, points in zip(
            self._point_values, (backend.encoder_points, backend.decoder_points), strict=True
        ):
            if points is not None:
                np.copyto(values, points)
        if _wanted(self._points_publisher):
            self._points_publisher.publish(self._points)
        if _wanted(self._overlay_publisher):
            np.copyto(self._overlay.pixels, backend.image)
            draw_points(self._overlay.pixels, self._point_values[0], self._blue)
            draw_points(self._overlay.pixels, self._point_values[1], self._red)
            self._overlay.message.header = header
            self._overlay_publisher.publish(self._overlay.message)

    def destroy(self) -> None:
        """Destroy the publishers."""
        publishers = (self._image_publisher, self._overlay_publisher, self._points_publisher)
        for publisher in publishers:
            if publisher is not None:
                self._node.destroy_lifecycle_publisher(publisher)


def _wanted(publisher: Any) -> bool:
    return publisher is not None and publisher.get_subscription_count() > 0


def draw_points(
    pixels: NDArray[np.uint8], points: NDArray[np.float32], colour: tuple[int, ...]
) -> None:
    """
    Draw attention points into an image.

    Args:
        pixels: uint8 (H, W, 3), drawn into.
        points: float32 (K, 2), x and y in 0..1 of width and height.
        colour: in the image's channel order.

    """
    height, width = pixels.shape[:2]
    radius = max(1, round(min(height, width) / 64))
    for x, y in points:
        centre = (round(float(x) * (width - 1)), round(float(y) * (height - 1)))
        cv2.circle(pixels, centre, radius, colour, thickness=-1)
