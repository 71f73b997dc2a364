# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Real recordings, written to disk and read back."""

from __future__ import annotations

import numpy as np
import pytest
import recordings as bw
import yaml
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin

from eipl_trt_ros.errors import BagError
from eipl_trt_ros.evaluation.bags import Bag, ImageEvent, JointsEvent

NAMES = ('joint_a', 'joint_b')


def read(path, **options):
    with Bag(path, joint_names=NAMES, **options) as bag:
        return list(bag.events())


@pytest.mark.parametrize('plugin', [StoragePlugin.SQLITE3, StoragePlugin.MCAP])
@pytest.mark.parametrize('compressed', [False, True])
def test_pictures_and_joints_come_in_log_order(tmp_path, plugin, compressed):
    bag = bw.demonstration(NAMES, compressed=compressed, storage_plugin=plugin)
    events = read(bag.write(tmp_path / 'bag'))
    assert [e.log_ns for e in events] == sorted(e.log_ns for e in events)
    images = [e for e in events if isinstance(e, ImageEvent)]
    joints = [e for e in events if isinstance(e, JointsEvent)]
    assert len(images) == 10
    assert len(joints) == 120
    assert images[0].stamp_ns == bw.START_NS + 100_000_000
    assert images[0].log_ns == images[0].stamp_ns + bw.CAMERA_LATENCY_NS
    np.testing.assert_array_equal(images[0].picture('rgb8'), bw.picture_at(0.1))
    np.testing.assert_array_equal(images[0].picture('bgr8'), bw.picture_at(0.1)[..., ::-1])
    assert joints[3].names == NAMES
    np.testing.assert_allclose(joints[3].positions, bw.joints_at(0.03, 2))


@pytest.mark.parametrize('plugin', [StoragePlugin.SQLITE3, StoragePlugin.MCAP])
@pytest.mark.parametrize('mode', [CompressionMode.FILE, CompressionMode.MESSAGE])
def test_a_compressed_recording_reads_like_a_plain_one(tmp_path, plugin, mode):
    path = bw.demonstration(NAMES, storage_plugin=plugin).write(
        tmp_path / 'bag',
        lambda writer: writer.set_compression(mode, CompressionFormat.ZSTD),
    )
    plain = bw.demonstration(NAMES).write(tmp_path / 'plain')
    assert [e.log_ns for e in read(path)] == [e.log_ns for e in read(plain)]


def test_a_recording_of_humble_without_message_definitions_is_read(tmp_path):
    bag = bw.demonstration(NAMES, version=8, storage_plugin=StoragePlugin.SQLITE3)
    assert len(read(bag.write(tmp_path / 'bag'))) == 130


def test_a_split_recording_is_read_as_one(tmp_path):
    path = bw.demonstration(NAMES, storage_plugin=StoragePlugin.SQLITE3).write(tmp_path / 'bag')
    later = bw.BagWriter(storage_plugin=StoragePlugin.SQLITE3)
    stamp = bw.START_NS + 5_000_000_000
    later.add(stamp, '/joint_states', bw.JOINTS, bw.joint_message(NAMES, [1, 2], stamp))
    image = bw.image_message(bw.picture_at(0), stamp)
    later.add(stamp + 1, '/camera/image_raw', bw.IMAGE, image)
    second = later.write(tmp_path / 'second')
    (second / 'second.db3').rename(path / 'bag_1.db3')
    metadata = yaml.safe_load((path / 'metadata.yaml').read_text())
    metadata['rosbag2_bagfile_information']['relative_file_paths'].append('bag_1.db3')
    (path / 'metadata.yaml').write_text(yaml.safe_dump(metadata))
    events = read(path)
    assert len(events) == 132
    assert isinstance(events[-1], ImageEvent)
    assert events[-1].stamp_ns == stamp


def test_a_picture_with_padded_rows_is_viewed_without_its_padding(tmp_path):
    bag = bw.demonstration(NAMES, image_topic=None)
    stamp = bw.START_NS + 500_000_000
    message = bw.image_message(bw.picture_at(0), stamp, padding=7)
    bag.add(stamp, '/camera', bw.IMAGE, message)
    [event] = [e for e in read(bag.write(tmp_path / 'bag')) if isinstance(e, ImageEvent)]
    picture = event.picture('rgb8')
    np.testing.assert_array_equal(picture, bw.picture_at(0))
    assert np.shares_memory(picture, event.message.data)


def test_a_grey_picture_becomes_three_equal_channels(tmp_path):
    grey = bw.picture_at(0)[..., 0]
    bag = bw.demonstration(NAMES, image_topic=None)
    bag.add(bw.START_NS, '/camera', bw.IMAGE, bw.image_message(grey, 0, encoding='mono8'))
    [event] = [e for e in read(bag.write(tmp_path / 'bag')) if isinstance(e, ImageEvent)]
    np.testing.assert_array_equal(event.picture('rgb8'), np.repeat(grey[..., None], 3, axis=2))


