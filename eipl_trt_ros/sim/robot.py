# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The simulated Panda with a clock, controllers and sensors, as a ROS robot has them; no ROS."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eipl_trt_ros.errors import InputError
from eipl_trt_ros.sim.controllers import Controller
from eipl_trt_ros.sim.environment import PandaEnvironment
from eipl_trt_ros.sim.kinematics import Vector
from eipl_trt_ros.sim.positions import Placement
from eipl_trt_ros.sim.trajectory import State

ARM = slice(0, 7)


@dataclass(frozen=True)
class Rates:
    """
    How often things happen, in Hz of simulated time.

    Raises:
        InputError: a control period is no whole number of physics steps, or the sensors' periods
            are no whole numbers of control periods.

    """

    control: float = 100.0
    joints: float = 100.0
    camera: float = 10.0

    def __post_init__(self) -> None:
        for name in ('joints', 'camera'):
            _whole(f'{name}_rate', self.control, getattr(self, name))

    @property
    def period_ns(self) -> int:
        """The control period."""
        return round(1e9 / self.control)

    def due(self, sensor: str, tick: int) -> bool:
        """Tell whether a sensor, ``'joints'`` or ``'camera'``, measures at a control period."""
        return tick % round(self.control / getattr(self, sensor)) == 0


def _whole(name: str, whole: float, part: float) -> None:
    ratio = whole / part
    if ratio < 1 or not math.isclose(ratio, round(ratio), rel_tol=1e-9):
        msg = f'{name} is {part:g} Hz, expected {whole:g} Hz divided by a whole number'
        raise InputError(msg)


class SimulatedRobot:
    """
    Moves the arm by a controller, one control period after another, and judges what comes of it.

    An episode begins with `reset`. Its time counts from the first command that is accepted, so
    that it does not matter how long the one who commands takes to be ready.

    Args:
        environment: the world; the caller closes it.
        controller: of the arm's seven joints.
        rates: how often it controls and measures.
        start_ns: the clock's first time.

    """

    def __init__(
        self, environment: PandaEnvironment, controller: Controller, rates: Rates, start_ns: int
    ) -> None:
        _whole('control_rate', 1 / environment.settings.physics_step, rates.control)
        self._environment = environment
        self._controller = controller
        self._rates = rates
        self._origin_ns = start_ns
        self._tick = 0
        self.accepted = 0
        """Commands that were taken, of the arm, since the reset."""
        self.rejected = 0
        """Commands that were ignored since the reset."""
        self._first_tick: int | None = None
        self._gripper = 0.0

    @property
    def now_ns(self) -> int:
        """The time of the robot's clock."""
        return self._origin_ns + self._tick * self._rates.period_ns

    def shift_clock(self, by_ns: int) -> None:
        """Move the clock on, after the simulation could not keep up with real time."""
        self._origin_ns += by_ns

    @property
    def joints(self) -> Vector:
        """The 7 measured angles in radians, and the gripper's command, float64 (8,)."""
        return self._environment.joints

    @property
    def arm(self) -> State:
        """The measured state of the seven joints."""
        return State(self.joints[ARM], self._environment.arm_velocities)

    @property
    def lifted(self) -> bool:
        """Whether the cube is in the air."""
        return self._environment.lifted

    @property
    def cube_position(self) -> Vector:
        """Centre of the cube, float64 (3,), metres in the base frame."""
        return self._environment.cube_position

    @property
    def elapsed(self) -> float:
        """Simulated seconds since the first command of the episode; 0 before."""
        ticks = 0 if self._first_tick is None else self._tick - self._first_tick
        return ticks / self._rates.control

    def due(self, sensor: str) -> bool:
        """Tell whether ``'joints'`` or ``'camera'`` measures now."""
        return self._rates.due(sensor, self._tick)

    def picture(self) -> NDArray[np.uint8]:
        """Take a picture: uint8 (128, 128, 3), RGB, valid until the next."""
        return self._environment.picture()

    def reset(self, placement: Placement, *, hidden: bool = False) -> None:
        """
        Begin an episode: arm at home, gripper open, nothing commanded. The clock goes on.

        Args:
            placement: of the cube.
            hidden: do not draw the cube.

        """
        self._environment.reset((placement.x, placement.y), yaw=placement.yaw, hidden=hidden)
        self._controller.reset()
        self._gripper = 0.0
        self._first_tick = None
        self.accepted = self.rejected = 0

    def command(self, message: Any) -> None:
        """
        Hand a command for the arm to the controller.

        Raises:
            InputError: the controller ignores it, and why.

        """
        try:
            self._controller.accept(message, self.now_ns)
        except InputError:
            self.rejected += 1
            raise
        self.accepted += 1
        if self._first_tick is None:
            self._first_tick = self._tick

    def command_gripper(self, *, closed: bool) -> None:
        """Close or open the gripper."""
        self._gripper = float(closed)

    def advance(self) -> None:
        """Let one control period pass."""
        begin_ns = self.now_ns
        self._tick += 1
        target = self._controller.update(begin_ns, self.now_ns, self.arm)
        held = self._environment.commanded
        arm = held[ARM] if target is None else target
        self._environment.step(np.append(arm, self._gripper), seconds=1 / self._rates.control)
