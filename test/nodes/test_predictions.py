# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The real node over DDS, against a pass of the same messages without ROS."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from builders import SPECS, write_random_bundle
from diagnostic_msgs.msg import DiagnosticArray
from lockstep import MS, NAMES, PICTURES, START, Lockstep, positions_at
from numpy.typing import NDArray
from sensor_msgs.msg import Image
from std_msgs.msg import Float32MultiArray, Int64MultiArray

from eipl_trt_ros.nodes.conversion import nanoseconds
from eipl_trt_ros.nodes.frame_timing import decode
from eipl_trt_ros.nodes.image_output import draw_points
from eipl_trt_ros.predictor import Predictor, open_predictor
from eipl_trt_ros.sync import DropCause, Synchronizer


@dataclass(frozen=True)
class Event:
    """A message of the robot: an image where there is a picture, else joints."""

    stamp_ns: int
    picture: NDArray[np.uint8] | None = None


def stream(seconds: float, *, camera_ms: int = 100, latency_ms: int = 20) -> Iterator[Event]:
    """Yield joints at 100 Hz and images, in the order of arrival."""
    images = 0
    for milliseconds in range(0, int(seconds * 1000), 10):
        yield Event(START + milliseconds * MS + 3 * MS)
        if milliseconds >= images * camera_ms + latency_ms:
            stamp = START + images * camera_ms * MS
            yield Event(stamp, PICTURES[images % len(PICTURES)])
            images += 1


class Reference:
    """What the node should give: the same core, called in a row."""

    def __init__(self, predictor: Predictor, **settings: float) -> None:
        bundle = predictor.bundle
        self.predictor = predictor
        self.sync = Synchronizer(bundle.joints, rate_hz=bundle.rate_hz, **settings)

    def image(self, event: Event) -> NDArray[np.float32] | None:
        offer = self.sync.offer(event.stamp_ns)
        if offer.cause is not None:
            return None
        if offer.reset:
            self.predictor.reset()
        assert event.picture is not None
        return self.predictor.step(event.picture, offer.joints).joints.copy()


@pytest.mark.parametrize('model', ['sarnn', 'cnnrnn', 'cnnrnnln'])
def test_predictions_over_dds_are_those_of_an_offline_pass_to_the_last_bit(
    world, random_bundle, model
):
    bundle = random_bundle(model)
    node = world.predictor(bundle)
    lockstep = Lockstep(world, node)
    frames = 0
    with open_predictor(bundle) as predictor:
        reference = Reference(predictor)
        for event in stream(2.5, camera_ms=50):
            if event.picture is None:
                reference.sync.add_joints(event.stamp_ns, NAMES, positions_at(event.stamp_ns))
                lockstep.joints(event.stamp_ns)
                continue
            expected = reference.image(event)
            lockstep.picture(event.stamp_ns, event.picture)
            if expected is not None:
                message = lockstep.prediction()
                assert nanoseconds(message.header.stamp) == event.stamp_ns
                assert list(message.name) == list(NAMES)
                assert list(message.position) == expected.astype(float).tolist()
                frames += 1
    assert frames == 25
    assert node._intake.synchronizer.counters == reference.sync.counters
    assert node._intake.synchronizer.counters[DropCause.RATE] > 20


def test_a_looped_recording_resets_the_state(world, random_bundle):
    bundle = random_bundle()
    lockstep = Lockstep(world, world.predictor(bundle))
    passes = []
    for _ in range(2):
        predictions = []
        for index in range(25):
            stamp = START + index * 100 * MS
            lockstep.joints(stamp)
            lockstep.picture(stamp, PICTURES[index % 12])
            predictions.append(list(lockstep.prediction().position))
        passes.append(predictions)
    assert passes[0] == passes[1]
    assert passes[0][0] != passes[0][12]  # the same picture, another state


def test_the_reset_service_starts_a_new_episode(world, random_bundle):
    lockstep = Lockstep(world, world.predictor(random_bundle()))
    predictions = []
    for index in range(6):
        if index == 3:
            response = lockstep.robot.reset()
            assert response.success
        stamp = START + index * 100 * MS
        lockstep.joints(stamp, positions=[0.1] * 8)
        lockstep.picture(stamp)
        predictions.append(list(lockstep.prediction().position))
    assert predictions[:3] == predictions[3:]
    assert predictions[0] != predictions[1]


def test_a_reset_of_an_unconfigured_node_is_refused(world, random_bundle):
    world.predictor(random_bundle(), active=False)
    assert not world.robot().reset().success


def test_activating_again_starts_a_new_episode(world, random_bundle):
    node = world.predictor(random_bundle())
    predictions = []
    lockstep = Lockstep(world, node)
    for _ in range(2):
        lockstep.robot.meet()
        for index in range(3):
            stamp = START + index * 100 * MS
            lockstep.joints(stamp)
            lockstep.picture(stamp)
            predictions.append(list(lockstep.prediction().position))
        world.run(node.trigger_deactivate)
        world.run(node.trigger_activate)
    assert predictions[:3] == predictions[3:]


