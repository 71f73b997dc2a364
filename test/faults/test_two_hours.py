# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Two hours of driving squeezed: everything but DDS, at speed, on a clock of the test's own.

A camera at 30 Hz, joints at 100 Hz that follow the commands, synchronizer, the inference thread
with a real model, and the drive at 100 Hz; now and then an input fails. Two hours are 72,000
frames: `FRAMES=72000 python -m pytest test/faults/test_two_hours.py -s`.
"""

from __future__ import annotations

import gc
import os
import queue
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import psutil
import pytest
from builders import make_pictures
from live_arm import LIMIT, MAX_JUMP, make_rules

from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.command.drive import Drive, DriveSettings
from eipl_trt_ros.command.vetting import Policies
from eipl_trt_ros.command.watchdog import Event, Phase, WatchdogTimes
from eipl_trt_ros.nodes.inference import Frame, InferenceThread
from eipl_trt_ros.predictor import Predictor, open_predictor
from eipl_trt_ros.sync import Synchronizer

FRAMES = int(os.environ.get('FRAMES', '3000'))
MS = 1_000_000
TIMES = WatchdogTimes(400 * MS, 300 * MS, 500 * MS, 400 * MS, 300 * MS)
FAULTS = ('camera', 'joints', 'jump', 'nan')
BETWEEN, LASTING = 20_000, 900  # ms from fault to fault, and how long each lasts


class Squeezed:
    """An arm, its camera and the node's parts; a step is a millisecond."""

    def __init__(self, bundle: Bundle) -> None:
        self.now = 1_000_000 * MS
        self.offset = 0
        self.arm = np.full(7, 0.25)
        self.predictions: queue.Queue[tuple[int, Any]] = queue.Queue()
        self.thread = InferenceThread(lambda: open_predictor(bundle))
        self.thread.start()
        self.thread.resume(self._infer)
        self.sync = Synchronizer(bundle.joints, rate_hz=bundle.rate_hz)
        limits = make_rules().limits
        self.names = limits.names
        policies = Policies(max_jump=MAX_JUMP)
        settings = DriveSettings(
            100.0, bundle.rate_hz, 1.2, policies, TIMES, 'automatic', 0.05, 500 * MS
        )
        self.drive = Drive(bundle.joints, limits, settings)
        self.drive.restart(self.now)
        self.measured = np.full(len(bundle.joints), np.nan)
        self.known: int | None = None
        self.pictures = make_pictures(20, 16, 16)
        self.frames = self.sent = self.stops = self.holds = 0
        self.last: np.ndarray | None = None
        self.speed = np.zeros(7)

    def _infer(self, predictor: Predictor, frame: Frame, reset: bool) -> None:
        if reset:
            predictor.reset()
        motion = predictor.step(frame.message, frame.joints)
        self.predictions.put((frame.stamp_ns, motion.joints.copy()))

    def step(self, fault: str) -> None:
        """Go on by a millisecond."""
        self.now += MS
        tick = self.now // MS
        if tick % 10 == 0:
            if fault != 'joints':
                self.sense(fault)
            self.drive.tick(self.now)
            self.look()
        if tick % 33 == 0 and fault != 'camera':
            self.see(tick // 33)

    def sense(self, fault: str) -> None:
        position = self.arm.tolist()
        if fault == 'nan':
            position[2] = float('nan')
        self.sync.add_joints(self.now + self.offset, self.names, position)
        self.sync.newest_joints(self.measured)
        known = self.sync.newest_joints_ns
        self.drive.on_joints(self.now, self.measured, fresh=known not in (None, self.known))
        self.known = known

    def see(self, number: int) -> None:
        offer = self.sync.offer(self.now + self.offset)
        if offer.reset:
            self.drive.on_event(Event.TIME_JUMP, self.now)
        self.drive.on_image(self.now)
        if offer.cause is None:
            picture = self.pictures[number % len(self.pictures)]
            frame = Frame(picture, self.now + self.offset, offer.joints, self.now)
            self.thread.submit(frame, reset=offer.reset)
            stamp, joints = self.predictions.get(timeout=20)
            assert stamp == frame.stamp_ns
            self.frames += 1
            self.drive.on_prediction(self.now, joints, 5 * MS)

    def look(self) -> None:
        """Look at the command, where one is sent, and follow it."""
        phase = self.drive.watchdog.phase
        if not self.drive.publish:
            self.last = None
            return
        assert phase in (Phase.DRIVING, Phase.HOLDING)
        command = self.drive.path.position
        assert ((command >= LIMIT.lower) & (command <= LIMIT.upper)).all()
        assert (np.abs(command - self.arm) <= MAX_JUMP).all()
        before = self.arm if self.last is None else self.last
        speed = (command - before) / 0.01
        assert (np.abs(speed) <= LIMIT.velocity + 1e-9).all()
        assert (np.abs(speed - self.speed * (self.last is not None)) <= 0.081).all()
        self.last, self.speed = command.copy(), speed
        self.arm[:] = command
        self.sent += 1

    def run(self, frames: int) -> None:
        """Drive on; every 20 s another fault."""
        wanted, phase = self.frames + frames, self.drive.watchdog.phase
        while self.frames < wanted:
            moment, turn = self.now // MS % BETWEEN, self.now // MS // BETWEEN
            failing = moment < LASTING
            fault = FAULTS[turn % len(FAULTS)] if failing else ''
            if fault == 'jump' and moment == 0:
                self.offset += 60_000 * MS if turn % 8 < 4 else -60_000 * MS
            self.step(fault)
            if self.drive.watchdog.phase is not phase:
                phase = self.drive.watchdog.phase
                self.stops += phase is Phase.STOPPED
                self.holds += phase is Phase.HOLDING


@pytest.fixture
def squeezed(bundle: Bundle) -> Iterator[Squeezed]:
    made = Squeezed(bundle)
    yield made
    made.thread.close()


def test_two_hours_squeezed_leave_memory_and_threads_as_they_were(
    squeezed: Squeezed, row: Any
) -> None:
    process, begin = psutil.Process(), time.monotonic()
    for _ in range(1000):
        squeezed.step('')
    assert squeezed.drive.engage(squeezed.now) is None
    squeezed.run(FRAMES // 6)
    gc.collect()
    memory, threads, files = (
        process.memory_info().rss,
        process.num_threads(),
        process.num_fds(),
    )
    squeezed.run(FRAMES - squeezed.frames)
    gc.collect()
    grown = process.memory_info().rss - memory
    assert process.num_threads() <= threads
    assert process.num_fds() <= files
    assert grown < 3e6
    assert squeezed.holds >= FRAMES // 250
    assert squeezed.stops >= FRAMES // 500
    assert squeezed.sync.jumps + squeezed.sync.gaps >= FRAMES // 1000
    assert squeezed.sent > 5 * FRAMES
    minutes = (squeezed.now // MS - 1_000_000) / 60_000
    seconds = time.monotonic() - begin
    row(
        f'{squeezed.frames:,} frames, {minutes:.0f} minutes of driving in {seconds:.0f} s',
        held=f'{squeezed.holds} times',
        silent=f'{squeezed.stops} times',
        said=f'{squeezed.sent:,} commands, each within limits and guard; threads and files as '
        f'before, memory {grown / 1e6:+.1f} MB after the first sixth',
        then='drives on by itself (recovery: automatic)',
    )
