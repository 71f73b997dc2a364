# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from builders import make_joints
from hypothesis import given
from hypothesis import strategies as st

from eipl_trt_ros.robot import JointSpec
from eipl_trt_ros.sync import DropCause, Synchronizer

MS = 1_000_000
START = 1_700_000_000 * 10**9
JOINTS = make_joints(4)  # joint1, joint2, joint3 and a gripper that is fed back
ARM = ('joint1', 'joint2', 'joint3')


def synchronizer(**settings) -> Synchronizer:
    return Synchronizer(JOINTS, rate_hz=10.0, **settings)


def positions_at(stamp: int) -> list[float]:
    """Joints that move at constant speeds, so interpolation gives them exactly."""
    seconds = (stamp - START) / 1e9
    return [0.5 * seconds, -0.25 * seconds, 0.1 + seconds]


def feed(sync: Synchronizer, begin: int, end: int, period: int = 10 * MS) -> None:
    for stamp in range(begin, end, period):
        sync.add_joints(stamp, ARM, positions_at(stamp))


def test_joints_are_interpolated_at_the_images_stamp():
    sync = synchronizer()
    feed(sync, START, START + 100 * MS)
    stamp = START + 42 * MS
    offer = sync.offer(stamp)
    assert offer.cause is None
    assert offer.interpolated
    assert not offer.reset
    assert offer.joint_stamp_ns == START + 40 * MS
    assert offer.joints[:3] == pytest.approx(positions_at(stamp), abs=1e-12)


def test_the_newest_joints_are_taken_where_none_came_after_the_image():
    sync = synchronizer()
    feed(sync, START, START + 100 * MS)
    offer = sync.offer(START + 110 * MS)
    assert offer.cause is None
    assert not offer.interpolated
    assert offer.joint_stamp_ns == START + 90 * MS
    assert list(offer.joints[:3]) == positions_at(START + 90 * MS)


@given(
    order=st.permutations(range(7)),
    values=st.lists(st.floats(-3, 3), min_size=7, max_size=7),
)
def test_joints_are_found_by_name_in_any_order_among_others(order, values):
    names = [*ARM, 'gripper', 'wheel_left', 'wheel_right', 'head']
    sync = synchronizer()
    sync.add_joints(START, [names[i] for i in order], [values[i] for i in order])
    offer = sync.offer(START)
    assert offer.cause is None
    assert list(offer.joints) == values[:4]


@given(split=st.lists(st.integers(0, 2), min_size=3, max_size=3))
def test_joints_may_come_in_parts_from_several_publishers(split):
    sync = synchronizer()
    for publisher in range(3):
        for stamp in (START + publisher * MS, START + 20 * MS + publisher * MS):
            own = [i for i in range(3) if split[i] == publisher]
            sync.add_joints(stamp, [ARM[i] for i in own], [positions_at(stamp)[i] for i in own])
    stamp = START + 10 * MS
    offer = sync.offer(stamp)
    assert offer.cause is None
    assert offer.interpolated
    assert offer.joints[:3] == pytest.approx(positions_at(stamp), abs=1e-12)


@pytest.mark.parametrize('nothing', [math.nan, math.inf, -math.inf, 1e39, -1e300])
def test_positions_that_are_no_numbers_are_passed_over(nothing):
    sync = synchronizer()
    sync.add_joints(START, ARM, [0.1, 0.2, 0.3])
    sync.add_joints(START + MS, ARM, [0.5, nothing, 0.7])
    offer = sync.offer(START + MS)
    assert list(offer.joints[:3]) == [0.5, 0.2, 0.7]


def test_a_message_without_positions_is_passed_over():
    sync = synchronizer()
    sync.add_joints(START, ARM, [])
    assert sync.offer(START).cause is DropCause.NO_JOINTS
    assert sync.missing_joints == ARM


def test_a_joint_that_is_fed_back_is_not_waited_for():
    sync = synchronizer()
    feed(sync, START, START + MS)
    offer = sync.offer(START)
    assert offer.cause is None
    assert math.isnan(offer.joints[3])


def test_an_image_without_joints_is_dropped_and_does_not_take_the_tick():
    sync = synchronizer()
    assert sync.offer(START).cause is DropCause.NO_JOINTS
    feed(sync, START, START + 100 * MS)
    assert sync.offer(START + 33 * MS).cause is None
    assert sync.counters[DropCause.NO_JOINTS] == 1
    assert sync.missed_ticks == 0


@given(distance=st.integers(0, 200))
def test_a_pair_wider_apart_than_the_slop_is_dropped(distance):
    sync = synchronizer(slop=0.08)
    feed(sync, START, START + MS)
    offer = sync.offer(START + distance * MS)
    assert offer.cause is (None if distance <= 80 else DropCause.SLOP)
    assert sync.counters[DropCause.SLOP] == int(distance > 80)


def test_one_joint_that_fell_silent_makes_images_drop():
    sync = synchronizer()
    sync.add_joints(START, ARM, [0, 0, 0])
    for stamp in range(START, START + 500 * MS, 10 * MS):
        sync.add_joints(stamp, ARM[:2], [0, 0])
    assert sync.offer(START + 400 * MS).cause is DropCause.SLOP


