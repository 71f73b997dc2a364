# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The real node over DDS, against a pass of the same messages without ROS."""

from __future__ import annotations

import array
import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import pytest
import rclpy
from builders import SPECS, make_joints, make_pictures, write_random_bundle
from diagnostic_msgs.msg import DiagnosticArray
from numpy.typing import NDArray
from ros_world import image_message, send_until, until
from sensor_msgs.msg import CompressedImage, Image, JointState
from std_msgs.msg import Float32MultiArray, Int64MultiArray

from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.nodes.conversion import nanoseconds
from eipl_trt_ros.nodes.frame_timing import decode
from eipl_trt_ros.nodes.image_output import draw_points
from eipl_trt_ros.predictor import Predictor, open_predictor
from eipl_trt_ros.robot import CameraSpec
from eipl_trt_ros.sync import DropCause, Synchronizer

MS = 1_000_000
START = 1_700_000_000 * 10**9
PICTURES = make_pictures(12, 128, 128)
NAMES = tuple(joint.name for joint in make_joints(8))


@dataclass(frozen=True)
class Event:
    """A message of the robot: an image where there is a picture, else joints."""

    stamp_ns: int
    picture: NDArray[np.uint8] | None = None


def positions_at(stamp_ns: int) -> list[float]:
    seconds = (stamp_ns - START) / 1e9
    return [*(0.1 * np.sin(seconds * np.arange(1, 8))).tolist(), 0.5]


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


class Lockstep:
    """Sends one message at a time to a node and waits until it is taken in."""

    def __init__(self, world: Any, node: Any, *, compressed: bool = False) -> None:
        self.robot = world.robot()
        self._node = node
        self.predictions = self.robot.listen(JointState, 'predicted_joints')
        self.robot.meet(compressed=compressed)

    def joints(self, stamp_ns: int, names: Any = NAMES, positions: Any = None) -> None:
        intake, before = self._node._intake, self._node._intake.joint_messages
        send_until(
            lambda: self.robot.send_joints(stamp_ns, names, positions or positions_at(stamp_ns)),
            lambda: intake.joint_messages > before,
        )

    def image(self, stamp_ns: int, message: Image | CompressedImage) -> None:
        intake, before = self._node._intake, self._node._intake.images
        send_until(
            lambda: self.robot.send_image(stamp_ns, message), lambda: intake.images > before
        )

    def picture(self, stamp_ns: int, picture: NDArray[np.uint8] = PICTURES[0]) -> None:
        self.image(stamp_ns, image_message(picture))

    def prediction(self) -> JointState:
        return self.predictions.get(timeout=20)

    def assert_no_prediction(self) -> None:
        with pytest.raises(queue.Empty):
            self.predictions.get(timeout=0.1)


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


def first_prediction(bundle: Bundle, picture: NDArray[np.uint8], joints: Any) -> list[float]:
    with open_predictor(bundle) as predictor:
        return predictor.step(picture, np.array(joints)).joints.astype(float).tolist()


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


@pytest.mark.parametrize('encoding', ['rgb8', 'bgr8'])
@pytest.mark.parametrize('sent', ['rgb8', 'bgr8', 'bgra8', 'png'])
def test_any_encoding_gives_the_prediction_of_the_same_picture(
    world, tmp_path, random_bundle, encoding, sent
):
    bundle = random_bundle()
    if encoding == 'bgr8':
        camera = CameraSpec('bgr8', 1, None, 'none')
        bundle = write_random_bundle(tmp_path / 'bgr', SPECS['cnnrnn'], camera=camera)
    rgb = PICTURES[3]
    bgr = np.ascontiguousarray(rgb[..., ::-1])
    compressed = sent == 'png'
    transport = 'compressed' if compressed else 'raw'
    lockstep = Lockstep(
        world, world.predictor(bundle, image_transport=transport), compressed=compressed
    )
    lockstep.joints(START)
    if compressed:
        data = cv2.imencode('.png', bgr)[1].tobytes()
        message: Any = CompressedImage(format='png', data=array.array('B', data))
    else:
        pixels = {'rgb8': rgb, 'bgr8': bgr, 'bgra8': cv2.cvtColor(rgb, cv2.COLOR_RGB2BGRA)}
        message = image_message(pixels[sent], sent)
    lockstep.image(START, message)
    expected = first_prediction(bundle, rgb if encoding == 'rgb8' else bgr, positions_at(START))
    assert list(lockstep.prediction().position) == expected


def test_joints_from_two_publishers_in_any_order_with_others_among_them(world, random_bundle):
    bundle = random_bundle()
    lockstep = Lockstep(world, world.predictor(bundle))
    positions = positions_at(START)
    left = [2, 0, 1]
    lockstep.joints(
        START,
        ['wheel', *(NAMES[i] for i in left), 'head'],
        [9.0, *(positions[i] for i in left), float('nan')],
    )
    lockstep.picture(START - 100 * MS)  # half of the joints are missing
    lockstep.joints(START, NAMES[3:7], positions[3:7])
    lockstep.picture(START)
    message = lockstep.prediction()
    assert nanoseconds(message.header.stamp) == START
    assert list(message.position) == first_prediction(bundle, PICTURES[0], positions)


