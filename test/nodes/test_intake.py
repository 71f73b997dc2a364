# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Which images become frames, and with which joints."""

from __future__ import annotations

import array
import threading
from typing import Any

import cv2
import numpy as np
import pytest
import rclpy
from builders import SPECS, write_random_bundle
from lockstep import MS, NAMES, PICTURES, START, Lockstep, first_prediction, positions_at
from ros_world import image_message, until
from sensor_msgs.msg import CompressedImage

from eipl_trt_ros.nodes.conversion import nanoseconds
from eipl_trt_ros.robot import CameraSpec
from eipl_trt_ros.sync import DropCause


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
