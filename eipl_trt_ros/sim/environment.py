# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The simulated robot as a controller sees it: pictures and joints out, joint commands in."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eipl_trt_ros.errors import EiplTrtError
from eipl_trt_ros.sim.kinematics import REST_POSTURE, Kinematics, Vector
from eipl_trt_ros.sim.scene import (
    ARM_JOINTS,
    CAMERA,
    CUBE,
    DAMPING_RATIO,
    DRAWING_HELP,
    GRIPPER_CLOSED,
    SceneSettings,
    build_scene,
    import_mujoco,
)

FRAME_SECONDS = 0.1
PICTURE_SIZE = 128
CLOSE_ABOVE = 0.7
OPEN_BELOW = 0.3
LIFTED = 0.08  # metres between the cube and the table that count as lifted

# Where the gripper waits: to the side of no cube, in view, 0.2 m above the table.
HOME_POSITION = np.array([0.44, 0.0, 0.20])

# Called after every physics step: seconds since the reset, and the 8 joints.
Observer = Callable[[float, Vector], None]


class PandaEnvironment:
    """
    The simulated Panda; commands are 7 joint angles in radians and the gripper (1 is closed).

    The gripper is a switch with hysteresis, as the real one is: it closes when its command rises
    above 0.7 and opens when it falls below 0.3. Its place in the joint vector reads back the
    command, not the fingers' angle, because a held object stops the fingers: the angle would
    carry no grip force when played back.

    Args:
        settings: of the scene; ``None``: the defaults.

    """

    def __init__(self, settings: SceneSettings | None = None) -> None:
        self.settings = settings or SceneSettings()
        self._mujoco = import_mujoco()
        self._model = build_scene(self.settings)
        self._data = self._mujoco.MjData(self._model)
        self.kinematics = Kinematics(self._model)
        self.home = self.kinematics.joints_for(HOME_POSITION, REST_POSTURE)
        self._renderer: Any = None
        self._arm = np.array([self._model.joint(name).qposadr[0] for name in ARM_JOINTS])
        self._arm_dofs = np.array([self._model.joint(name).dofadr[0] for name in ARM_JOINTS])
        self._cube_joint = self._model.joint(CUBE).qposadr[0]
        self._cube_geom = self._model.geom(CUBE).id
        self._commanded = np.append(self.home, 0.0)
        self._closed = False

    def __enter__(self) -> PandaEnvironment:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the renderer."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None

    @property
    def joints(self) -> Vector:
        """The 7 measured angles in radians and the gripper's command, float64 (8,)."""
        return np.append(self._data.qpos[self._arm], self._commanded[-1])

    @property
    def commanded(self) -> Vector:
        """The last command, float64 (8,)."""
        return self._commanded.copy()

    @property
    def arm_velocities(self) -> Vector:
        """The 7 measured velocities, float64 (7,), rad/s."""
        return self._data.qvel[self._arm_dofs].copy()

    @property
    def cube_position(self) -> Vector:
        """Centre of the cube, float64 (3,), metres in the base frame."""
        return self._data.qpos[self._cube_joint : self._cube_joint + 3].copy()

    @property
    def lifted(self) -> bool:
        """Whether the cube is off the table."""
        height = self.cube_position[2] - self.settings.cube_side / 2
        return bool(height > LIFTED)

    def reset(
        self,
        cube: tuple[float, float],
        *,
        yaw: float = 0.0,
        hidden: bool = False,
        arm: Vector | None = None,
    ) -> None:
        """
        Start over, with the arm at rest and the gripper open.

        Args:
            cube: where the cube lies on the table: x and y in metres.
            yaw: its turn about the vertical, in radians.
            hidden: the cube is there and can be grasped, but is not drawn.
            arm: float64 (7,), where the arm starts, radians; ``None``: its home posture.

        """
        mujoco, data = self._mujoco, self._data
        start = self.home if arm is None else arm
        mujoco.mj_resetData(self._model, data)
        data.qpos[self._arm] = start
        data.qpos[self._cube_joint : self._cube_joint + 7] = [
            *cube,
            self.settings.cube_side / 2,
            np.cos(yaw / 2),
            0.0,
            0.0,
            np.sin(yaw / 2),
        ]
        self._model.geom_rgba[self._cube_geom, 3] = 0.0 if hidden else 1.0
        self._commanded = np.append(start, 0.0)
        self._closed = False
        data.ctrl[:7] = start
        for _ in range(100):  # the cube and the fingers settle
            mujoco.mj_step(self._model, data)
        data.time = 0.0
        mujoco.mj_forward(self._model, data)

    def step(
        self,
        command: NDArray[np.floating],
        observer: Observer | None = None,
        *,
        seconds: float = FRAME_SECONDS,
    ) -> None:
        """
        Let time pass while the servos go to the command in a straight line.

        Args:
            command: (8,), 7 angles in radians and the gripper's command.
            observer: called after every physics step.
            seconds: how long, a whole number of physics steps; by default a frame, 0.1 s.

        Raises:
            EiplTrtError: the command has another shape, or NaN or infinity in it.

        """
        target = np.asarray(command, dtype=np.float64)
        if target.shape != self._commanded.shape or not np.isfinite(target).all():
            msg = f'a command is {self._commanded.shape[0]} finite numbers, found {command!r}'
            raise EiplTrtError(msg)
        begin = self._commanded
        self._switch_gripper(target[-1])
        steps = round(seconds / self.settings.physics_step)
        # A servo with damping lags a moving target by velocity times damping over stiffness;
        # aiming that much ahead takes the lag away.
        ahead = (target[:-1] - begin[:-1]) / seconds * DAMPING_RATIO
        for index in range(1, steps + 1):
            self._commanded = begin + (target - begin) * (index / steps)
            self._data.ctrl[:7] = self._commanded[:-1] + ahead
            self._data.ctrl[7] = GRIPPER_CLOSED if self._closed else 0.0
            self._mujoco.mj_step(self._model, self._data)
            if observer is not None:
                observer(self._data.time, self.joints)
        self._mujoco.mj_forward(self._model, self._data)

    def picture(self) -> NDArray[np.uint8]:
        """
        Take a picture: uint8 (128, 128, 3), RGB.

        Raises:
            EiplTrtError: there is no way to draw on this machine.

        """
        if self._renderer is None:
            self._renderer = self._open_renderer()
        self._renderer.update_scene(self._data, camera=CAMERA)
        return self._renderer.render()

    def _switch_gripper(self, command: float) -> None:
        if command > CLOSE_ABOVE:
            self._closed = True
        elif command < OPEN_BELOW:
            self._closed = False

    def _open_renderer(self) -> Any:
        try:
            return self._mujoco.Renderer(self._model, PICTURE_SIZE, PICTURE_SIZE)
        except Exception as error:  # MuJoCo raises whatever its OpenGL loader raises
            msg = f'the simulation cannot draw here ({error}): {DRAWING_HELP}'
            raise EiplTrtError(msg) from error
