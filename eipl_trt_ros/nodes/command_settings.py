# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The parameters of the command: limits, guards, the watchdog's times, engagement."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

from rclpy.exceptions import InvalidParameterTypeException
from rclpy.node import Node

from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.command.drive import DriveSettings
from eipl_trt_ros.command.limits import JointLimit
from eipl_trt_ros.command.vetting import POLICIES, Policies
from eipl_trt_ros.command.watchdog import RECOVERIES, WatchdogTimes
from eipl_trt_ros.errors import LimitsError
from eipl_trt_ros.nodes.parameters import Setting, declare

COMMAND_TYPES = ('joint_trajectory', 'float64_multi_array')
LIMITS_PREFIX = 'limits.'
_UNITS = {'lower': 'rad', 'upper': 'rad', 'velocity': 'rad/s', 'acceleration': 'rad/s^2'}


def _policy(name: str, default: str, what: str) -> Setting:
    return Setting(
        name,
        default,
        f'What happens to a prediction {what}: clamp cuts it down, refuse drops it, and the arm '
        'goes on to the one before.',
        choices=POLICIES,
    )


COMMAND_SETTINGS = (
    Setting(
        'command_type',
        'joint_trajectory',
        "Type of the command: joint_trajectory on '~/joint_trajectory', or float64_multi_array on "
        "'~/commands'.",
        choices=COMMAND_TYPES,
    ),
    Setting(
        'engage',
        False,
        'Engage by itself as soon as that is allowed after every activation: for simulation and '
        'replay, not for an arm with people near it.',
    ),
    Setting(
        'command_rate',
        100.0,
        "Rate of the command, in Hz: the controller's; of a trajectory, how close its points are.",
        low=50.0,
        high=500.0,
    ),
    Setting(
        'arrival',
        1.2,
        'In how many periods of the model a prediction is to be reached; at 1 the arm all but '
        'stops on each prediction, more is smoother and later.',
        low=1.0,
        high=4.0,
    ),
    Setting(
        'robot_description',
        '',
        "The arm's URDF, for its limits; empty takes it from the topic 'robot_description', if it "
        'is there.',
    ),
    Setting(
        'default_acceleration',
        0.0,
        'Acceleration limit of joints that no limits.<joint>.acceleration names, in rad/s^2 (a '
        'URDF has none); 0 leaves it unknown.',
        low=0.0,
        high=1000.0,
    ),
    Setting(
        'speed_scale',
        1.0,
        'Velocity and acceleration limits are multiplied by this; small for the first motions.',
        low=0.01,
        high=1.0,
    ),
    Setting(
        'max_jump',
        0.35,
        'How far a prediction, and a command, may be from the measured position, in rad; beyond '
        'it a prediction meets jump_policy, and a command stops the arm until engaged anew.',
        low=0.001,
        high=10.0,
    ),
    _policy('position_policy', 'clamp', 'outside a position limit'),
    _policy('velocity_policy', 'clamp', 'that asks for more than a velocity limit'),
    _policy('acceleration_policy', 'clamp', 'that asks for more than an acceleration limit'),
    _policy('jump_policy', 'refuse', 'farther than max_jump from the measured position'),
    Setting(
        'training_margin',
        0.05,
        'How far outside the training range a joint may be when the arm is engaged, in rad.',
        low=0.0,
        high=100.0,
    ),
    Setting(
        'image_timeout',
        0.5,
        'Without a fresh image for longer than this, in seconds, the arm holds.',
        low=0.01,
        high=60.0,
    ),
    Setting(
        'joint_timeout',
        0.2,
        'Without fresh joints for longer than this, in seconds, the arm holds.',
        low=0.01,
        high=60.0,
    ),
    Setting(
        'prediction_timeout',
        0.35,
        'Without a prediction for longer than this, in seconds, the arm holds.',
        low=0.01,
        high=60.0,
    ),
    Setting(
        'max_age',
        0.5,
        "How far an image's stamp may be from now, in seconds, for its prediction to move the "
        'arm; 0 does not look at stamps, as for a replay with its old ones.',
        low=0.0,
        high=60.0,
    ),
    Setting(
        'hold_time',
        1.0,
        'How long the arm holds, in seconds, before commands cease.',
        low=0.0,
        high=3600.0,
    ),
    Setting(
        'recovery_time',
        0.3,
        'How long all inputs must be sane, in seconds, before the arm moves, at first and again.',
        low=0.0,
        high=60.0,
    ),
    Setting(
        'recovery',
        'engage',
        'What lets the arm move again after commands have ceased: engage waits for ~/engage, '
        'automatic for sane inputs.',
        choices=RECOVERIES,
    ),
)


