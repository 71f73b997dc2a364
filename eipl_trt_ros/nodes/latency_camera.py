# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
A camera and an arm that stands still, for the benchmark of the node's latency.

Run as a process of its own, with one argument: a JSON object of `CameraSettings`. It starts the
real predictor node as another process, sends images and joints at their rates, and writes what the
node tells of its frames to its standard output as JSON.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CompressedImage, Image, JointState
from std_msgs.msg import Int64MultiArray

from eipl_trt_ros.benchmark.measure import make_inputs
from eipl_trt_ros.bundle import Bundle, load_bundle
from eipl_trt_ros.nodes.child_process import NodeProcess
from eipl_trt_ros.nodes.conversion import set_stamp
from eipl_trt_ros.nodes.frame_timing import decode

_JOINT_RATE = 97.0  # no multiple of the images': they meet joints at every phase
_PATIENCE = 30.0  # seconds for the node to come up
_SETTLE = 3.5  # seconds: DDS repeats what was lost of its discovery every 3
_LAST = 0.5  # seconds after the last image for its frame to come
_PICTURES = 8
_NOISE = 4.0  # grey levels: a camera's pictures are not as smooth as drawn ones
_TICKS = os.sysconf('SC_CLK_TCK')


@dataclass(frozen=True)
class CameraSettings:
    """
    What to send, and to whom.

    Attributes:
        bundle: folder of the bundle that the node runs.
        width, height: of the images.
        rate_hz: of the images.
        compressed: whether they are sent as JPEG.
        seconds: how long.
        threads: processor threads for one inference of the node.
        backend: what executes the model in the node.
        domain: ROS domain; several robots may share one, each has a namespace.

    """

    bundle: str
    width: int
    height: int
    rate_hz: float
    compressed: bool
    seconds: float
    threads: int
    domain: int
    backend: str


def main(arguments: list[str] | None = None) -> int:
    """Run the camera; see the module."""
    (text,) = sys.argv[1:] if arguments is None else arguments
    sys.stdout.write(json.dumps(run_camera(CameraSettings(**json.loads(text)))) + '\n')
    return 0


def run_camera(settings: CameraSettings) -> Mapping[str, Any]:
    """
    Start the node, send, and gather.

    Returns:
        ``sent``: the number of images; ``published``: each one's stamp, and how long ``publish()``
        took, in ns; ``frames``: for each frame of the node the values of its `FrameTiming`;
        ``cpu``: the node's processor time over the time that it had.

    Raises:
        RuntimeError: the node did not come up, or ended.

    """
    bundle = load_bundle(settings.bundle)
    place = f'/eipl_trt_bench_{os.getpid()}'
    parameters = {
        'bundle': settings.bundle,
        'autostart': True,
        'backend': settings.backend,
        'threads': settings.threads,
        'image_transport': 'compressed' if settings.compressed else 'raw',
    }
    context = Context()
    rclpy.init(context=context, domain_id=settings.domain)
    node = rclpy.create_node('camera', namespace=place, context=context)
    try:
        with NodeProcess(
            'eipl_trt_ros.nodes.predictor_node',
            parameters=parameters,
            remaps=[f'__ns:={place}'],
            environment={'ROS_DOMAIN_ID': str(settings.domain)},
        ) as predictor:
            return _Camera(node, bundle, settings).run(predictor)
    finally:
        node.destroy_node()
        rclpy.shutdown(context=context)


