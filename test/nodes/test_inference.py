# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from ros_world import until

from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.errors import BundleError
from eipl_trt_ros.nodes.inference import Frame, InferenceThread
from eipl_trt_ros.predictor import Predictor, open_predictor


def frame(stamp_ns: int) -> Frame:
    return Frame(None, stamp_ns, np.zeros(8), 0)


class Work:
    """Holds each frame until it is let go, and notes in which thread it came."""

    def __init__(self) -> None:
        self.begun: queue.Queue[tuple[int, bool]] = queue.Queue()
        self.let_go = threading.Semaphore(0)
        self.threads: set[str] = set()

    def __call__(self, _: Predictor, given: Frame, reset: bool) -> None:
        self.threads.add(threading.current_thread().name)
        self.begun.put((given.stamp_ns, reset))
        assert self.let_go.acquire(timeout=20)


@pytest.fixture
def thread(random_bundle: Callable[[], Bundle]) -> Iterator[InferenceThread]:
    made = InferenceThread(lambda: open_predictor(random_bundle()))
    made.start()
    yield made
    made.close()


def test_the_newest_frame_takes_the_place_of_the_one_that_waits(thread):
    work = Work()
    thread.resume(work)
    assert not thread.submit(frame(1), reset=False)
    assert work.begun.get(timeout=20) == (1, True)  # a fresh state after resume
    assert not thread.submit(frame(2), reset=True)
    assert thread.submit(frame(3), reset=False)
    assert thread.submit(frame(4), reset=False)
    work.let_go.release(2)
    assert work.begun.get(timeout=20) == (4, True)  # the reset of the frame that gave way stays
    assert not thread.submit(frame(5), reset=False)
    assert work.begun.get(timeout=20) == (5, False)
    work.let_go.release()


def test_a_requested_reset_comes_with_the_next_frame(thread):
    work = Work()
    work.let_go.release(3)
    thread.resume(work)
    for stamp in (1, 2, 3):
        if stamp == 3:
            thread.request_reset()
        thread.submit(frame(stamp), reset=False)
        assert work.begun.get(timeout=20) == (stamp, stamp != 2)


def test_the_predictor_is_made_stepped_and_closed_in_one_thread(random_bundle):
    threads = []

    class Watched(Predictor):
        def close(self) -> None:
            threads.append(threading.current_thread().name)
            super().close()

    def opener() -> Predictor:
        threads.append(threading.current_thread().name)
        plain = open_predictor(random_bundle())
        return Watched(plain.bundle, plain.backend)

    thread = InferenceThread(opener)
    thread.start()
    work = Work()
    work.let_go.release()
    thread.resume(work)
    thread.submit(frame(1), reset=False)
    work.begun.get(timeout=20)
    thread.close()
    thread.close()
    assert threads == ['inference', 'inference']
    assert work.threads == {'inference'}


def test_pausing_waits_for_the_frame_in_work_and_forgets_the_one_that_waits(thread):
    work = Work()
    thread.resume(work)
    thread.submit(frame(1), reset=False)
    work.begun.get(timeout=20)
    thread.submit(frame(2), reset=False)
    pausing = threading.Thread(target=thread.pause)
    pausing.start()
    until(lambda: not thread.submit(frame(3), reset=False))  # no longer taken
    assert pausing.is_alive()
    work.let_go.release()
    pausing.join(20)
    assert not pausing.is_alive()
    assert work.begun.empty()


def test_why_a_predictor_cannot_be_made_is_raised_where_it_was_asked_for(tmp_path):
    thread = InferenceThread(lambda: open_predictor(tmp_path))
    with pytest.raises(BundleError, match=r'no bundle\.yaml'):
        thread.start()
    thread.close()
