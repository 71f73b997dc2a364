# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Reads joint limits out of a robot description (URDF).

Four attributes of a joint are all that is needed, so the standard library's parser does. It loads
no external entity; a document type, which could hold entities that grow without bound, is refused
altogether, since no URDF needs one. (urdf_parser_py would bring lxml, which resolves entities.)

The meaning of the elements: https://wiki.ros.org/urdf/XML/joint
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Sequence

from eipl_trt_ros.command.limits import JointLimit, narrower
from eipl_trt_ros.errors import LimitsError

_BOUNDED = ('revolute', 'prismatic')
_DRIVEN = (*_BOUNDED, 'continuous')
_LONGEST = 64 << 20  # characters; the largest descriptions with meshes inside have a few million


class _Builder(ET.TreeBuilder):
    """Builds the tree, and refuses a document type before anything in it is read."""

    def doctype(self, name: str, *_: str | None) -> None:
        """Refuse; the parser calls this at the beginning of a document type."""
        msg = f'the robot description has a document type ({name}): a URDF needs none, remove it'
        raise LimitsError(msg)


def urdf_limits(text: str, names: Sequence[str]) -> dict[str, JointLimit]:
    """
    Read the limits of some joints.

    Of a joint's hard limits and its safety controller's soft limits the narrower count. A joint
    without end (``continuous``) has infinite ones. A velocity of 0, as some exporters write it,
    counts as not told. URDF knows no acceleration.

    Args:
        text: the description, XML.
        names: joints that are to be driven by position.

    Returns:
        The limits by name; a joint that is not in the description is left out.

    Raises:
        LimitsError: the text is no URDF, or a joint cannot be driven by position.

    """
    wanted = set(names)
    limits: dict[str, JointLimit] = {}
    for joint in _root(text).findall('joint'):
        name = joint.get('name', '')
        if name not in wanted:
            continue
        if name in limits:
            msg = f'the robot description has two joints named {name!r}'
            raise LimitsError(msg)
        limits[name] = _limit(name, joint)
    return limits


def _root(text: str) -> ET.Element:
    if len(text) > _LONGEST:
        msg = f'the robot description has {len(text)} characters, expected less than {_LONGEST}'
        raise LimitsError(msg)
    parser = ET.XMLParser(target=_Builder())  # noqa: S314, see the module's docstring
    try:
        parser.feed(text)
        root: ET.Element = parser.close()
    except ET.ParseError as error:
        msg = f'the robot description is not XML: {error}'
        raise LimitsError(msg) from None
    if root.tag != 'robot':
        msg = f'the robot description begins with <{root.tag}>, expected <robot> (URDF)'
        raise LimitsError(msg)
    return root


def _limit(name: str, joint: ET.Element) -> JointLimit:
    kind = joint.get('type')
    if kind not in _DRIVEN:
        msg = (
            f'joint {name!r} is of type {kind!r} in the robot description and cannot be driven '
            f'by position; expected one of {", ".join(_DRIVEN)}'
        )
        raise LimitsError(msg)
    mimic = joint.find('mimic')
    if mimic is not None:
        msg = (
            f'joint {name!r} mimics {mimic.get("joint")!r} in the robot description and cannot '
            'be driven by itself'
        )
        raise LimitsError(msg)
    element = joint.find('limit')
    velocity = _number(name, element, 'velocity')
    if velocity is not None and velocity <= 0:
        velocity = None
    if kind == 'continuous':
        return JointLimit(-math.inf, math.inf, velocity)
    if element is None:
        return JointLimit()
    # the format gives a bound that is left out the value 0
    hard = JointLimit(
        _number(name, element, 'lower', 0.0), _number(name, element, 'upper', 0.0), velocity
    )
    safety = joint.find('safety_controller')
    soft = JointLimit(
        _number(name, safety, 'soft_lower_limit'), _number(name, safety, 'soft_upper_limit')
    )
    return narrower(hard, soft)


def _number(
    name: str, element: ET.Element | None, attribute: str, default: float | None = None
) -> float | None:
    text = None if element is None else element.get(attribute)
    if text is None:
        return default
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        msg = (
            f'joint {name!r}: {attribute} is {text!r} in the robot description, expected a number'
        )
        raise LimitsError(msg)
    return value
