# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from eipl_trt_ros.sim.positions import SIDES, draw_area
from eipl_trt_ros.sim.side_report import (
    changes,
    side_of_result,
    side_summary,
    side_table,
    taken_over,
)
from eipl_trt_ros.sim.success import Attempt, Result, Variant

ALONE = Variant('left', 'onnxruntime', 'fp32', 1.0)
TOGETHER = Variant('left', 'onnxruntime', 'fp32', 1.0, arbiter='image')
# the first two unseen places are on the right, the next two on the left
RIGHT, LEFT = 0, 2


def result(variant, index, lifted, drivers=(), area='unseen') -> Result:
    joints = np.zeros((4, 8), np.float32)
    return Result(Attempt(variant, area, index), lifted, 0.001, joints, 'a digest', drivers)


def test_the_side_of_a_result_is_that_of_its_cube():
    for index, place in enumerate(draw_area('unseen', 8)):
        side = side_of_result(result(ALONE, index, True))
        assert side == SIDES[0 if place.y > 0 else 1]
    assert side_of_result(result(ALONE, RIGHT, True)) == 'right'
    assert side_of_result(result(ALONE, LEFT, True)) == 'left'


@pytest.mark.parametrize(
    ('drivers', 'frame', 'count'),
    [
        ('left left right right', 2, 1),
        ('right right right right', 0, 0),
        ('right left right right', 2, 2),
        ('right right right left', None, 1),
        ('left left left left', None, 0),
    ],
)
def test_a_model_has_taken_over_when_no_other_drives_until_the_end(drivers, frame, count):
    found = result(TOGETHER, RIGHT, True, tuple(drivers.split()))
    assert taken_over(found) == frame
    assert changes(found) == count


def test_the_table_counts_by_side_and_tells_who_drove():
    late, never = ('left', 'left', 'right', 'right'), ('left',) * 4
    results = [result(ALONE, LEFT, True), result(ALONE, RIGHT, False)]
    results += [result(TOGETHER, RIGHT, True, late), result(TOGETHER, RIGHT + 1, False, never)]
    results += [result(TOGETHER, LEFT, True, never), result(TOGETHER, 0, False, area='outside')]
    rows = side_table(results).splitlines()[2:]
    assert rows == [
        '| left | fp32 | 1 | 1/1 (21% to 100%) | 0/1 (0% to 79%) | - | - | - |',
        '| all, by image, left first | fp32 | 1 | 1/1 (21% to 100%) | 1/2 (9% to 91%) '
        '| 2/3 | 1, at most 2 | 0.3, at most 1 |',
    ]
    right = side_summary(results)[-1]
    assert (right['side'], right['lifted']) == ('right', '10')
    assert (right['taken_over'], right['changes']) == ([2, None], [1, 0])
