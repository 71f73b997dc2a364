# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Settings of the whole process, made only by a node's own ``main``."""

from __future__ import annotations

import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import rclpy
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.logging import get_logger
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from eipl_trt_ros.errors import EiplTrtError

_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # the last: its terminal was closed

AnyNode = TypeVar('AnyNode', bound=Node)


def take_turns_quickly() -> None:
    """
    Let a thread that waits for Python have it after half a millisecond, not after five.

    Python runs one thread at a time, and one that converts messages may keep it for that long:
    commands at 500 Hz came up to 20 ms late beside 640x480 images at 30 Hz, and 2.5 to 5 ms with
    this.
    """
    sys.setswitchinterval(0.0005)


def spin(node: Node) -> None:
    """Serve a node's callbacks in this thread, until ROS shuts down."""
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    executor.spin()


class _Ending:
    """
    Ends ROS once the process is told to stop, in a thread of its own.

    rclpy's handlers are not used. They shut ROS down at once, and nothing can be published any
    more; and they do so in a thread that nobody waits for, which still triggers what the main
    thread destroys meanwhile: one power node in 1,300 ended with a segmentation fault.
    """

    def __init__(self) -> None:
        # the main thread may be waiting in the middleware, where Python runs no handler of its
        # own; that a signal came is written to the socket at once
        self._ours, self._theirs = socket.socketpair()
        self._theirs.setblocking(False)
        signal.set_wakeup_fd(self._theirs.fileno(), warn_on_full_buffer=False)
        for number in _STOPPING:
            # nohup lets a program outlive its terminal; Ctrl-C, however, a shell's script ignores
            # for all that it starts in the background, and `ros2 launch` ends its nodes by it
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, lambda *_: None)
        self._thread: threading.Thread | None = None

    def begin(self, before_end: Callable[[], object]) -> None:
        """
        Wait for a signal from now; one that came already counts.

        Args:
            before_end: is called before ROS is shut down, in the thread.

        """
        self._thread = threading.Thread(target=self._run, args=(before_end,), name='ending')
        self._thread.start()

    def _run(self, before_end: Callable[[], object]) -> None:
        if not self._ours.recv(1):
            return  # the work is over, and nobody told it to end
        try:
            before_end()
        finally:
            rclpy.try_shutdown()

    def finish(self) -> None:
        """Return once the thread is over; signals are ignored from now."""
        # Ctrl-C in a terminal reaches the node twice: by itself and through ros2 launch
        for number in _STOPPING:
            signal.signal(number, signal.SIG_IGN)
        signal.set_wakeup_fd(-1)
        self._theirs.close()
        if self._thread is not None:
            self._thread.join()
        self._ours.close()


def _made(make: Callable[[], AnyNode]) -> AnyNode:
    try:
        return make()
    except rclpy_implementation.RCLError as error:  # such as security demanded, but not there
        msg = 'ROS cannot make the node: ' + ' '.join(str(error).split())
        raise EiplTrtError(msg) from error


def run_node(
    make: Callable[[], AnyNode],
    work: Callable[[AnyNode], object],
    arguments: Sequence[str] | None = None,
    *,
    before_end: Callable[[AnyNode], object] = lambda _: None,
) -> int:
    """
    Run a node until its work is done or it is told to stop.

    Args:
        make: makes the node.
        work: what the node does, such as `spin`.
        arguments: command line, for ROS.
        before_end: what the node does when it is told to stop, by Ctrl-C, SIGTERM or the end of
            its terminal, while it can still publish; called in a thread of its own.

    Returns:
        The exit code: 0, or 2 where the node cannot be made from its parameters or by the
        middleware, or its work ends with an error of ours.

    """
    ending = _Ending()
    rclpy.init(args=arguments, signal_handler_options=SignalHandlerOptions.NO)
    node: AnyNode | None = None
    try:
        node = _made(make)
        ending.begin(partial(before_end, node))
        work(node)
    except ExternalShutdownException:
        pass  # the way to stop a node
    except rclpy_implementation.RCLError:
        if rclpy.ok():
            raise
        # else ROS was shut down while a callback was about to publish
    except (
        EiplTrtError,
        InvalidParameterValueException,
        InvalidParameterTypeException,
    ) as error:
        get_logger('eipl_trt_ros').fatal(str(error))
        return 2
    finally:
        ending.finish()
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()
    return 0
