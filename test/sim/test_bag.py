# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import numpy as np
import pytest
import yaml
from rosbags.rosbag2 import Reader
from rosbags.typesys import Stores, get_typestore

from eipl_trt_ros.errors import BagError
from eipl_trt_ros.sim.bag import START_NS, Recording, record_samples, write_bag
from eipl_trt_ros.sim.demonstrations import Demonstration, Request
from eipl_trt_ros.sim.environment import PandaEnvironment
from eipl_trt_ros.sim.positions import draw_placements
from eipl_trt_ros.sim.scene import JOINT_NAMES

SAMPLE = Path(__file__).parents[2] / 'samples' / 'demonstration'


def made_up_recording(frames: int = 4) -> Recording:
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (frames, 128, 128, 3), dtype=np.uint8)
    zeros = np.zeros((frames, 8), np.float32)
    stamps = np.arange(-40, 100 * frames, 10, dtype=np.int64) * 10**6 + 4_000_000
    samples = random.normal(size=(len(stamps), 8))
    cubes = np.zeros((frames, 3), np.float32)
    return Recording(Demonstration(images, zeros, zeros, cubes, True), stamps, samples)


def read(path: Path):
    store = get_typestore(Stores.ROS2_HUMBLE)
    with Reader(path) as reader:
        return [
            (log, connection.topic, store.deserialize_cdr(raw, connection.msgtype))
            for connection, log, raw in reader.messages()
        ]


def stamp_of(message) -> int:
    return message.header.stamp.sec * 10**9 + message.header.stamp.nanosec


def test_a_written_bag_gives_back_pictures_and_joints(tmp_path):
    recording = made_up_recording()
    write_bag(tmp_path / 'bag', recording)
    messages = read(tmp_path / 'bag')
    pictures = [m for _, topic, m in messages if topic == '/camera/image_raw']
    joints = [m for _, topic, m in messages if topic == '/joint_states']
    for index, (message, picture) in enumerate(
        zip(pictures, recording.demonstration.images, strict=True)
    ):
        assert (message.encoding, message.height, message.width) == ('rgb8', 128, 128)
        assert stamp_of(message) == START_NS + index * 10**8
        np.testing.assert_array_equal(message.data.reshape(128, 128, 3), picture)
    for message, since, positions in zip(
        joints, recording.sample_ns, recording.samples, strict=True
    ):
        assert tuple(message.name) == JOINT_NAMES
        assert stamp_of(message) == START_NS + since
        np.testing.assert_array_equal(message.position, positions)


def test_pictures_arrive_later_after_their_stamp_than_joints(tmp_path):
    write_bag(tmp_path / 'bag', made_up_recording())
    messages = read(tmp_path / 'bag')
    assert [log for log, _, _ in messages] == sorted(log for log, _, _ in messages)
    delays = {
        topic: {log - stamp_of(m) for log, name, m in messages if name == topic}
        for topic in ('/camera/image_raw', '/joint_states')
    }
    assert delays == {'/camera/image_raw': {20_000_000}, '/joint_states': {1_000_000}}


def test_a_folder_that_exists_is_not_written_over(tmp_path):
    with pytest.raises(BagError, match='exists already'):
        write_bag(tmp_path, made_up_recording())


def test_the_metadata_can_be_read_by_humble_and_jazzy(tmp_path):
    write_bag(tmp_path / 'bag', made_up_recording())
    for folder in (tmp_path / 'bag', SAMPLE):
        text = (folder / 'metadata.yaml').read_text(encoding='utf-8')
        information = yaml.safe_load(text)['rosbag2_bagfile_information']
        assert information['version'] == 8
        assert information['storage_identifier'] == 'mcap'
        # Compression is inside the MCAP file, where every reader of MCAP handles it.
        assert information['compression_mode'] == ''


def test_the_sample_bag_is_a_demonstration_at_10_and_100_hertz():
    messages = read(SAMPLE)
    pictures = [stamp_of(m) for _, topic, m in messages if topic == '/camera/image_raw']
    joints = [stamp_of(m) for _, topic, m in messages if topic == '/joint_states']
    assert len(pictures) == 72
    assert set(np.diff(pictures)) == {10**8}
    assert set(np.diff(joints)) == {10**7}
    assert joints[0] < pictures[0]
    assert joints[-1] > pictures[-1]


def test_joint_samples_come_from_the_physics_between_pictures(camera: PandaEnvironment):
    recording = record_samples(camera, Request(draw_placements('test', 1)[0]))
    at_pictures = np.arange(72) * 10**8
    for joint in range(8):
        read_off = np.interp(at_pictures, recording.sample_ns, recording.samples[:, joint])
        np.testing.assert_allclose(
            read_off, recording.demonstration.joints[:, joint], atol=3e-3 if joint < 7 else 0.06
        )
