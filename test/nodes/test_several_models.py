# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The real node with two models: both see every frame, one drives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from builders import make_pictures
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.qos import DurabilityPolicy, QoSProfile
from ros_world import send_until, until
from sensor_msgs.msg import JointState
from std_msgs.msg import String

from eipl_trt_ros.predictor import open_predictor

MS = 1_000_000
START = 1_700_000_000 * 10**9
PICTURES = make_pictures(12, 128, 128)
JOINTS = [*np.linspace(-0.2, 0.2, 7).tolist(), 0.5]


class Side:
    """A node with two models, a robot, and what the driver's topic said last."""

    def __init__(self, world: Any, bundles: list[Any], **settings: Any) -> None:
        models = [str(bundle.path) for bundle in bundles]
        self.node = world.predictor('', models=models, **settings)
        self.robot = world.robot()
        self.predictions = self.robot.listen(JointState, 'predicted_joints')
        self.driving: list[str] = []
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.robot.create_subscription(
            String,
            'predictor/driving_model',
            lambda message: self.driving.append(message.data),
            latched,
        )
        self._selection = self.robot.create_publisher(String, 'predictor/select_model', 1)
        self.robot.meet()
        self._frames = 0

    def select(self, name: str) -> None:
        until(self._selection.get_subscription_count, 'the selection')
        self._selection.publish(String(data=name))

    def frame(self) -> np.ndarray:
        """Send joints and an image, and return the prediction."""
        stamp = START + self._frames * 100 * MS
        intake = self.node._intake
        before = intake.joint_messages, intake.images
        names = self.node._configured.predictor.bundle.joint_names
        send_until(
            lambda: self.robot.send_joints(stamp, names, JOINTS),
            lambda: intake.joint_messages > before[0],
        )
        send_until(
            lambda: self.robot.send_picture(stamp, PICTURES[self._frames % 12]),
            lambda: intake.images > before[1],
        )
        self._frames += 1
        return np.array(self.predictions.get(timeout=20).position, np.float32)


def test_who_is_selected_drives_and_has_seen_every_frame(world: Any, random_bundle: Any) -> None:
    bundles = [random_bundle('cnnrnn'), random_bundle('sarnn')]
    side = Side(world, bundles, arbiter='topic')
    with open_predictor(bundles[0]) as one, open_predictor(bundles[1]) as other:

        def both() -> list[np.ndarray]:
            picture = PICTURES[side._frames % 12]
            return [p.step(picture, np.array(JOINTS)).joints.copy() for p in (one, other)]

        expected = both()
        assert np.array_equal(side.frame(), expected[0])
        until(lambda: side.driving == ['cnnrnn'], 'the name of the driver')
        side.select('nobody')
        side.select('sarnn')
        arbiter = side.node._configured.predictor.arbiter
        until(lambda: arbiter.driver == 1, 'the selection')
        expected = both()
        assert np.array_equal(side.frame(), expected[1])
        until(lambda: side.driving == ['cnnrnn', 'sarnn'], 'the name of the driver')


def test_the_diagnostics_tell_the_error_of_each_model(world: Any, random_bundle: Any) -> None:
    side = Side(world, [random_bundle('cnnrnn'), random_bundle('sarnn')], arbiter='image')
    arrays = side.robot.listen(DiagnosticArray, '/diagnostics')
    for _ in range(3):
        side.frame()
    values: dict[str, str] = {}
    while not float(values.get('error of sarnn', 'nan')) > 0:
        for status in arrays.get(timeout=20).status:
            values.update({entry.key: entry.value for entry in status.values})
    assert float(values['error of cnnrnn']) > 0


def test_models_that_do_not_fit_together_are_found_when_the_node_is_configured(
    world: Any, random_bundle: Any
) -> None:
    path = str(random_bundle().path)
    node = world.predictor('', active=False, models=[path, path])
    world.run(node.trigger_configure)
    assert 'two models have folders of the same name' in node.failure


@pytest.mark.parametrize('by', ['joints', 'image'])
def test_one_folder_in_models_is_a_single_model(world: Any, random_bundle: Any, by: str) -> None:
    bundle = random_bundle()
    side = Side(world, [bundle], arbiter=by)
    with open_predictor(bundle) as alone:
        expected = alone.step(PICTURES[0], np.array(JOINTS)).joints
        assert np.array_equal(side.frame(), expected)
    assert not side.driving
