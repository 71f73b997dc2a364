# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The one thread that owns the predictor, and the one frame that waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eipl_trt_ros.ensemble import AnyPredictor


@dataclass(frozen=True)
class Frame:
    """
    An image with its joints, on the way to the predictor.

    Attributes:
        message: the image message, not decoded.
        stamp_ns: its stamp.
        joints: float64 (D,).
        received_ns: when it reached the node, on the monotonic clock.

    """

    message: Any
    stamp_ns: int
    joints: NDArray[np.float64]
    received_ns: int


Work = Callable[[AnyPredictor, Frame, bool], None]
"""Runs one frame; the last argument tells to reset the LSTM state first. It must not raise."""


class InferenceThread:
    """
    Makes a predictor, steps it and closes it, all in one thread of its own.

    A GPU context belongs to the thread that made it, hence one thread for everything. At most one
    frame waits: a newer one takes its place, since a late command is worse than none.

    Args:
        opener: makes the predictor; called in the thread.

    """

    def __init__(self, opener: Callable[[], AnyPredictor]) -> None:
        self._opener = opener
        self._opened: Future[AnyPredictor] = Future()
        self._change = threading.Condition()
        self._frame: Frame | None = None
        self._work: Work | None = None
        self._reset = False
        self._busy = False
        self._closing = False
        self._thread = threading.Thread(target=self._run, name='inference', daemon=True)

    def start(self) -> AnyPredictor:
        """
        Make the predictor.

        Returns:
            The predictor, for looking at its bundle and backend; only the thread may step it.

        Raises:
            Exception: whatever the opener raised; the thread has ended then.

        """
        self._thread.start()
        return self._opened.result()

    def resume(self, work: Work) -> None:
        """Begin to take frames, with a fresh LSTM state; ``work`` runs in the thread."""
        with self._change:
            self._work = work
            self._reset = True

    def pause(self) -> None:
        """Take no more frames; returns when the frame in work is done."""
        with self._change:
            self._work = None
            self._frame = None
            self._change.wait_for(lambda: not self._busy)

    def submit(self, frame: Frame, *, reset: bool) -> bool:
        """
        Hand over the newest frame.

        Args:
            frame: what to run.
            reset: whether the LSTM state is to be reset before it.

        Returns:
            Whether it took the place of an older frame, which will not run any more.

        """
        with self._change:
            replaced = self._frame is not None
            if self._work is not None:
                self._frame = frame
                self._reset = self._reset or reset
                self._change.notify_all()
        return replaced

    def request_reset(self) -> None:
        """Have the LSTM state reset before the next frame."""
        with self._change:
            self._reset = True

    def close(self) -> None:
        """Close the predictor and end the thread. A second call does nothing."""
        with self._change:
            self._closing = True
            self._frame = None
            self._change.notify_all()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        try:
            predictor = self._opener()
        except BaseException as error:
            self._opened.set_exception(error)
            return
        with predictor:
            self._opened.set_result(predictor)
            while self._run_next(predictor):
                pass

    def _run_next(self, predictor: AnyPredictor) -> bool:
        with self._change:
            self._change.wait_for(lambda: self._frame is not None or self._closing)
            frame, work, reset = self._frame, self._work, self._reset
            if frame is None or work is None:
                return False
            self._frame = None
            self._reset = False
            self._busy = True
        try:
            work(predictor, frame, reset)
        finally:
            with self._change:
                self._busy = False
                self._change.notify_all()
        return True
