# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Settings of the whole process, made only by a node's own ``main``."""

from __future__ import annotations

import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence
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


def _catch_signals() -> socket.socket:
    """Return a socket that can be read from once the process is told to end."""
    # the main thread may be waiting in the middleware, where Python runs no handler of its own;
    # that a signal came is written to the socket at once
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    signal.set_wakeup_fd(theirs.detach(), warn_on_full_buffer=False)
    for number in _STOPPING:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup wants it
            signal.signal(number, lambda *_: None)
    return ours


def _wait_for_end(
    told: socket.socket, node: AnyNode, before_end: Callable[[AnyNode], object]
) -> None:
    # it stays open: Python complains of each further signal that it cannot write there
    told.recv(1)
    try:
        before_end(node)
    finally:
        rclpy.try_shutdown()


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
    before_end: Callable[[AnyNode], object] | None = None,
) -> int:
    """
    Run a node until its work is done or it is told to stop.

    Args:
        make: makes the node.
        work: what the node does, such as `spin`.
        arguments: command line, for ROS.
        before_end: what the node does when it is told to stop, by Ctrl-C, SIGTERM or the end of
            its terminal, while it can still publish; called in a thread of its own. None: nothing.

    Returns:
        The exit code: 0, or 2 where the node cannot be made from its parameters or by the
        middleware, or its work ends with an error of ours.

    """
    if before_end is None:
        rclpy.init(args=arguments)
    else:
        # rclpy's own handlers shut ROS down at once, and nothing can be published any more
        told = _catch_signals()
        rclpy.init(args=arguments, signal_handler_options=SignalHandlerOptions.NO)
    node: AnyNode | None = None
    try:
        node = _made(make)
        if before_end is not None:
            waiting = (told, node, before_end)
            threading.Thread(target=_wait_for_end, args=waiting, daemon=True).start()
        work(node)
    except (KeyboardInterrupt, ExternalShutdownException):
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
        # Ctrl-C in a terminal reaches the node twice: by itself and through ros2 launch
        for number in _STOPPING:
            signal.signal(number, signal.SIG_IGN)
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()
    return 0
