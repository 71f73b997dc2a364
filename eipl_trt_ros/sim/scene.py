# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
The simulated world: a Franka Panda with a gripper at a table, a red cube and one camera.

The robot's description and meshes come from the installed package ``gym_hil`` and are read where
they lie; the table, the cube, the lights, the camera and the servos are added at run time, so this
package ships no mesh.
"""

from __future__ import annotations

import ctypes.util
import importlib.util
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eipl_trt_ros.errors import EiplTrtError, MissingPackageError, require

INSTALL = (
    'pip install -r requirements/sim.txt and pip install --no-deps -r requirements/sim-robot.txt'
)
NEEDED_FOR = 'the simulated robot'
DRAWING_HELP = (
    'without a display set MUJOCO_GL=egl (Debian: libegl1 libgl1-mesa-dri) or MUJOCO_GL=osmesa '
    '(libosmesa6)'
)

ARM_JOINTS = tuple(f'joint{index}' for index in range(1, 8))
JOINT_NAMES = (*(f'panda_{joint}' for joint in ARM_JOINTS), 'panda_gripper')
GRIPPER_CLOSED = 255.0  # of the gripper actuator's own command range
PINCH_SITE = 'pinch'
CUBE = 'cube'
CAMERA = 'camera'

# Stiffness (Nm/rad) of the seven position servos: the measured joints follow the command within
# milliradians.
_STIFFNESS = (4500.0, 4500.0, 3500.0, 3500.0, 2000.0, 2000.0, 2000.0)
DAMPING_RATIO = 0.1  # damping over stiffness, in seconds


@dataclass(frozen=True)
class SceneSettings:
    """
    What may be varied in the world, in metres, degrees and RGB 0..1.

    Attributes:
        cube_side: edge of the cube; the gripper opens to 0.085.
        camera_position: of the camera, in the robot's base frame (x forward, z up).
        camera_target: the point it looks at.
        camera_fovy: vertical field of view in degrees.
        physics_step: in seconds; the frame must be a whole number of them.

    """

    cube_side: float = 0.05
    camera_position: tuple[float, float, float] = (1.10, 0.0, 0.50)
    camera_target: tuple[float, float, float] = (0.50, 0.0, 0.11)
    camera_fovy: float = 31.0
    physics_step: float = 0.002


def import_mujoco() -> Any:
    """
    Import MuJoCo, which decides while it is imported how it will draw.

    Raises:
        MissingPackageError: it is not installed.
        EiplTrtError: it cannot load what the environment variable MUJOCO_GL asks for.

    """
    if sys.platform == 'linux' and not {'MUJOCO_GL', 'DISPLAY'} & set(os.environ):
        # Its own choice is a window, and there is no display for one.
        for choice, library in (('egl', 'EGL'), ('osmesa', 'OSMesa')):
            if ctypes.util.find_library(library):
                os.environ['MUJOCO_GL'] = choice
                break
    try:
        return require('mujoco', install=INSTALL, needed_for=NEEDED_FOR)
    except (AttributeError, ImportError, RuntimeError) as error:
        chosen = os.environ.get('MUJOCO_GL')
        msg = f'mujoco cannot be imported with MUJOCO_GL={chosen}: {error}; {DRAWING_HELP}'
        raise EiplTrtError(msg) from error


def robot_description() -> Path:
    """
    Find the Panda's MJCF file in the installed ``gym_hil`` package, without importing that.

    Raises:
        MissingPackageError: the package is not installed.

    """
    found = importlib.util.find_spec('gym_hil')
    if found is None or found.origin is None:
        msg = f"{NEEDED_FOR} needs the package 'gym_hil', which is not installed: {INSTALL}"
        raise MissingPackageError(msg)
    return Path(found.origin).parent / 'assets' / 'panda.xml'


def build_scene(settings: SceneSettings | None = None) -> Any:
    """
    Put the world together.

    Args:
        settings: sizes and the camera's place; ``None``: the defaults.

    Returns:
        The compiled ``mujoco.MjModel``.

    Raises:
        MissingPackageError: mujoco or gym_hil is not installed.

    """
    settings = settings or SceneSettings()
    mujoco = import_mujoco()
    spec = mujoco.MjSpec.from_file(str(robot_description()))
    spec.option.timestep = settings.physics_step
    # Stiff servos on light links: damping must be integrated implicitly, or it chatters.
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    spec.visual.headlight.ambient = [0.35, 0.35, 0.35]
    spec.visual.headlight.diffuse = [0.35, 0.35, 0.35]
    _turn_motors_into_servos(mujoco, spec)
    for body in spec.bodies:
        body.gravcomp = 1.0  # the real arm's controller compensates its own weight
    _add_surroundings(mujoco, spec)
    _add_cube(mujoco, spec, settings)
    _add_camera(spec, settings)
    return spec.compile()


def project(
    points: NDArray[np.floating],
    settings: SceneSettings | None = None,
) -> NDArray[np.float64]:
    """
    Tell where points of the world are in the picture (pinhole camera).

    Args:
        points: (..., 3), metres, in the base frame.
        settings: the camera's place; ``None``: the defaults.

    Returns:
        float64 (..., 2): x to the right and y down, 0..1 across the picture.

    """
    settings = settings or SceneSettings()
    camera = np.array(settings.camera_position)
    forward = np.array(settings.camera_target) - camera
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    offset = np.asarray(points, dtype=np.float64) - camera
    half = np.tan(np.radians(settings.camera_fovy) / 2) * (offset @ forward)
    return np.stack([offset @ right / half, offset @ down / half], axis=-1) / 2 + 0.5


def _turn_motors_into_servos(mujoco: Any, spec: Any) -> None:
    for index, stiffness in enumerate(_STIFFNESS, start=1):
        actuator = spec.actuator(f'actuator{index}')
        actuator.forcerange = actuator.ctrlrange
        actuator.forcelimited = True
        actuator.ctrllimited = False
        actuator.gaintype = mujoco.mjtGain.mjGAIN_FIXED
        actuator.biastype = mujoco.mjtBias.mjBIAS_AFFINE
        actuator.gainprm[0] = stiffness
        actuator.biasprm[1] = -stiffness
        actuator.biasprm[2] = -stiffness * DAMPING_RATIO


def _add_surroundings(mujoco: Any, spec: Any) -> None:
    world = spec.worldbody
    world.add_geom(
        name='table',
        type=mujoco.mjtGeom.mjGEOM_BOX,
        size=[0.6, 0.7, 0.2],
        pos=[0.5, 0.0, -0.2],
        rgba=[0.52, 0.42, 0.32, 1.0],
    )
    world.add_geom(
        name='wall',
        type=mujoco.mjtGeom.mjGEOM_BOX,
        size=[0.02, 3.0, 3.0],
        pos=[-0.8, 0.0, 0.0],
        rgba=[0.55, 0.6, 0.65, 1.0],
    )
    world.add_light(
        name='ceiling',
        pos=[0.9, 0.4, 1.6],
        dir=[-0.25, -0.25, -1.0],
        diffuse=[0.6, 0.6, 0.6],
        castshadow=False,
    )


def _add_cube(mujoco: Any, spec: Any, settings: SceneSettings) -> None:
    half = settings.cube_side / 2
    body = spec.worldbody.add_body(name=CUBE, pos=[0.5, 0.0, half])
    body.add_freejoint(name=CUBE)
    body.add_geom(
        name=CUBE,
        type=mujoco.mjtGeom.mjGEOM_BOX,
        size=[half] * 3,
        mass=0.08,
        rgba=[0.85, 0.08, 0.08, 1.0],
        friction=[1.0, 0.01, 0.001],
        condim=4,
    )


def _add_camera(spec: Any, settings: SceneSettings) -> None:
    x, y, z = settings.camera_position
    to_x, to_y, to_z = settings.camera_target
    depth, height = x - to_x, z - to_z
    # The camera stands in front of the robot and looks back at it: its right is the world's +y,
    # its up is what is left of +z at a right angle to the view. MuJoCo makes them orthonormal.
    right = [-(y - to_y), depth, 0.0]
    up = [-height * depth, -height * (y - to_y), depth**2 + (y - to_y) ** 2]
    spec.worldbody.add_camera(
        name=CAMERA, pos=[x, y, z], fovy=settings.camera_fovy, xyaxes=[*right, *up]
    )
