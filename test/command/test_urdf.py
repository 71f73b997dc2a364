# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import contextlib
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eipl_trt_ros.command.limits import JointLimit
from eipl_trt_ros.command.urdf import urdf_limits
from eipl_trt_ros.errors import LimitsError

ARM = """<?xml version="1.0"?>
<robot name="arm" xmlns:xacro="http://www.ros.org/wiki/xacro">
  <link name="base"/>
  <joint name="shoulder" type="revolute">
    <limit lower="-1.5" upper="2.5" velocity="2.0" effort="40"/>
  </joint>
  <joint name="elbow" type="revolute">
    <limit lower="-1.5" upper="2.5" velocity="2.0" effort="40"/>
    <safety_controller soft_lower_limit="-1.0" soft_upper_limit="3.0" k_velocity="1"/>
  </joint>
  <joint name="wrist" type="continuous"><limit velocity="3.0" effort="1"/></joint>
  <joint name="spinner" type="continuous"/>
  <joint name="slide" type="prismatic"><limit upper="0.4" velocity="0" effort="1"/></joint>
  <joint name="bare" type="revolute"/>
  <joint name="fixed" type="fixed"/>
  <joint name="finger" type="prismatic">
    <limit lower="0" upper="0.04" velocity="0.1" effort="1"/><mimic joint="thumb"/>
  </joint>
  <joint name="twin" type="revolute"/><joint name="twin" type="revolute"/>
  <ros2_control name="x" type="system"><joint name="shoulder"/></ros2_control>
</robot>"""


def test_hard_and_soft_limits_are_read_and_the_narrower_count():
    limits = urdf_limits(ARM, ['shoulder', 'elbow', 'elsewhere'])
    assert limits == {
        'shoulder': JointLimit(-1.5, 2.5, 2.0),
        'elbow': JointLimit(-1.0, 2.5, 2.0),
    }


def test_a_joint_without_end_has_no_bounds():
    limits = urdf_limits(ARM, ['wrist', 'spinner'])
    assert limits['wrist'] == JointLimit(-math.inf, math.inf, 3.0)
    assert limits['spinner'] == JointLimit(-math.inf, math.inf)


def test_what_is_left_out_is_unknown_or_the_formats_default():
    limits = urdf_limits(ARM, ['slide', 'bare'])
    assert limits['slide'] == JointLimit(0.0, 0.4)  # a velocity of 0 tells nothing
    assert limits['bare'] == JointLimit()


@pytest.mark.parametrize(
    ('name', 'reason'),
    [
        ('fixed', "'fixed' is of type 'fixed' in the robot description and cannot be driven"),
        ('finger', "'finger' mimics 'thumb'"),
        ('twin', "two joints named 'twin'"),
    ],
)
def test_a_joint_that_cannot_be_driven_is_refused(name, reason):
    with pytest.raises(LimitsError, match=reason):
        urdf_limits(ARM, [name])


@pytest.mark.parametrize('value', ['wide', 'nan', 'inf', ''])
def test_a_limit_that_is_no_number_is_refused(value):
    with pytest.raises(LimitsError, match=f"lower is '{value}' in the robot description"):
        urdf_limits(ARM.replace('lower="-1.5"', f'lower="{value}"'), ['shoulder'])


@pytest.mark.parametrize(
    ('text', 'reason'),
    [
        ('', 'is not XML'),
        ('<robot>', 'is not XML'),
        ('<sdf/>', 'begins with <sdf>'),
        ('<?xml version="1.0"?><!DOCTYPE robot><robot/>', 'has a document type'),
    ],
)
def test_what_is_no_robot_is_refused(text, reason):
    with pytest.raises(LimitsError, match=reason):
        urdf_limits(text, ['shoulder'])


def test_entities_are_neither_loaded_nor_expanded(tmp_path: Path):
    secret = tmp_path / 'secret'
    secret.write_text('1.0')
    outside = f'<!DOCTYPE robot [<!ENTITY x SYSTEM "file://{secret}">]>'
    bomb = '<!DOCTYPE robot [<!ENTITY a "1"><!ENTITY b "&a;&a;&a;">]>'
    for begin in (outside, bomb):
        with pytest.raises(LimitsError, match='has a document type'):
            urdf_limits(f'{begin}<robot>&x;</robot>', ['shoulder'])


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda data: data.decode('latin-1')))
def test_no_text_gives_anything_but_limits_or_an_error_of_ours(text):
    with contextlib.suppress(LimitsError):
        assert urdf_limits(text, ['shoulder']) == {}
