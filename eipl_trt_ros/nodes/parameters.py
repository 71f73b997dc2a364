# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Declares a node's parameters from a table, with descriptions, ranges and choices."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node
from rclpy.parameter import Parameter

Value = bool | int | float | str | list[str] | list[int]


@dataclass(frozen=True)
class Setting:
    """
    One parameter.

    Attributes:
        name: its name.
        default: its value where nothing else is said; its type is the parameter's.
        description: one sentence, with the unit.
        choices: the values that a text may have; empty for any.
        low, high: range of a number; None for any number.
        read_only: whether it is fixed once the node runs.

    """

    name: str
    default: Value
    description: str
    choices: Sequence[str] = ()
    low: float | None = None
    high: float | None = None
    read_only: bool = False

    def descriptor(self) -> ParameterDescriptor:
        """Return what ROS shows of the parameter and checks by itself."""
        descriptor = ParameterDescriptor(description=self.description, read_only=self.read_only)
        if self.choices:
            descriptor.additional_constraints = f'one of {", ".join(self.choices)}'
        if self.low is not None and self.high is not None:
            if isinstance(self.default, float):
                limits = FloatingPointRange(from_value=self.low, to_value=self.high)
                descriptor.floating_point_range = [limits]
            else:
                limits = IntegerRange(from_value=int(self.low), to_value=int(self.high), step=1)
                descriptor.integer_range = [limits]
        return descriptor


def declare(node: Node, settings: Iterable[Setting]) -> None:
    """
    Declare the parameters.

    Raises:
        rclpy.exceptions.InvalidParameterValueException: a value given at the start is out of its
            range, or was rejected by the node.

    """
    for setting in settings:
        node.declare_parameter(setting.name, setting.default, setting.descriptor())


def wrong_choice(settings: Iterable[Setting], parameters: Iterable[Parameter]) -> str | None:
    """Return why a value is no choice of its parameter, or None where all are."""
    by_name = {setting.name: setting for setting in settings}
    for parameter in parameters:
        setting = by_name.get(parameter.name)
        if setting is not None and setting.choices and parameter.value not in setting.choices:
            return (
                f'{parameter.name} is {parameter.value!r}, '
                f'expected one of {", ".join(setting.choices)}'
            )
    return None
