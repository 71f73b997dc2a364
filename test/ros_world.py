# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A small ROS system for one test: its own domain and namespace, and a robot that can be told."""

from __future__ import annotations

import array
import contextlib
import itertools
import os
import queue
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

import numpy as np
import rclpy
from numpy.typing import NDArray
from rclpy.client import Client
from rclpy.context import Context
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.task import Future
from sensor_msgs.msg import CompressedImage, Image, JointState
from std_srvs.srv import Trigger

from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.nodes.conversion import set_stamp
from eipl_trt_ros.nodes.predictor_node import PredictorNode

PATIENCE = 20.0  # seconds; long enough for a loaded machine, and only waited for in a failure
_counter = itertools.count()


def until(
    condition: Callable[[], object], what: object = 'the condition', patience: float = PATIENCE
) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, f'waited {patience} s in vain for {what}'
        time.sleep(0.002)


def ask(client: Client, request: Any) -> Any:
    """
    Call a service, and again where the middleware loses the answer, as it may after discovery.

    For requests that may be made twice.
    """
    assert client.wait_for_service(PATIENCE)
    answers: list[Future] = []

    def answered() -> Future | None:
        return next((answer for answer in answers if answer.done()), None)

    send_until(lambda: answers.append(client.call_async(request)), answered)
    return answered().result()


def send_until(send: Callable[[], None], arrived: Callable[[], object]) -> None:
    """Send, and again if it was lost: best effort promises nothing, least of all at the start."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        send()
        patience = time.monotonic() + 2.0
        while time.monotonic() < patience:
            if arrived():
                return
            time.sleep(0.001)
    msg = f'nothing arrived in {PATIENCE} s'
    raise AssertionError(msg)


class World:
    """A ROS context whose nodes are served by one thread in the background."""

    def __init__(self) -> None:
        # other processes use other domains, and tests that meet in one have other namespaces
        self.domain = 1 + (os.getpid() * 7 + next(_counter)) % 100
        self.namespace = '/t' + uuid.uuid4().hex[:8]
        self.context = Context()
        self._nodes: list[Node] = []

    def __enter__(self) -> World:
        rclpy.init(context=self.context, domain_id=self.domain)
        self._executor = SingleThreadedExecutor(context=self.context)
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()
        return self

    def _spin(self) -> None:
        with contextlib.suppress(ExternalShutdownException):
            self._executor.spin()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._executor.shutdown()
        self._thread.join(PATIENCE)
        for node in self._nodes:
            node.destroy_node()
        rclpy.try_shutdown(context=self.context)

    def add(self, node: Any) -> Any:
        """Serve a node; it is destroyed at the end."""
        self._nodes.append(node)
        self._executor.add_node(node)
        return node

    def settings(self, **parameters: Any) -> dict[str, Any]:
        """Return what a node's constructor needs to live here."""
        overrides = [Parameter(name, value=value) for name, value in parameters.items()]
        return {
            'context': self.context,
            'namespace': self.namespace,
            'parameter_overrides': overrides,
        }

    def run(self, function: Callable[[], Any], patience: float = PATIENCE) -> Any:
        """Call a function in the thread that serves the nodes, and return its result."""
        results: queue.Queue[Any] = queue.Queue()
        self._executor.create_task(lambda: results.put(function()))
        return results.get(timeout=patience)

    def predictor(self, bundle: Bundle | str, *, active: bool = True, **settings: Any) -> Any:
        """Return a predictor node, brought up."""
        path = str(bundle.path) if isinstance(bundle, Bundle) else bundle
        node = self.add(PredictorNode(**self.settings(bundle=path, **settings)))
        if active:
            assert self.run(node.bring_up), node.failure
        return node

    def robot(self) -> Robot:
        """Return a robot."""
        return self.add(Robot(**self.settings()))


class Robot(Node):
    """Publishes images and joints as told, and keeps what comes back."""

    def __init__(self, **settings: Any) -> None:
        super().__init__('robot', **settings)
        qos = QoSProfile(depth=100, reliability=ReliabilityPolicy.RELIABLE)
        self._joints = self.create_publisher(JointState, 'joint_states', qos)
        self._images = self.create_publisher(Image, 'image', qos)
        self._compressed = self.create_publisher(CompressedImage, 'image/compressed', qos)
        self._inboxes: dict[str, queue.Queue[Any]] = {}

    def listen(self, kind: Any, topic: str) -> queue.Queue[Any]:
        """Subscribe to a topic of the predictor, such as ``predicted_joints``."""
        inbox: queue.Queue[Any] = queue.Queue()
        qos = QoSProfile(depth=1000, reliability=ReliabilityPolicy.RELIABLE)
        name = topic if topic.startswith('/') else f'predictor/{topic}'
        subscription = self.create_subscription(kind, name, inbox.put, qos)
        until(lambda: self.count_publishers(subscription.topic_name), f'a publisher of {name}')
        return inbox

    def meet(self, *, compressed: bool = False, settle: float = 0.0) -> None:
        """Wait until somebody is subscribed, and a moment for the subscriber to know that too."""
        image = self._compressed if compressed else self._images
        for publisher in (self._joints, image):
            until(publisher.get_subscription_count, f'a subscriber to {publisher.topic_name}')
        if settle:
            time.sleep(settle)

    def send_joints(self, stamp_ns: int, names: Sequence[str], positions: Sequence[float]) -> None:
        message = JointState(name=list(names), position=array.array('d', positions))
        message.velocity = [float('nan')] * len(names)
        set_stamp(message.header.stamp, stamp_ns)
        self._joints.publish(message)

    def send_picture(
        self, stamp_ns: int, picture: NDArray[np.uint8], encoding: str = 'rgb8'
    ) -> None:
        self.send_image(stamp_ns, image_message(picture, encoding))

    def send_image(self, stamp_ns: int, message: Image | CompressedImage) -> None:
        set_stamp(message.header.stamp, stamp_ns)
        message.header.frame_id = 'camera'
        (self._images if isinstance(message, Image) else self._compressed).publish(message)

    def reset(self) -> Trigger.Response:
        """Call the predictor's reset service."""
        return ask(self.create_client(Trigger, 'predictor/reset'), Trigger.Request())


def image_message(picture: NDArray[np.uint8], encoding: str = 'rgb8') -> Image:
    """Return a picture as an image message."""
    height, width = picture.shape[:2]
    message = Image(height=height, width=width, encoding=encoding)
    message.step = picture.nbytes // height
    message.data = array.array('B', picture.tobytes())
    return message