@pytest.mark.parametrize(
    ('encoding', 'data', 'text'),
    [
        ('rgb8', np.zeros(5, np.uint8), 'found 5 bytes'),
        ('32FC1', np.zeros(4 * 32 * 32, np.uint8), 'cannot be converted to rgb8'),
        ('fancy', np.zeros(4 * 32 * 32, np.uint8), 'cannot be converted to rgb8'),
    ],
)
def test_a_picture_that_cannot_be_decoded_is_named(tmp_path, encoding, data, text):
    message = bw.image_message(bw.picture_at(0), 77, encoding=encoding)
    message.data = data
    bag = bw.demonstration(NAMES, image_topic=None)
    bag.add(bw.START_NS, '/camera', bw.IMAGE, message)
    [event] = [e for e in read(bag.write(tmp_path / 'bag')) if isinstance(e, ImageEvent)]
    with pytest.raises(BagError, match=f'/camera: the image with stamp 77 ns: .*{text}'):
        event.picture('rgb8')


def test_a_compressed_picture_that_is_no_picture_is_named(tmp_path):
    message = bw.compressed_message(bw.picture_at(0), 77)
    message.data = message.data[50:]
    bag = bw.demonstration(NAMES, image_topic=None)
    bag.add(bw.START_NS, '/camera', bw.COMPRESSED, message)
    [event] = [e for e in read(bag.write(tmp_path / 'bag')) if isinstance(e, ImageEvent)]
    with pytest.raises(BagError, match='no picture that can be decoded'):
        event.picture('rgb8')


def test_without_an_image_topic_the_error_lists_what_the_bag_holds(tmp_path):
    path = bw.demonstration(NAMES, image_topic=None).write(tmp_path / 'bag')
    with pytest.raises(BagError, match=r'no image topic: .*/joint_states .*JointState, 120 mess'):
        read(path)


def test_of_two_image_topics_one_must_be_chosen(tmp_path):
    bag = bw.demonstration(NAMES)
    stamp = bw.START_NS + 500_000_000
    bag.add(stamp, '/other', bw.IMAGE, bw.image_message(bw.picture_at(3), stamp))
    path = bag.write(tmp_path / 'bag')
    with pytest.raises(BagError, match=r'found 2 \(/camera/image_raw, /other\).*--image-topic'):
        read(path)
    events = read(path, image_topic='/other')
    assert sum(isinstance(e, ImageEvent) for e in events) == 1
    with pytest.raises(BagError, match=r'expected messages of type .* on /none, found /camera'):
        read(path, image_topic='/none')


def test_wrong_joint_names_are_listed(tmp_path):
    path = bw.demonstration(('joint_a', 'elbow')).write(tmp_path / 'bag')
    with pytest.raises(
        BagError, match=r'needs the joints joint_a, joint_b; .*elbow.*; missing: joint_b'
    ):
        read(path)


def test_joints_of_two_drivers_on_one_topic_are_found(tmp_path):
    bag = bw.demonstration(NAMES[:1])
    stamp = bw.START_NS + 300_000_000
    bag.add(stamp, '/joint_states', bw.JOINTS, bw.joint_message(NAMES[1:], [0.5], stamp))
    assert len(read(bag.write(tmp_path / 'bag'))) == 131


def test_of_two_joint_topics_the_one_with_the_needed_joints_is_taken(tmp_path):
    bag = bw.demonstration(NAMES)
    bag.add(bw.START_NS, '/base/joint_states', bw.JOINTS, bw.joint_message(['wheel'], [0], 0))
    path = bag.write(tmp_path / 'bag')
    with Bag(path, joint_names=NAMES) as opened:
        assert opened.joint_topic == '/joint_states'
    bag.add(bw.START_NS, '/copy', bw.JOINTS, bw.joint_message(NAMES, [0, 0], 0))
    with pytest.raises(BagError, match=r'on 2 topics \(/copy, /joint_states\)'):
        read(bag.write(tmp_path / 'two'))


def test_a_path_that_is_no_bag_is_named(tmp_path):
    with pytest.raises(BagError, match='no such bag'):
        read(tmp_path / 'nothing')
    with pytest.raises(BagError, match=r'no metadata\.yaml'):
        read(tmp_path)


@pytest.mark.parametrize('plugin', [StoragePlugin.SQLITE3, StoragePlugin.MCAP])
@pytest.mark.parametrize('keep', [0.0, 0.3, 0.9])
def test_a_cut_off_recording_is_called_damaged_not_a_crash(tmp_path, plugin, keep):
    path = bw.demonstration(NAMES, storage_plugin=plugin).write(tmp_path / 'bag')
    [storage] = [p for p in path.iterdir() if p.suffix in ('.db3', '.mcap')]
    data = storage.read_bytes()
    storage.write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(BagError, match=r'bag: (cannot be read|damaged)'):
        read(path)
