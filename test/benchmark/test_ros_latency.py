# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The camera and the node as processes of their own, over real topics."""

from __future__ import annotations

from dataclasses import astuple, fields, replace
from pathlib import Path

import pytest
from builders import SPECS, write_random_bundle
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip('rclpy', reason='ROS 2 is not installed')

from eipl_trt_ros.benchmark.ros_latency import MATRIX, Latency, Stream, summarise, time_node
from eipl_trt_ros.benchmark.ros_table import markdown_table
from eipl_trt_ros.errors import BackendError
from eipl_trt_ros.nodes.frame_timing import FrameTiming


@pytest.mark.parametrize('compressed', [False, True])
def test_the_parts_of_a_frame_add_up(compressed: bool, tmp_path: Path) -> None:
    bundle = write_random_bundle(tmp_path / 'bundle', SPECS['cnnrnn'])
    stream = Stream(160, 120, 30.0, compressed)
    (found,) = time_node(bundle, [stream], seconds=1.5)
    assert found.stream == stream
    assert 0 <= found.dropped < found.sent
    parts = (found.publish, found.topic, found.wait, found.decode, found.model, found.rest)
    assert all(part >= 0 for part in parts)
    # Medians of parts do not add up to the median of the sum exactly.
    assert sum(parts) == pytest.approx(found.p50, rel=0.5)
    assert found.own == pytest.approx(found.p50 - found.publish - found.model, rel=0.5)
    assert found.p50 <= found.p99
    assert found.own <= found.own_p99
    assert found.cpu > 0


def latency(label: Stream, **changes: float) -> Latency:
    values = dict.fromkeys((field.name for field in fields(Latency)), 1.0)
    return Latency(**(values | {'stream': label, 'sent': 10, 'dropped': 1} | changes))


def test_the_table_can_be_pasted_into_a_page() -> None:
    raw = [Stream(128, 128, rate, False) for rate in (10.0, 100.0)]
    found = [latency(raw[0], p99=12.34), latency(raw[1], model=123.4, cpu=0.256)]
    lines = markdown_table([*found, latency(Stream(640, 480, 10.0, True, robots=2))]).splitlines()
    rows = [[cell.strip() for cell in line[1:-1].split('|')] for line in lines]
    assert rows[0][:4] == ['image', 'Hz', 'p50', 'p99']
    assert rows[1] == ['---', *['---:'] * (len(rows[0]) - 1)]
    assert {len(row) for row in rows} == {len(rows[0])}
    first, second, third = (dict(zip(rows[0], row, strict=True)) for row in rows[2:])
    assert (first['image'], first['Hz'], first['p99']) == ('128x128 raw', '10', '12.3')
    assert (second['image'], second['model'], second['core']) == ('', '123', '26 %')
    assert (third['image'], third['lost']) == ('640x480 jpeg x2', '10 %')


TIMING = FrameTiming(**dict.fromkeys((field.name for field in fields(FrameTiming)), 0))


@given(st.integers(0, 5_000_000), st.lists(st.integers(1, 10**7), min_size=5, max_size=5))
def test_the_parts_of_each_frame_add_up_to_the_nanosecond(publish: int, parts: list[int]) -> None:
    topic, wait, decode, model, rest = parts
    whole = publish + sum(parts)
    received = 10**9
    started = received + wait
    frame = replace(
        TIMING,
        stamp=7,
        received=received,
        started=started,
        decode=decode,
        infer=model,
        commanded=started + decode + model + rest,
        stamp_to_command=whole,
    )
    result = {'sent': 6, 'frames': [astuple(frame)] * 6, 'published': [(7, publish)], 'cpu': 0.5}
    found = summarise(Stream(64, 48, 10.0, False), [result])
    ms = 1e-6
    assert found.p50 == found.p99 == pytest.approx(whole * ms)
    assert found.publish == pytest.approx(publish * ms)
    assert found.topic == pytest.approx(topic * ms)
    assert found.rest == pytest.approx(rest * ms)
    assert found.own == found.own_p99 == pytest.approx((whole - publish - model) * ms)
    late = summarise(
        Stream(64, 48, 10.0, False), [result | {'published': [(7, publish + 2 * topic)]}]
    )
    assert late.publish == pytest.approx((publish + topic) * ms)  # the image was there before
    assert late.topic == 0


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
    nothing = {'sent': 45, 'published': [], 'frames': [], 'cpu': 0.1}
    with pytest.raises(BackendError, match='160x120 raw at 30 Hz: 0 of 45 arrived'):
        summarise(
            Stream(160, 120, 30.0, False),
            [nothing],
        )


def test_a_node_that_does_not_come_up_is_reported(tmp_path: Path) -> None:
    bundle = write_random_bundle(tmp_path / 'bundle', SPECS['cnnrnn'])
    (bundle.path / 'motion.cpu.onnx').write_bytes(b'')
    with pytest.raises(BackendError, match=r'the camera for 160x120 raw at 30 Hz failed'):
        time_node(bundle, [Stream(160, 120, 30.0, False)], seconds=0.1)
