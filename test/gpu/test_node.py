# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The whole node beside the GPU, over real topics."""

from __future__ import annotations

import os
import queue

import numpy as np
import pytest

os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
pytest.importorskip('rclpy', reason='rclpy is not installed')

from diagnostic_msgs.msg import DiagnosticArray
from ros_world import World, send_until
from sensor_msgs.msg import JointState

from eipl_trt_ros.benchmark.ros_latency import Stream, time_node

pytestmark = pytest.mark.gpu


@pytest.mark.alone
@pytest.mark.parametrize(
    ('model', 'rate'), [('sarnn', 10.0), ('sarnn', 100.0), ('cnnrnnln', 100.0)]
)
def test_commands_follow_images_at_the_models_rate(model, rate, gpu, measured) -> None:
    stream = Stream(128, 128, rate, compressed=False)
    gpu.backend(model)  # its kernels are compiled and kept
    seconds = max(4.0, 100 / rate)
    (found,) = time_node(gpu.bundle(model), [stream], backend='tensorrt', seconds=seconds)
    measured(
        f'{found.sent} images, {found.dropped} dropped; stamp to command p50 {found.p50:.3f} ms, '
        f'p99 {found.p99:.3f}; topic {found.topic:.3f}, wait {found.wait:.3f}, decode '
        f'{found.decode:.3f}, steps 1 to 5 {found.model:.3f}, rest {found.rest:.3f}; '
        f'{100 * found.cpu:.1f} % of a core'
    )
    assert found.p50 < 1e3 / rate
    assert found.dropped < found.sent / 10


def test_a_node_goes_through_its_life_with_engines(gpu) -> None:
    bundle, picture = gpu.bundle('cnnrnn'), gpu.demonstration('cnnrnn').images[0]
    with World() as world:
        node = world.predictor(bundle, backend='tensorrt', precision='fp16')
        robot = world.robot()
        robot.meet(settle=0.2)
        joints = robot.listen(JointState, 'predicted_joints')
        reports: queue.Queue = queue.Queue()
        robot.create_subscription(DiagnosticArray, '/diagnostics', reports.put, 10)
        stamp = iter(range(10**18, 2 * 10**18, 10**8))

        def send() -> None:
            now = next(stamp)
            robot.send_joints(now, bundle.joint_names, [0.0] * len(bundle.joints))
            robot.send_picture(now, picture)

        send_until(send, lambda: not joints.empty())
        assert np.isfinite(joints.get().position).all()
        values: dict[str, str] = {}
        while 'CUDA graph' not in values:
            for status in reports.get(timeout=5).status:
                values.update({entry.key: entry.value for entry in status.values})
        assert (values['backend'], values['precision']) == ('tensorrt', 'fp16')
        assert values['CUDA graph'] == 'replayed'
        assert values['host memory'] in {'copied', 'mapped'}
        for step in ('deactivate', 'cleanup', 'configure', 'activate'):
            assert world.run(getattr(node, f'trigger_{step}')).name == 'SUCCESS'


def test_a_node_whose_engine_is_refused_says_why_and_can_be_configured_again(
    own_bundle,
) -> None:
    plan = next((own_bundle.path / 'engines').glob('motion-fp32-*.plan'))
    whole = plan.read_bytes()
    plan.write_bytes(whole[:1000])
    with World() as world:
        node = world.predictor(own_bundle, active=False, backend='tensorrt')
        assert not world.run(node.bring_up)
        assert 'has 1000 bytes, its manifest says' in node.failure
        assert 'eipl_trt build' in node.failure
        plan.write_bytes(whole)
        assert world.run(node.bring_up), node.failure