def test_a_network_that_gives_nan_publishes_nothing(world, tmp_path):
    def find(weights: dict[str, NDArray[np.float32]]) -> None:
        name = next(n for n, w in weights.items() if w.shape[0] == 8 and 'joint' in n)
        weights[name].fill(0)
        weights[name].flat[0] = np.nan

    bundle = write_random_bundle(tmp_path / 'nan', SPECS['cnnrnn'], change=find)
    node = world.predictor(bundle, active=False)
    world.run(node.trigger_configure)
    assert 'nan' in node.failure  # the warm-up finds it


def test_images_and_points_are_published_for_those_who_subscribe(world, random_bundle):
    bundle = random_bundle('sarnn')
    lockstep = Lockstep(world, world.predictor(bundle))
    images = lockstep.robot.listen(Image, 'predicted_image')
    overlays = lockstep.robot.listen(Image, 'attention_image')
    points = lockstep.robot.listen(Float32MultiArray, 'attention_points')
    timings = lockstep.robot.listen(Int64MultiArray, 'frame_timing')
    lockstep.joints(START)
    lockstep.picture(START)
    with open_predictor(bundle) as predictor:
        motion = predictor.step(PICTURES[0], np.array(positions_at(START)))
        image = images.get(timeout=20)
        assert bytes(image.data) == predictor.predicted_image().tobytes()
        assert nanoseconds(image.header.stamp) == START
        assert image.header.frame_id == 'camera'
        assert (image.height, image.width, image.step) == (128, 128, 384)
        assert image.encoding == 'rgb8'
        expected = np.stack([motion.encoder_points, motion.decoder_points])
    message = points.get(timeout=20)
    assert [dim.size for dim in message.layout.dim] == [2, 5, 2]
    assert [dim.stride for dim in message.layout.dim] == [20, 10, 2]
    values = np.array(message.data, np.float32).reshape(2, 5, 2)
    assert np.array_equal(values, expected)
    drawn = PICTURES[0].copy()
    draw_points(drawn, values[0], (0, 0, 255))
    draw_points(drawn, values[1], (255, 0, 0))
    assert bytes(overlays.get(timeout=20).data) == drawn.tobytes()
    timing = decode(timings.get(timeout=20))
    assert timing.stamp == START
    assert timing.frame == 0
    assert timing.received <= timing.started <= timing.commanded <= timing.finished
    assert timing.infer > 0
    assert timing.image_infer > 0


def test_the_image_graph_rests_while_nobody_looks(world, random_bundle):
    lockstep = Lockstep(world, world.predictor(random_bundle()))
    timings = lockstep.robot.listen(Int64MultiArray, 'frame_timing')
    for index in range(3):
        lockstep.joints(START + index * 100 * MS)
        lockstep.picture(START + index * 100 * MS)
        timing = decode(timings.get(timeout=20))
        assert timing.frame == index
        assert timing.image_infer == 0


def test_closed_loop_mixing_over_dds_is_that_of_the_predictor(world, random_bundle):
    bundle = random_bundle('sarnn')
    lockstep = Lockstep(world, world.predictor(bundle, input_mixing=0.8))
    with open_predictor(bundle, input_mixing=0.8) as predictor:
        for index in range(4):
            stamp = START + index * 100 * MS
            lockstep.joints(stamp)
            lockstep.picture(stamp, PICTURES[index])
            motion = predictor.step(PICTURES[index], np.array(positions_at(stamp)))
            expected = motion.joints.astype(float).tolist()
            assert list(lockstep.prediction().position) == expected


def test_diagnostics_tell_rates_drops_and_latencies(world, random_bundle):
    lockstep = Lockstep(world, world.predictor(random_bundle()))
    arrays = lockstep.robot.listen(DiagnosticArray, '/diagnostics')
    name = f'{world.namespace[1:]}/predictor: predictor'
    lockstep.joints(START)
    lockstep.picture(START)
    lockstep.prediction()
    lockstep.picture(START)
    values: dict[str, str] = {}
    while values.get('dropped: repeated') != '1':
        for status in arrays.get(timeout=20).status:
            if status.name == name:
                values = {entry.key: entry.value for entry in status.values}
    assert values['frames'] == '1'
    assert values['backend'] == 'onnxruntime'
    assert values['precision'] == 'fp32'
    for quantile in ('p50', 'p95', 'p99', 'max'):
        assert float(values[f'receive to command {quantile} (ms)']) > 0


def test_attention_points_are_drawn_where_they_lie():
    pixels = np.zeros((128, 128, 3), np.uint8)
    draw_points(pixels, np.array([[0.25, 0.75], [5.0, -5.0]], np.float32), (1, 2, 3))
    assert tuple(pixels[95, 32]) == (1, 2, 3)
    rows, columns = np.nonzero(pixels[..., 0])
    assert (abs(rows - 95) <= 2).all()
    assert (abs(columns - 32) <= 2).all()
