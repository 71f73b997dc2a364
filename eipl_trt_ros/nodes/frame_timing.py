# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
The message on ``~/frame_timing``: what one frame took, exact to the nanosecond.

It is a ``std_msgs/Int64MultiArray`` with one dimension whose label is the field names, separated
by commas, so that a reader need not know this module: ``data[i]`` belongs to the i-th name. All
values are integers; all times and durations are in nanoseconds.

The four times ``received``, ``started``, ``commanded`` and ``finished`` are on the host's
monotonic clock (``time.monotonic_ns()``), which all processes of one host share and which nobody
sets: another process, such as one that samples the board's power, can tell which of its samples
lie inside a frame.
"""

from __future__ import annotations

import array
from dataclasses import astuple, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from std_msgs.msg import Int64MultiArray, MultiArrayDimension

from eipl_trt_ros.backends import StepTimes
from eipl_trt_ros.errors import InputError


@dataclass(frozen=True)
class FrameTiming:
    """
    Times of one frame, in nanoseconds.

    Attributes:
        stamp: the image's stamp, on the clock that the camera's driver uses.
        frame: frames since the LSTM state was last reset, this one not counted.
        received: monotonic time at which the image reached the node.
        started: monotonic time at which the inference thread took it up.
        commanded: monotonic time right after the command was published.
        finished: monotonic time at which all was published.
        stamp_to_command: from the image's stamp to the command, on the node's clock; holds the
            camera's exposure and transfer, and is meaningless where the camera's clock is not
            the node's, or where a bag is replayed under its old stamps.
        decode: converting the image message to a picture in the bundle's encoding.
        pre_process, copy_in, infer, copy_out, post_process: steps 1 to 5 of the motion graph.
        image_copy_in, image_infer, image_copy_out, image_post_process: the same of the image
            graph; 0 where nobody wanted the predicted image.

    """

    stamp: int
    frame: int
    received: int
    started: int
    commanded: int
    finished: int
    stamp_to_command: int
    decode: int
    pre_process: int
    copy_in: int
    infer: int
    copy_out: int
    post_process: int
    image_copy_in: int
    image_infer: int
    image_copy_out: int
    image_post_process: int

    @property
    def receive_to_command(self) -> int:
        """From the image's arrival to the command."""
        return self.commanded - self.received

    @property
    def motion_total(self) -> int:
        """The predictor's own time for the command: steps 1 to 5 of the motion graph."""
        return self.pre_process + self.copy_in + self.infer + self.copy_out + self.post_process


FIELDS = tuple(field.name for field in fields(FrameTiming))
LABEL = ','.join(FIELDS)
_STEPS_BEGIN = FIELDS.index(StepTimes.STEPS[0])


class TimingMessage:
    """One message object, written again for every frame."""

    def __init__(self) -> None:
        self.message = Int64MultiArray()
        size = len(FIELDS)
        self.message.layout.dim = [MultiArrayDimension(label=LABEL, size=size, stride=size)]
        self.message.data = array.array('q', bytes(8 * size))
        self._values: NDArray[np.int64] = np.frombuffer(self.message.data, np.int64)

    def write(
        self,
        *,
        stamp: int,
        frame: int,
        received: int,
        started: int,
        commanded: int,
        finished: int,
        stamp_to_command: int,
        decode: int,
        steps: StepTimes,
    ) -> Int64MultiArray:
        """Fill the message; see `FrameTiming` for the arguments."""
        values = self._values
        values[:_STEPS_BEGIN] = (
            stamp,
            frame,
            received,
            started,
            commanded,
            finished,
            stamp_to_command,
            decode,
        )
        for index, step in enumerate(StepTimes.STEPS, _STEPS_BEGIN):
            values[index] = getattr(steps, step)
        return self.message


def encode(timing: FrameTiming) -> Int64MultiArray:
    """Return a message of its own for a frame's times."""
    writer = TimingMessage()
    writer.message.data = array.array('q', astuple(timing))
    return writer.message


def decode(message: Any) -> FrameTiming:
    """
    Read a message of ``~/frame_timing``.

    Args:
        message: ``std_msgs/Int64MultiArray``, of rclpy or read from a bag.

    Raises:
        InputError: its label names other fields: it comes from another version of the node, or
            from another topic.

    """
    label = message.layout.dim[0].label if len(message.layout.dim) == 1 else None
    if label != LABEL or len(message.data) != len(FIELDS):
        msg = f'this is no frame timing of this version: expected the label {LABEL!r}, '
        msg += f'found {label!r} with {len(message.data)} values'
        raise InputError(msg)
    return FrameTiming(*(int(value) for value in message.data))