@dataclass(frozen=True)
class CommandSettings:
    """The values of `COMMAND_SETTINGS`, as they are when the node is configured."""

    command_type: str
    engage: bool
    command_rate: float
    arrival: float
    robot_description: str
    default_acceleration: float
    speed_scale: float
    max_jump: float
    position_policy: str
    velocity_policy: str
    acceleration_policy: str
    jump_policy: str
    training_margin: float
    image_timeout: float
    joint_timeout: float
    prediction_timeout: float
    max_age: float
    hold_time: float
    recovery_time: float
    recovery: str

    def drive(self, model_rate: float) -> DriveSettings:
        """
        Return the part that is about driving.

        Raises:
            LimitsError: predictions would be late at the model's own rate.

        """
        if self.prediction_timeout <= 1.0 / model_rate:
            msg = (
                f'prediction_timeout is {self.prediction_timeout:g} s, but the model predicts '
                f'every {1.0 / model_rate:g} s: it must be longer'
            )
            raise LimitsError(msg)
        return DriveSettings(
            command_rate=self.command_rate,
            model_rate=model_rate,
            arrival=self.arrival,
            policies=Policies(
                self.position_policy,
                self.velocity_policy,
                self.acceleration_policy,
                self.jump_policy,
                self.max_jump,
            ),
            times=WatchdogTimes(
                image=_nanoseconds(self.image_timeout),
                joints=_nanoseconds(self.joint_timeout),
                prediction=_nanoseconds(self.prediction_timeout),
                hold=_nanoseconds(self.hold_time),
                recovery=_nanoseconds(self.recovery_time),
            ),
            recovery=self.recovery,
            training_margin=self.training_margin,
            max_age_ns=_nanoseconds(self.max_age),
        )


def _nanoseconds(seconds: float) -> int:
    return round(seconds * 1e9)


def read_command_settings(node: Node) -> CommandSettings:
    """Read the parameters of a node that declared `COMMAND_SETTINGS`."""
    names = [field.name for field in fields(CommandSettings)]
    return CommandSettings(**{name: node.get_parameter(name).value for name in names})


def read_limits(node: Node, bundle: Bundle) -> dict[str, JointLimit]:
    """
    Read ``limits.<joint>.<limit>`` of the joints driven by position, which are declared here.

    Which joints there are is known only with the bundle. What is not set is told by nobody.

    Raises:
        LimitsError: a limit is no float, or is set for a joint that the bundle does not drive by
            position.

    """
    names = [joint.name for joint in bundle.joints if joint.sink == 'position']
    _refuse_strangers(node, names)
    limits = {}
    for name in names:
        settings = [
            Setting(
                f'{LIMITS_PREFIX}{name}.{limit}',
                math.nan,
                f"{limit.capitalize()} limit of {name}, in {unit}; nan takes the URDF's.",
            )
            for limit, unit in _UNITS.items()
        ]
        try:
            declare(node, [one for one in settings if not node.has_parameter(one.name)])
        except InvalidParameterTypeException as error:
            msg = f'{error}; a limit is a number with a decimal point, such as 2.0'
            raise LimitsError(msg) from None
        values = [float(node.get_parameter(setting.name).value) for setting in settings]
        limits[name] = JointLimit(*(None if math.isnan(value) else value for value in values))
    return limits


def _refuse_strangers(node: Node, names: Sequence[str]) -> None:
    """Refuse limits of joints that are not there: a name spelt wrong would go unnoticed."""
    known = {f'{LIMITS_PREFIX}{name}.{limit}' for name in names for limit in _UNITS}
    given = getattr(node, '_parameter_overrides', {})
    strange = sorted(
        name for name in given if name.startswith(LIMITS_PREFIX) and name not in known
    )
    if strange:
        msg = (
            f'the parameter {strange[0]} belongs to no joint that the bundle drives by position: '
            f'expected {LIMITS_PREFIX}<joint>.<{"|".join(_UNITS)}> with one of {", ".join(names)}'
        )
        raise LimitsError(msg)