def test_joints_are_known_up_to_the_stamp_of_the_last_that_is_needed_or_driven():
    driven = JointSpec('driven', -1.0, 1.0, 'prediction', 'position', initial=0.0)
    sync = Synchronizer([*JOINTS[:2], driven, JOINTS[3]], rate_hz=10.0)
    sync.add_joints(START, ['joint1', 'gripper'], [0, 0])
    assert sync.newest_joints_ns is None  # of joint2 nothing is known
    sync.add_joints(START + 20 * MS, ['joint1', 'joint2'], [0, 0])
    assert sync.newest_joints_ns == START + 20 * MS  # "driven" is missing: engaging says so
    sync.add_joints(START + 10 * MS, ['driven'], [0])
    assert sync.newest_joints_ns == START + 10 * MS
    sync.add_joints(START + 30 * MS, ['joint1', 'joint2', 'driven'], [0, 0, 0])
    assert sync.newest_joints_ns == START + 30 * MS


def test_repeated_and_late_images_are_dropped_and_counted():
    sync = synchronizer()
    feed(sync, START, START + 500 * MS)
    stamps = [0, 0, 100, 90, 100, 200]
    causes = [sync.offer(START + stamp * MS).cause for stamp in stamps]
    assert causes == [
        None,
        DropCause.REPEATED,
        None,
        DropCause.LATE,
        DropCause.REPEATED,
        None,
    ]
    assert sync.counters[DropCause.REPEATED] == 2
    assert sync.counters[DropCause.LATE] == 1
    assert sync.accepted == 3


def test_images_between_two_ticks_are_not_losses():
    sync = synchronizer()
    feed(sync, START, START + 1000 * MS)
    causes = [sync.offer(START + i * 33_333_333).cause for i in range(28)]
    assert [i for i, cause in enumerate(causes) if cause is None] == list(range(0, 28, 3))
    assert sync.counters[DropCause.RATE] == 18
    assert sum(sync.counters.values()) == 18


@pytest.mark.parametrize('joints_first', [True, False])
def test_time_that_jumps_back_clears_what_was_there_and_asks_for_a_reset(joints_first):
    sync = synchronizer()
    feed(sync, START, START + 5000 * MS)
    for stamp in range(START, START + 5000 * MS, 100 * MS):
        assert sync.offer(stamp).cause is None
    if joints_first:
        feed(sync, START, START + 60 * MS)
    else:
        assert sync.offer(START).cause is DropCause.NO_JOINTS
        assert sync.offer(START + 10 * MS).reset  # until an image is accepted
        feed(sync, START, START + 60 * MS)
    offer = sync.offer(START + 33 * MS)
    assert offer.cause is None
    assert offer.reset
    assert offer.joints[:3] == pytest.approx(positions_at(START + 33 * MS), abs=1e-12)
    feed(sync, START + 60 * MS, START + 200 * MS)
    assert not sync.offer(START + 133 * MS).reset
    assert sync.jumps == 1
    assert sync.missed_ticks == 0


@given(
    st.lists(
        st.tuples(st.booleans(), st.integers(0, 10_000), st.sampled_from(['', 'joint2', 'all'])),
        max_size=80,
    )
)
def test_each_image_is_a_frame_or_counted_by_cause_whatever_the_stamps(messages):
    sync = synchronizer()
    images = 0
    frames: list[tuple[int, bool]] = []
    for is_image, milliseconds, which in messages:
        stamp = START + milliseconds * MS
        if is_image:
            images += 1
            offer = sync.offer(stamp)
            if offer.cause is None:
                assert np.isfinite(offer.joints[:3]).all()
                assert abs(offer.joint_stamp_ns - stamp) <= 50 * MS
                frames.append((stamp, offer.reset))
        else:
            names = {'': (), 'joint2': ('joint2',), 'all': ARM}[which]
            sync.add_joints(stamp, names, [0.5] * len(names))
    assert images == sync.accepted + sum(sync.counters.values())
    for (before, _), (stamp, reset) in pairwise(frames):
        assert reset or stamp > before
    assert sync.jumps >= sum(reset for _, reset in frames)


def test_only_a_due_image_ahead_of_its_joints_is_worth_waiting_for():
    sync = synchronizer()
    assert sync.worth_waiting(START)
    feed(sync, START, START + 50 * MS)
    assert not sync.worth_waiting(START + 40 * MS)
    assert sync.worth_waiting(START + 41 * MS)
    assert sync.offer(START + 41 * MS).cause is None
    assert not sync.worth_waiting(START + 41 * MS)  # repeated
    assert not sync.worth_waiting(START + 60 * MS)  # not due
    assert sync.worth_waiting(START + 141 * MS)
    assert sync.newest_joints_ns == START + 40 * MS


def test_ever_new_lists_of_names_do_not_pile_up():
    sync = synchronizer()
    for i in range(1000):
        sync.add_joints(START + i, [*ARM, f'extra{i}'], [0.0] * 4)
    assert sync.offer(START + 999).cause is None
    assert len(sync._plans) <= 64
