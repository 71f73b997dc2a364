# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from eipl_trt_ros.evaluation.strip import Strip


@given(limit=st.integers(2, 9), count=st.integers(1, 80))
def test_a_long_recording_keeps_an_even_choice_of_its_pictures(limit: int, count: int) -> None:
    strip = Strip(limit=limit)
    for index in range(count):
        picture = np.full((1, 1, 3), index, np.uint8)
        strip.add(picture, picture)
    kept = [int(camera[0, 0, 0]) for camera, _ in strip.pairs]
    assert kept == list(strip.frames) == list(range(0, count, strip.stride))
    assert len(kept) <= limit
    assert strip.newest is not None
    assert strip.newest[0][0, 0, 0] == count - 1
