# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The camera and the node as processes of their own, over real topics."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from builders import SPECS, write_random_bundle
from rich.console import Console

pytest.importorskip('rclpy', reason='ROS 2 is not installed')

from eipl_trt_ros.benchmark.ros_latency import MATRIX, Stream, summarise, time_node
from eipl_trt_ros.benchmark.tables import latency_table
from eipl_trt_ros.errors import BackendError


@pytest.mark.parametrize('compressed', [False, True])
def test_the_parts_of_a_frame_add_up(compressed: bool, tmp_path: Path) -> None:
    bundle = write_random_bundle(tmp_path / 'bundle', SPECS['cnnrnn'])
    stream = Stream(160, 120, 30.0, compressed)
    (found,) = time_node(bundle, [stream], seconds=1.5)
    assert found.stream == stream
    assert 0 <= found.dropped < found.sent
    parts = (found.topic, found.wait, found.decode, found.model, found.rest)
    assert all(part > 0 for part in parts)
    # Medians of parts do not add up to the median of the sum exactly.
    assert sum(parts) == pytest.approx(found.p50, rel=0.5)
    assert found.p50 <= found.p99
    assert found.cpu > 0
    screen = StringIO()
    Console(file=screen, width=80).print(latency_table(bundle.name, [found]))
    assert stream.label in screen.getvalue()


def test_robots_share_a_domain_and_each_gets_its_own_frames(tmp_path: Path) -> None:
    bundle = write_random_bundle(tmp_path / 'bundle', SPECS['cnnrnn'])
    stream = Stream(64, 48, 10.0, False, robots=2)
    (found,) = time_node(bundle, [stream], seconds=1.5)
    assert found.stream.label == '64x48 raw x2'
    assert found.sent == pytest.approx(30, abs=2)
    assert 0 <= found.dropped < found.sent / 2


def test_the_matrix_has_every_size_at_every_rate_raw_and_compressed() -> None:
    assert len(set(MATRIX)) == len(MATRIX) == 32


def test_a_stream_of_which_nothing_arrives_is_named() -> None:
    with pytest.raises(BackendError, match='160x120 raw at 30 Hz: 0 of 45 arrived'):
        summarise(Stream(160, 120, 30.0, False), [{'sent': 45, 'frames': [], 'cpu': 0.1}])


def test_a_node_that_does_not_come_up_is_reported(tmp_path: Path) -> None:
    bundle = write_random_bundle(tmp_path / 'bundle', SPECS['cnnrnn'])
    (bundle.path / 'motion.cpu.onnx').write_bytes(b'')
    with pytest.raises(BackendError, match=r'the camera for 160x120 raw at 30 Hz failed'):
        time_node(bundle, [Stream(160, 120, 30.0, False)], seconds=0.1)
