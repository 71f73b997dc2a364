# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A lifecycle node whose transitions never fail in silence and can always be tried again."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from typing import Any

from rclpy.impl.rcutils_logger import RcutilsLogger
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from eipl_trt_ros.errors import EiplTrtError

_CORE_LOG = logging.getLogger('eipl_trt_ros')


class ManagedNode(LifecycleNode):
    """
    Turns transitions into four methods that may raise, and every failure into a log line.

    rclpy swallows an exception in a transition without a word. Here its cause is logged, and
    whatever the node holds is released, which leaves it unconfigured: once the cause is mended,
    configure works. Subclasses implement `configure`, `activate`, `deactivate` and `release`;
    ``release`` is called in any state and more than once.
    """

    def __init__(self, name: str, **settings: Any) -> None:
        self.failure: str | None = None
        """Why the last transition failed; None where it did not."""
        super().__init__(name, **settings)
        self._log_handler = RosLogHandler(self.get_logger())

    def configure(self) -> None:
        """Acquire everything that frames need."""
        raise NotImplementedError

    def activate(self) -> None:
        """Begin to work."""
        raise NotImplementedError

    def deactivate(self) -> None:
        """Stop working; what was acquired stays."""
        raise NotImplementedError

    def release(self) -> None:
        """Give back everything."""
        raise NotImplementedError

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Acquire everything that frames need; what the core logs is the node's from here on."""
        _CORE_LOG.addHandler(self._log_handler)
        return self._attempt('configure', self.configure, super().on_configure, state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Begin to work; the managed publishers are enabled first."""
        return self._attempt('activate', self.activate, super().on_activate, state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop working; the managed publishers are disabled first."""
        return self._attempt('deactivate', self.deactivate, super().on_deactivate, state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Give back everything; the node can be configured again."""
        return self._attempt('clean up', self._let_go, super().on_cleanup, state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Give back everything for good."""
        return self._attempt('shut down', self._let_go, super().on_shutdown, state)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Give back everything after a failed transition, so that configure works again."""
        try:
            self._let_go()
        except Exception:  # the node must become unconfigured whatever happens
            self.get_logger().error(f'while releasing: {traceback.format_exc()}')
        return super().on_error(state)

    def _let_go(self) -> None:
        _CORE_LOG.removeHandler(self._log_handler)
        self.release()

    def _attempt(
        self,
        what: str,
        step: Callable[[], None],
        standard: Callable[[LifecycleState], TransitionCallbackReturn],
        state: LifecycleState,
    ) -> TransitionCallbackReturn:
        try:
            result = standard(state)
            step()
        except EiplTrtError as error:
            self.failure = f'cannot {what}: {error}'
        except Exception as error:  # the cause would be lost otherwise
            self.failure = f'cannot {what}: {type(error).__name__}: {error}'
            self.get_logger().error(traceback.format_exc())
        else:
            self.failure = None
            return result
        self.get_logger().error(self.failure)
        return TransitionCallbackReturn.ERROR

    def bring_up(self) -> bool:
        """Configure and activate, as a launch file would by events; returns whether it worked."""
        success = TransitionCallbackReturn.SUCCESS
        return self.trigger_configure() == success and self.trigger_activate() == success

    def destroy_node(self) -> None:
        """Release everything and destroy the node."""
        self._let_go()
        super().destroy_node()


class RosLogHandler(logging.Handler):
    """Passes what the ROS-free core logs on to the node's log."""

    def __init__(self, logger: RcutilsLogger) -> None:
        super().__init__()
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        """Log a record under the node's name."""
        text = self.format(record)
        if record.levelno >= logging.ERROR:
            self._logger.error(text)
        elif record.levelno >= logging.WARNING:
            self._logger.warning(text)
        elif record.levelno >= logging.INFO:
            self._logger.info(text)
        else:
            self._logger.debug(text)
