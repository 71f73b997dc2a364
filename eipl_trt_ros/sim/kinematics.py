# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Where the gripper is, and which joint angles bring it somewhere (damped least squares)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from eipl_trt_ros.errors import EiplTrtError
from eipl_trt_ros.sim.scene import ARM_JOINTS, PINCH_SITE, import_mujoco

Vector = NDArray[np.float64]

# The gripper's frame when it points straight down with its fingers along the world's y.
POINTING_DOWN = np.diag([1.0, -1.0, -1.0])
# A comfortable posture: elbow up, far from every joint limit.
REST_POSTURE = np.array([0.0, 0.195, 0.0, -2.43, 0.0, 2.62, 0.785])


class Kinematics:
    """
    Forward and inverse kinematics of the arm, on a scratch state of its own.

    Args:
        model: the compiled scene.

    """

    def __init__(self, model: Any) -> None:
        self._mujoco = import_mujoco()
        self._model = model
        self._data = self._mujoco.MjData(model)
        self._site = model.site(PINCH_SITE).id
        self._dofs = np.array([model.joint(name).dofadr[0] for name in ARM_JOINTS])
        self._positions = np.array([model.joint(name).qposadr[0] for name in ARM_JOINTS])
        self.limits = np.array([model.joint(name).range for name in ARM_JOINTS])
        """float64 (7, 2), lowest and highest angle of each joint, radians."""

    @property
    def mounts(self) -> list[tuple[Vector, Vector]]:
        """Where each joint sits on the link before it: metres, and a quaternion, w first."""
        bodies = [int(self._model.joint(name).bodyid[0]) for name in ARM_JOINTS]
        return [(self._model.body_pos[body], self._model.body_quat[body]) for body in bodies]

    def pinch_position(self, joints: Vector) -> Vector:
        """
        Tell where the point between the fingertips is.

        Args:
            joints: float64 (7,), radians.

        Returns:
            float64 (3,), metres, in the base frame.

        """
        self._place(joints)
        return self._data.site_xpos[self._site].copy()

    def joints_for(
        self,
        position: Vector,
        near: Vector,
        *,
        tolerance: float = 1e-4,
        damping: float = 0.02,
        iterations: int = 100,
    ) -> Vector:
        """
        Find joint angles that hold the gripper at a place, pointing down.

        Each round solves ``(J J' + damping^2 I) x = error`` and steps by ``J' x`` (Wampler 1986),
        and lets what does not move the gripper drift to the rest posture.

        Args:
            position: float64 (3,), where the fingertips shall meet, metres.
            near: float64 (7,), where the search starts, radians.
            tolerance: norm of the error (metres and radians together) that is good enough.
            damping: keeps the steps small near singular postures.
            iterations: at most this many rounds.

        Returns:
            float64 (7,), radians, within the joint limits.

        Raises:
            EiplTrtError: no such angles were found.

        """
        joints = np.array(near, dtype=np.float64)
        jacobian = np.zeros((6, self._model.nv))
        error = np.zeros(6)
        for _ in range(iterations):
            self._place(joints)
            error[:3] = position - self._data.site_xpos[self._site]
            rotation = self._data.site_xmat[self._site].reshape(3, 3)
            error[3:] = 0.5 * np.cross(rotation.T, POINTING_DOWN.T).sum(axis=0)
            if np.linalg.norm(error) < tolerance:
                return joints
            self._mujoco.mj_jacSite(
                self._model, self._data, jacobian[:3], jacobian[3:], self._site
            )
            arm = jacobian[:, self._dofs]
            inverse = arm.T @ np.linalg.inv(arm @ arm.T + damping**2 * np.eye(6))
            idle = (np.eye(len(joints)) - inverse @ arm) @ (REST_POSTURE - joints)
            joints = np.clip(joints + inverse @ error + 0.05 * idle, *self.limits.T)
        msg = (
            f'no joint angles bring the gripper to {np.round(position, 3).tolist()} m within '
            f'{iterations} rounds (error {np.linalg.norm(error):.4f}): choose a place in reach'
        )
        raise EiplTrtError(msg)

    def _place(self, joints: Vector) -> None:
        self._data.qpos[self._positions] = joints
        self._mujoco.mj_kinematics(self._model, self._data)
        self._mujoco.mj_comPos(self._model, self._data)