class _Camera:
    """The publishers, the listener, and the messages that are sent again and again."""

    def __init__(self, node: Node, bundle: Bundle, settings: CameraSettings) -> None:
        self._settings = settings
        self._node = node
        kind, topic = (
            (CompressedImage, 'image/compressed') if settings.compressed else (Image, 'image')
        )
        self._images = node.create_publisher(kind, topic, QoSProfile(depth=1))
        self._joints = node.create_publisher(JointState, 'joint_states', 10)
        self._frames: list[tuple[int, ...]] = []
        self._published: list[tuple[int, int]] = []
        node.create_subscription(
            Int64MultiArray, 'predictor/frame_timing', self._note, QoSProfile(depth=100)
        )
        self._messages = _image_messages(bundle, settings)
        middle = (bundle.joint_minimum + bundle.joint_maximum) / 2
        self._posture = JointState(name=list(bundle.joint_names), position=middle.tolist())

    def _note(self, message: Int64MultiArray) -> None:
        self._frames.append(astuple(decode(message)))

    def run(self, predictor: NodeProcess) -> Mapping[str, Any]:
        executor = SingleThreadedExecutor(context=self._node.context)
        executor.add_node(self._node)
        thread = threading.Thread(target=executor.spin, daemon=True)
        thread.start()
        try:
            self._wait(predictor)
            begin, spent = time.monotonic(), _processor_seconds(predictor.pid)
            self._send()
            time.sleep(_LAST)
            if predictor.exit_code is not None:
                msg = f'the node ended: {predictor.last_words()}'
                raise RuntimeError(msg)
            share = (_processor_seconds(predictor.pid) - spent) / (time.monotonic() - begin)
        finally:
            executor.shutdown()
            thread.join()
        return {
            'sent': len(self._published),
            'published': self._published,
            'frames': self._frames,
            'cpu': share,
        }

    def _wait(self, predictor: NodeProcess) -> None:
        """Wait until both sides have found each other."""
        deadline = time.monotonic() + _PATIENCE
        ends = self._images.get_subscription_count, self._joints.get_subscription_count
        while not all(count() for count in ends):
            if predictor.exit_code is not None or time.monotonic() > deadline:
                msg = f'the node did not come up: {predictor.last_words()}'
                raise RuntimeError(msg)
            time.sleep(0.05)
        time.sleep(_SETTLE)

    def _send(self) -> None:
        begin, image, posture = time.monotonic(), 0, 0
        while True:
            now = time.monotonic() - begin
            if now >= posture / _JOINT_RATE:
                _stamp(self._posture)
                self._joints.publish(self._posture)
                posture += 1
            if now >= image / self._settings.rate_hz:
                if now >= self._settings.seconds:
                    return
                message = self._messages[image % len(self._messages)]
                stamp_ns = _stamp(message)
                self._images.publish(message)
                self._published.append((stamp_ns, time.time_ns() - stamp_ns))
                image += 1
            following = min(posture / _JOINT_RATE, image / self._settings.rate_hz)
            time.sleep(max(0.0, following - (time.monotonic() - begin)))


def _stamp(message: Any) -> int:
    stamp_ns = time.time_ns()
    set_stamp(message.header.stamp, stamp_ns)
    return stamp_ns


def _image_messages(bundle: Bundle, settings: CameraSettings) -> list[Any]:
    size = settings.height, settings.width
    pictures, _ = make_inputs(_PICTURES, size, (bundle.joint_minimum, bundle.joint_maximum))
    rng = np.random.default_rng(0)
    messages: list[Any] = []
    for smooth in pictures:
        noisy = smooth + rng.normal(0, _NOISE, smooth.shape)
        picture = np.clip(noisy, 0, 255).astype(np.uint8)
        if settings.compressed:
            message: Any = CompressedImage(format='jpeg')
            message.data.frombytes(cv2.imencode('.jpg', picture)[1].tobytes())
        else:
            message = Image(height=size[0], width=size[1], step=3 * size[1])
            message.encoding = bundle.camera.encoding
            message.data.frombytes(picture.tobytes())
        messages.append(message)
    return messages


def _processor_seconds(process: int) -> float:
    """Return what a process has used of the processor so far, in its own code and the kernel's."""
    fields = Path(f'/proc/{process}/stat').read_text(encoding='ascii').rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


if __name__ == '__main__':
    sys.exit(main())
