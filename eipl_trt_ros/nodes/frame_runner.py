# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What happens to one frame in the inference thread: decode, step, publish, account."""

from __future__ import annotations

import time
import traceback
from functools import partial

import numpy as np
from rclpy.lifecycle import LifecycleNode
from std_msgs.msg import Int64MultiArray

from eipl_trt_ros.arbiter import ArbiterSettings
from eipl_trt_ros.backends import SharedInputs
from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.command.watchdog import Event
from eipl_trt_ros.ensemble import AnyPredictor, open_ensemble
from eipl_trt_ros.errors import EiplTrtError, InputError, PredictionError
from eipl_trt_ros.nodes.command_messages import LATEST
from eipl_trt_ros.nodes.command_stream import CommandStream
from eipl_trt_ros.nodes.conversion import PictureDecoder
from eipl_trt_ros.nodes.driving_model import DrivingModel
from eipl_trt_ros.nodes.frame_timing import TimingMessage
from eipl_trt_ros.nodes.image_output import ImageOutput
from eipl_trt_ros.nodes.inference import Frame
from eipl_trt_ros.nodes.joints_output import JointsOutput
from eipl_trt_ros.nodes.predictor_settings import PredictorSettings
from eipl_trt_ros.nodes.statistics import FrameStatistics
from eipl_trt_ros.predictor import Predictor, open_predictor
from eipl_trt_ros.robot import CameraSpec
from eipl_trt_ros.scheduling import keep_to

_WARM_UP_FRAMES = 3


def open_all(settings: PredictorSettings) -> AnyPredictor:
    """Make every model's predictor, and put several together; in the thread that runs them."""
    if settings.cores:
        keep_to(settings.cores)  # first: threads made by this one inherit its cores
    if len(settings.folders) == 1:
        return open_and_warm_up(settings, settings.folders[0])
    arbiter = ArbiterSettings(
        by=settings.arbiter,
        memory=settings.arbiter_memory,
        advantage=settings.arbiter_advantage,
        patience=settings.arbiter_patience,
    )
    return open_ensemble(settings.folders, arbiter, partial(open_and_warm_up, settings))


def open_and_warm_up(
    settings: PredictorSettings, folder: str, shared: SharedInputs | None = None
) -> Predictor:
    """Make a predictor and run some frames, so that the first real one is not the slowest."""
    predictor = open_predictor(
        folder,
        settings.backend,
        precision=settings.precision,
        threads=settings.threads,
        input_mixing=settings.input_mixing,
        shared=shared,
    )
    try:
        bundle = predictor.bundle
        height, width = bundle.model.image_height, bundle.model.image_width
        picture = np.zeros((*smallest_picture(bundle.camera, height, width), 3), np.uint8)
        joints = (bundle.joint_minimum + bundle.joint_maximum) / 2
        for _ in range(_WARM_UP_FRAMES):
            predictor.step(picture, joints)
            predictor.predicted_image()
        predictor.reset()
    except BaseException:
        predictor.close()
        raise
    return predictor


def smallest_picture(camera: CameraSpec, height: int, width: int) -> tuple[int, int]:
    """Return height and width of the smallest camera picture that a bundle can take."""
    if camera.crop is not None:
        height = camera.crop.top + camera.crop.height
        width = camera.crop.left + camera.crop.width
    return height * camera.stride, width * camera.stride


class FrameRunner:
    """
    Runs frames and publishes what comes of them; `run` is called in the inference thread.

    Args:
        node: lifecycle node that publishes while it is active.
        bundle: the model.
        commands: told each prediction.
        driving: told that a frame is done.

    """

    def __init__(
        self,
        node: LifecycleNode,
        bundle: Bundle,
        commands: CommandStream,
        driving: DrivingModel,
    ) -> None:
        self._node = node
        self._clock = node.get_clock()
        self._decoder = PictureDecoder(bundle.camera.encoding)
        self._timing = TimingMessage()
        self._period_ns = round(1e9 / bundle.rate_hz)
        self.statistics = FrameStatistics(self._period_ns)
        self._commands = commands
        self._driving = driving
        self._size: tuple[int, ...] | None = None
        self._joints = JointsOutput(node, bundle)
        self._images = ImageOutput(node, bundle)
        self._timing_publisher = node.create_lifecycle_publisher(
            Int64MultiArray, '~/frame_timing', LATEST
        )

    def start(self) -> None:
        """Begin a run of the active node: counts start anew, and the camera may be another."""
        self._size = None
        self.statistics = FrameStatistics(self._period_ns)

    def run(self, predictor: AnyPredictor, frame: Frame, reset: bool) -> None:
        """Run one frame; whatever goes wrong is logged and counted, and publishes nothing."""
        try:
            if reset:
                predictor.reset()
            self._run(predictor, frame)
        except PredictionError as error:
            self._commands.on_event(Event.NOT_FINITE)
            self._fail(str(error))
        except EiplTrtError as error:
            self._fail(str(error))
        except Exception:  # an error in one frame must not end the thread
            if self._node.context.ok():  # else ROS was shut down while the frame was in work
                self._fail(traceback.format_exc())

    def _fail(self, text: str) -> None:
        self.statistics.add_failure()
        self._node.get_logger().error(f'frame dropped: {text}', throttle_duration_sec=5.0)

    def _run(self, predictor: AnyPredictor, frame: Frame) -> None:
        started = time.monotonic_ns()
        picture = self._decoder.decode(frame.message)
        decode = time.monotonic_ns() - started
        self._check_size(picture.shape[:2])
        number = predictor.frame
        motion = predictor.step(picture, frame.joints)
        self._commands.on_prediction(motion.joints, frame.stamp_ns)
        self._joints.publish(motion.joints, frame.stamp_ns)
        commanded = time.monotonic_ns()
        stamp_to_command = self._clock.now().nanoseconds - frame.stamp_ns
        self._driving.publish()
        predictor.finish_frame()
        self._images.publish(predictor, frame.message.header)
        finished = time.monotonic_ns()
        if self._timing_publisher.get_subscription_count() > 0:
            message = self._timing.write(
                stamp=frame.stamp_ns,
                frame=number,
                received=frame.received_ns,
                started=started,
                commanded=commanded,
                finished=finished,
                stamp_to_command=stamp_to_command,
                decode=decode,
                steps=predictor.timing,
            )
            self._timing_publisher.publish(message)
        self.statistics.add(
            stamp_to_command,
            commanded - frame.received_ns,
            predictor.timing.motion_total,
            finished - started,
        )

    def _check_size(self, size: tuple[int, ...]) -> None:
        """Refuse a picture of another size than the first: it need not show the same scene."""
        if self._size is None:
            self._size = size
        if size != self._size:
            msg = (
                f'the camera sends {size[1]}x{size[0]} pixels and sent '
                f'{self._size[1]}x{self._size[0]} before: if that is meant, deactivate and '
                'activate the node'
            )
            raise InputError(msg)

    def destroy(self) -> None:
        """Destroy the publishers."""
        self._driving.destroy()
        self._joints.destroy()
        self._images.destroy()
        self._node.destroy_lifecycle_publisher(self._timing_publisher)
