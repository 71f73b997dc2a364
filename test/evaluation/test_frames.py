# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Recordings with something wrong: what can be read is read, and the rest is told."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest
import recordings as bw
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.errors import BagError
from eipl_trt_ros.evaluation.frames import Frame, FrameReader, ReadSettings, first_stretch

DEFAULT = ReadSettings()


def read(path: Path, bundle: Bundle) -> tuple[list[Frame], FrameReader]:
    with FrameReader(path, bundle, DEFAULT) as reader:
        return list(reader.frames()), reader


def test_images_before_the_first_joints_are_dropped_by_name(sarnn: Bundle, tmp_path: Path) -> None:
    bag = bw.demonstration(sarnn.joint_names, joint_topic=None)
    for index in range(60):
        at = 0.5 + index / 100
        stamp = bw.START_NS + round(at * 1e9)
        message = bw.joint_message(sarnn.joint_names, bw.joints_at(at, 4), stamp)
        bag.add(stamp, '/joint_states', bw.JOINTS, message)
    frames, reader = read(bag.write(tmp_path / 'bag'), sarnn)
    assert len(frames) + sum(reader.dropped.values()) == 10
    assert reader.dropped['no joints'] == 4


def test_times_without_anything_in_common_are_explained(sarnn: Bundle, tmp_path: Path) -> None:
    bag = bw.demonstration(sarnn.joint_names, image_topic=None)
    stamp = bw.START_NS + 60_000_000_000
    bag.add(stamp, '/camera', bw.IMAGE, bw.image_message(bw.picture_at(0), stamp))
    path = bag.write(tmp_path / 'bag')
    with pytest.raises(
        BagError,
        match=r'none of the 1 images of /camera .*too far away.*: 1.* holds /camera .*1 messages\)'
        r', /joint_states .*120 messages',
    ):
        read(path, sarnn)


def test_a_gap_of_five_seconds_is_told_and_everything_around_it_read(
    sarnn: Bundle, tmp_path: Path
) -> None:
    bag = bw.demonstration(sarnn.joint_names)
    late = bw.demonstration(sarnn.joint_names)
    for log_ns, topic, kind, message in late.messages:
        message.header = bw.header(
            message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec + 6 * 10**9
        )
        bag.add(log_ns + 6 * 10**9, topic, kind, message)
    path = bag.write(tmp_path / 'bag')
    frames, reader = read(path, sarnn)
    assert len(frames) == 20
    [line] = reader.problems()
    assert line.startswith('1 gap(s) of 1 s or more without a frame, the longest 5.1 s after')
    assert len(first_stretch(path, sarnn, DEFAULT, frames=100)) == 10


def test_unordered_stamps_are_counted_and_left_out(sarnn: Bundle, tmp_path: Path) -> None:
    bag = bw.demonstration(sarnn.joint_names)
    order = [entry for entry in bag.messages if entry[1] == '/camera/image_raw']
    for earlier, later in ((2, 3), (6, 7)):
        first, second = order[earlier], order[later]
        bag.messages.remove(first)
        bag.messages.append((second[0] + 1, *first[1:]))
    stamp = bw.START_NS + 200_000_000
    message = bw.joint_message(sarnn.joint_names, bw.joints_at(0.2, 4), stamp)
    bag.add(stamp + 300_000_000, '/joint_states', bw.JOINTS, message)
    frames, reader = read(bag.write(tmp_path / 'bag'), sarnn)
    stamps = [frame.stamp_ns for frame in frames]
    assert stamps == sorted(stamps)
    assert reader.dropped == {'late': 2}
    assert [line.split(':')[0] for line in reader.problems()] == [
        '2 image(s) bear an older stamp than the image before',
        '1 joint message(s) bear an older stamp than before',
    ]


@pytest.mark.parametrize('mode', [CompressionMode.STORAGE, None])
def test_a_corrupt_chunk_is_told_and_what_can_be_read_counts(
    sarnn: Bundle, tmp_path: Path, mode: CompressionMode | None
) -> None:
    def compress(writer: Writer) -> None:
        if mode is not None:
            writer.set_compression(mode, CompressionFormat.ZSTD)

    bag = bw.demonstration(sarnn.joint_names, seconds=30.0, side=64)
    path = bag.write(tmp_path / 'bag', compress)
    whole, _ = read(path, sarnn)
    [storage] = path.glob('*.mcap')
    data = bytearray(storage.read_bytes())
    middle = len(data) * 3 // 5
    data[middle : middle + len(data) // 10] = bytes(len(data) // 10)
    storage.write_bytes(data)
    frames, reader = read(path, sarnn)
    assert 0 < len(frames) < len(whole)
    np.testing.assert_array_equal(frames[0].joints, whole[0].joints)
    assert 'damaged' in reader.problems()[0]


def test_images_that_a_recording_lacks_are_counted(sarnn: Bundle, tmp_path: Path) -> None:
    bag = bw.demonstration(sarnn.joint_names, storage_plugin=StoragePlugin.SQLITE3)
    path = bag.write(tmp_path / 'bag')
    [storage] = path.glob('*.db3')
    with sqlite3.connect(storage) as database:
        [(topic,)] = database.execute("SELECT id FROM topics WHERE name LIKE '%image%'")
        database.execute(
            'DELETE FROM messages WHERE id IN '
            '(SELECT id FROM messages WHERE topic_id = ? LIMIT 3 OFFSET 5)',
            (topic,),
        )
    frames, reader = read(path, sarnn)
    assert len(frames) == 7
    assert (
        'holds 10 images of /camera/image_raw, but 3 of them are not there'
        in (reader.problems()[0])
    )


def test_a_picture_that_cannot_be_decoded_costs_its_frame_only(
    sarnn: Bundle, tmp_path: Path
) -> None:
    bag = bw.demonstration(sarnn.joint_names)
    pictures = [entry[3] for entry in bag.messages if entry[1] == '/camera/image_raw']
    pictures[4].data = pictures[4].data[:10]
    frames, reader = read(bag.write(tmp_path / 'bag'), sarnn)
    assert len(frames) == 9
    assert reader.dropped == {'picture cannot be decoded': 1}
    assert '1 picture(s) left out: /camera/image_raw: the image with stamp' in reader.problems()[0]


def test_the_begin_is_cut_at_the_memory_that_its_pictures_may_take(
    sarnn: Bundle, bag: Path
) -> None:
    assert len(first_stretch(bag, sarnn, DEFAULT, frames=7)) == 7
    size = 32 * 32 * 3 / 1e6
    assert len(first_stretch(bag, sarnn, DEFAULT, frames=99, megabytes=3.5 * size)) == 3
    assert len(first_stretch(bag, sarnn, DEFAULT, frames=99, megabytes=0.0)) == 1
