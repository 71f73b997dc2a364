# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from builders import make_joints
from hypothesis import given
from hypothesis import strategies as st

from eipl_trt_ros.command.gripper import OpenCloseSwitch
from eipl_trt_ros.command.selection import PositionCommand

JOINTS = make_joints(4)
GRIPPER = JOINTS[-1]  # closes above 0.7, opens below 0.3


def test_only_joints_driven_by_position_are_commanded_in_the_bundles_order():
    command = PositionCommand([JOINTS[2], GRIPPER, JOINTS[0]])
    out = np.zeros(2)
    command.write(np.array([0.5, 0.9, -0.25], np.float32), out)
    assert command.names == ('joint3', 'joint1')
    assert list(out) == [0.5, -0.25]


def test_a_gripper_is_left_alone_until_a_threshold_is_passed():
    switch = OpenCloseSwitch(GRIPPER)
    assert [switch.update(value) for value in (0.5, 0.7, 0.3, 0.29)] == [None, None, None, False]


@given(st.lists(st.floats(-0.5, 1.5), max_size=100))
def test_a_gripper_changes_only_beyond_the_far_threshold(values):
    switch = OpenCloseSwitch(GRIPPER)
    states = [switch.update(value) for value in values]
    for value, (before, after) in zip(values[1:], pairwise(states), strict=False):
        if before is not after:
            assert value > 0.7 if after else value < 0.3
        elif after is not None:
            assert value >= 0.3 if after else value <= 0.7


def test_a_reset_switch_has_decided_nothing():
    switch = OpenCloseSwitch(GRIPPER)
    switch.update(1.0)
    switch.reset()
    assert switch.update(0.5) is None


def test_a_joint_driven_by_position_is_no_switch():
    with pytest.raises(ValueError, match="its sink is 'position'"):
        OpenCloseSwitch(JOINTS[0])