def test_drops_are_counted_by_cause(world, random_bundle):
    node = world.predictor(random_bundle())
    lockstep = Lockstep(world, node)
    lockstep.picture(START)  # no joints yet
    lockstep.joints(START + 100 * MS)
    lockstep.picture(START + 100 * MS)
    lockstep.prediction()
    lockstep.picture(START + 100 * MS)  # repeated
    lockstep.picture(START + 90 * MS)  # late
    lockstep.picture(START + 133 * MS)  # between two ticks
    lockstep.picture(START + 200 * MS)  # joints are 100 ms old
    lockstep.assert_no_prediction()
    assert node._intake.synchronizer.counters == dict.fromkeys(DropCause, 1)


def test_a_broken_image_is_an_error_of_its_own_frame_only(world, random_bundle, capfd):
    node = world.predictor(random_bundle())
    lockstep = Lockstep(world, node)
    lockstep.joints(START)
    broken = image_message(PICTURES[0])
    broken.data = broken.data[:100]
    lockstep.image(START, broken)
    until(lambda: node._configured.runner.statistics.counts().failed == 1)
    lockstep.joints(START + 100 * MS)
    lockstep.picture(START + 100 * MS)
    assert nanoseconds(lockstep.prediction().header.stamp) == START + 100 * MS
    assert 'found 100 bytes' in capfd.readouterr().err


def test_a_network_that_gives_nan_publishes_nothing(world, tmp_path):
    def find(weights: dict[str, NDArray[np.float32]]) -> None:
        name = next(n for n, w in weights.items() if w.shape[0] == 8 and 'joint' in n)
        weights[name].fill(0)
        weights[name].flat[0] = np.nan

    bundle = write_random_bundle(tmp_path / 'nan', SPECS['cnnrnn'], change=find)
    node = world.predictor(bundle, active=False)
    world.run(node.trigger_configure)
    assert 'nan' in node.failure  # the warm-up finds it


def test_the_newest_image_wins_while_the_model_is_busy(world, random_bundle):
    node = world.predictor(random_bundle())
    lockstep = Lockstep(world, node)
    runner = node._configured.runner
    begun, let_go = threading.Semaphore(0), threading.Semaphore(0)
    run = runner._run

    def slow(predictor, frame):
        begun.release()
        assert let_go.acquire(timeout=20)
        run(predictor, frame)

    runner._run = slow
    for index in range(5):
        stamp = START + index * 100 * MS
        lockstep.joints(stamp)
        lockstep.picture(stamp, PICTURES[index])
        if index == 0:
            assert begun.acquire(timeout=20)
    let_go.release(2)
    stamps = [nanoseconds(lockstep.prediction().header.stamp) for _ in range(2)]
    assert stamps == [START, START + 400 * MS]
    lockstep.assert_no_prediction()
    assert node._intake.superseded == 3


def test_an_image_waits_for_joints_that_come_in_time(world, random_bundle):
    bundle = random_bundle()
    lockstep = Lockstep(world, world.predictor(bundle, joint_wait=1.0))
    lockstep.joints(START - 10 * MS)
    lockstep.picture(START)
    lockstep.assert_no_prediction()
    lockstep.joints(START + 10 * MS)
    between = (np.array(positions_at(START - 10 * MS)) + positions_at(START + 10 * MS)) / 2
    assert list(lockstep.prediction().position) == first_prediction(bundle, PICTURES[0], between)


def test_an_image_waits_no_longer_than_it_was_told(world, random_bundle):
    bundle = random_bundle()
    lockstep = Lockstep(world, world.predictor(bundle, joint_wait=0.05))
    lockstep.joints(START - 10 * MS)
    lockstep.picture(START)
    expected = first_prediction(bundle, PICTURES[0], positions_at(START - 10 * MS))
    assert list(lockstep.prediction().position) == expected


def test_an_image_that_waits_gives_way_to_the_next_one(world, random_bundle):
    lockstep = Lockstep(world, world.predictor(random_bundle(), joint_wait=1.0))
    lockstep.joints(START)
    lockstep.picture(START + 10 * MS)
    lockstep.assert_no_prediction()
    lockstep.picture(START + 20 * MS)  # not due, but the first one stops waiting
    assert nanoseconds(lockstep.prediction().header.stamp) == START + 10 * MS


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


def test_a_frame_in_work_while_ros_shuts_down_is_no_error(world, random_bundle, capfd):
    node = world.predictor(random_bundle())
    lockstep = Lockstep(world, node)
    runner = node._configured.runner
    run, ended = runner._run, threading.Event()

    def interrupted(predictor, frame):
        rclpy.shutdown(context=world.context)
        try:
            run(predictor, frame)
        finally:
            ended.set()

    runner._run = interrupted
    lockstep.joints(START)
    lockstep.picture(START)
    assert ended.wait(20)
    node._configured.thread.close()
    assert runner.statistics.counts().failed == 0
    assert 'frame dropped' not in capfd.readouterr().err
