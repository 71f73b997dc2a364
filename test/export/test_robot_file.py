# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from eipl_trt_ros.errors import CheckpointError
from eipl_trt_ros.export.robot_file import TEMPLATE, RobotFile, read_robot_file
from eipl_trt_ros.robot import CameraSpec, Crop, JointSpec

BOUNDS = np.array([[-1.0, -2.0, 0.0], [1.0, 2.0, 1.0]])


def read(text: str, folder: Path) -> RobotFile:
    path = folder / 'robot.yaml'
    path.write_text(text)
    return read_robot_file(path)


def test_the_template_is_a_whole_robot_file(tmp_path: Path) -> None:
    robot = read(TEMPLATE, tmp_path)
    assert robot.rate_hz == 10.0
    assert robot.camera == CameraSpec('bgr8', 1, None, 'none')
    assert robot.joints(BOUNDS) == (
        JointSpec('joint1', -1.0, 1.0, 'joint_states', 'position'),
        JointSpec('joint2', -2.0, 2.0, 'joint_states', 'position'),
        JointSpec('gripper', 0.0, 1.0, 'prediction', 'open_close', 0.0, 0.7, 0.3),
    )


def test_a_crop_is_read(tmp_path: Path) -> None:
    crop = '{top: 150, left: 110, height: 320, width: 320}'
    robot = read(TEMPLATE.replace('crop: null', f'crop: {crop}'), tmp_path)
    assert robot.camera.crop == Crop(150, 110, 320, 320)


@pytest.mark.parametrize('key', ['rate_hz', 'camera', 'joints'])
def test_a_key_that_is_not_there_is_asked_for(key: str, tmp_path: Path) -> None:
    data = yaml.safe_load(TEMPLATE)
    del data[key]
    with pytest.raises(CheckpointError, match=rf'robot\.yaml: it lacks {key}: the|what'):
        read(yaml.safe_dump(data), tmp_path)


@pytest.mark.parametrize('key', ['encoding', 'stride', 'crop', 'flip'])
def test_nothing_of_the_camera_is_assumed(key: str, tmp_path: Path) -> None:
    data = yaml.safe_load(TEMPLATE)
    del data['camera'][key]
    with pytest.raises(CheckpointError, match=f'camera lacks .*{key}'):
        read(yaml.safe_dump(data), tmp_path)


def test_a_missing_encoding_is_explained(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r'AIREC and OpenManipulator is bgr8.*--template'):
        read(TEMPLATE.replace('  encoding: bgr8\n', ''), tmp_path)


@pytest.mark.parametrize(
    ('old', 'new', 'message'),
    [
        ('bgr8\n', 'BGR\n', "camera.encoding is 'BGR', expected one of rgb8, bgr8"),
        ('rate_hz: 10.0', 'rate_hz: -1', 'rate_hz must be a number above 0, found -1'),
        ('rate_hz: 10.0', 'rate_hz: fast', "rate_hz must be a number above 0, found 'fast'"),
        ('rate_hz: 10.0', 'rate_hz: .inf', 'rate_hz must be a number above 0, found inf'),
        ('rate_hz:', 'rate:', 'it lacks rate_hz: the rate of the training data in Hz'),
        ('rate_hz: 10.0', 'rate_hz: 10.0\nspeed: 1', "it has the unknown key 'speed'"),
        ('sink: open_close', 'sinks: open_close', "joints[2] has the unknown key 'sinks'"),
        ('    sink: open_close\n', '', "joints[2] lacks the key 'sink'"),
        ('joints:', 'joints: 3\nx:', 'it has the unknown key'),
    ],
)
def test_what_is_wrong_is_named(old: str, new: str, message: str, tmp_path: Path) -> None:
    assert old in TEMPLATE
    with pytest.raises(CheckpointError) as caught:
        read(TEMPLATE.replace(old, new, 1), tmp_path)
    assert message in str(caught.value)
    assert 'robot.yaml' in str(caught.value)


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('', r'it must hold rate_hz, camera, joints, found NoneType'),
        ('- 1', r'it must hold rate_hz, camera, joints, found list'),
        ('{', r'cannot be read as YAML'),
        (
            'rate_hz: 1\ncamera: {encoding: rgb8, stride: 1, crop: null, flip: none}\njoints: arm',
            "joints must be a list, found 'arm'",
        ),
    ],
)
def test_a_file_of_another_form_is_refused(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=message):
        read(text, tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r'none\.yaml cannot be read as YAML: .*No such'):
        read_robot_file(tmp_path / 'none.yaml')


def test_the_number_of_joints_must_be_the_models(tmp_path: Path) -> None:
    robot = read(TEMPLATE, tmp_path)
    with pytest.raises(
        CheckpointError,
        match=r'lists 3 joints \(joint1, joint2, gripper\), but '
        r'the model has 2',
    ):
        robot.joints(BOUNDS[:, :2])


def test_wiring_and_bounds_must_fit(tmp_path: Path) -> None:
    robot = read(TEMPLATE.replace('initial: 0.0', 'initial: 4.0'), tmp_path)
    with pytest.raises(CheckpointError, match=r"robot\.yaml: joint 'gripper': initial 4"):
        robot.joints(BOUNDS)
