# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from std_msgs.msg import Int64MultiArray

from eipl_trt_ros.backends import StepTimes
from eipl_trt_ros.errors import InputError
from eipl_trt_ros.nodes.frame_timing import FIELDS, FrameTiming, TimingMessage, decode, encode

integers = st.integers(-(2**63), 2**63 - 1)


@given(st.lists(integers, min_size=len(FIELDS), max_size=len(FIELDS)))
def test_a_timing_survives_the_message_to_the_nanosecond(values):
    timing = FrameTiming(*values)
    assert decode(encode(timing)) == timing


def test_the_label_names_the_fields_for_readers_without_this_module():
    message = encode(FrameTiming(*range(len(FIELDS))))
    (dimension,) = message.layout.dim
    names = dimension.label.split(',')
    assert dimension.size == len(names) == len(message.data)
    assert dict(zip(names, message.data, strict=True))['infer'] == FIELDS.index('infer')


def test_the_message_written_in_place_holds_every_step():
    steps = StepTimes()
    for index, name in enumerate(StepTimes.STEPS):
        setattr(steps, name, 100 + index)
    writer = TimingMessage()
    times = {name: index for index, name in enumerate(FIELDS[:8])}
    timing = decode(writer.write(steps=steps, **times))
    assert timing == FrameTiming(*range(8), *range(100, 109))
    assert timing.motion_total == sum(range(100, 105))
    assert timing.receive_to_command == times['commanded'] - times['received']


def test_another_array_is_refused():
    with pytest.raises(InputError, match='no frame timing'):
        decode(Int64MultiArray(data=[1, 2, 3]))
