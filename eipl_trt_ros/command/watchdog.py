# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Watches what a command rests on: a state machine over times, with no clock of its own.

Off -> driving -> holding -> stopped. A fault leads from driving to holding at once: the command
brakes and stays where it is. If the inputs are sane again soon, driving goes on; if not, after a
stated time, commands cease. All times are integer nanoseconds of one steady clock.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

RECOVERIES = ('engage', 'automatic')


class Phase(enum.Enum):
    """What may be commanded."""

    OFF = 'disengaged'
    """Nothing: nobody has engaged."""
    DRIVING = 'driving'
    """Towards the newest prediction."""
    HOLDING = 'holding'
    """The last safe position, reached by braking."""
    STOPPED = 'stopped'
    """Nothing any more, after holding for too long."""


class Source(enum.Enum):
    """What must keep coming."""

    IMAGE = 'image'
    JOINTS = 'joints'
    PREDICTION = 'prediction'


class Event(enum.Enum):
    """What is a fault by happening once."""

    NOT_FINITE = 'the prediction is not finite'
    STALE = 'the prediction rests on an old image'
    TIME_JUMP = 'the stamps jumped, back in time or far ahead'
    RESET = 'the state was reset'


@dataclass(frozen=True)
class WatchdogTimes:
    """
    After how long what happens, in nanoseconds.

    Attributes:
        image, joints, prediction: without anything fresh for longer than this: a fault.
        hold: a fault that lasts longer than this ends the commands.
        recovery: how long everything must be sane before the arm drives (again).

    """

    image: int
    joints: int
    prediction: int
    hold: int
    recovery: int


class Watchdog:
    """
    Tells from what came, and when, what may be commanded.

    Args:
        times: after how long what happens.
        recovery: what leads out of stopped: ``'engage'``, somebody must engage anew, or
            ``'automatic'``, inputs that are sane again. What `trip` has stopped always waits for
            somebody.

    """

    def __init__(self, times: WatchdogTimes, recovery: str = 'engage') -> None:
        self._times = times
        self._automatic = recovery == 'automatic'
        self._limits = {
            Source.IMAGE: times.image,
            Source.JOINTS: times.joints,
            Source.PREDICTION: times.prediction,
        }
        self._fresh: dict[Source, int | None] = dict.fromkeys(Source)
        self._event: tuple[Event, int] | None = None
        self._insane_ns: int | None = None
        self._held_ns = 0
        self._tripped = False
        self.phase = Phase.OFF
        """What may be commanded since the last `update`."""
        self.reason = ''
        """Why it holds or is stopped."""

    def restart(self, now_ns: int) -> None:
        """Forget everything: the node begins to listen."""
        self._fresh = dict.fromkeys(Source)
        self._event = None
        self._insane_ns = now_ns
        self.disengage()

    def feed(self, source: Source, now_ns: int) -> None:
        """Note that something fresh came."""
        self._fresh[source] = now_ns

    def happen(self, event: Event, now_ns: int) -> None:
        """Note something that is a fault by happening."""
        self._event = event, now_ns
        self._insane_ns = now_ns

    def fault(self, now_ns: int) -> str | None:
        """Return what is wrong at a time; None where nothing is."""
        for source, limit in self._limits.items():
            fresh = self._fresh[source]
            if fresh is None:
                return f'no {source.value} yet'
            if now_ns - fresh > limit:
                return f'no fresh {source.value} for {(now_ns - fresh) / 1e9:.2f} s'
        return None

    def unready(self, now_ns: int) -> str | None:
        """Return why the arm may not drive yet: a fault, or one that has only just gone."""
        fault = self.fault(now_ns)
        if fault is not None:
            self._insane_ns = now_ns
            return fault
        since = self._insane_ns
        if since is None or now_ns - since >= self._times.recovery:
            return None
        after = f' after {self._event[0].value}' if self._event is not None else ''
        return f'inputs are sane for only {(now_ns - since) / 1e9:.2f} s{after}'

    def engage(self, now_ns: int) -> str | None:
        """Begin to drive, or return why not."""
        reason = self.unready(now_ns)
        if reason is None:
            self.phase, self.reason = Phase.DRIVING, ''
            self._event = None
            self._tripped = False
        return reason

    def disengage(self) -> None:
        """Command nothing; always possible."""
        self.phase, self.reason = Phase.OFF, ''

    def trip(self, reason: str) -> None:
        """Stop at once, until somebody engages anew."""
        if self.phase in (Phase.DRIVING, Phase.HOLDING):
            self.phase, self.reason = Phase.STOPPED, reason
            self._tripped = True

    def stay_stopped(self, reason: str) -> None:
        """Stay stopped although the inputs are sane; driving is tried again in every period."""
        self.phase, self.reason = Phase.STOPPED, reason

    def update(self, now_ns: int) -> Phase:
        """Return what may be commanded at a time; call it once in every period."""
        unready = self.unready(now_ns)
        insane_ns = self._insane_ns
        if self.phase is Phase.DRIVING and unready is not None:
            self.phase, self._held_ns = Phase.HOLDING, now_ns
            event = self._event if insane_ns != now_ns else None
            self.reason = unready if event is None else event[0].value
        elif self.phase is Phase.HOLDING:
            if unready is None:
                self._drive_on()
            # what comes back before the inputs have been sane for long enough has never gone
            elif insane_ns is not None and insane_ns - self._held_ns > self._times.hold:
                self.phase, self.reason = Phase.STOPPED, unready
        elif self.phase is Phase.STOPPED and unready is None and self._resumes:
            self._drive_on()
        return self.phase

    @property
    def _resumes(self) -> bool:
        return self._automatic and not self._tripped

    def _drive_on(self) -> None:
        self.phase, self.reason = Phase.DRIVING, ''
        self._event = None
