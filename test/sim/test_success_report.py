# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eipl_trt_ros.sim.success import Attempt, Result, Variant
from eipl_trt_ros.sim.success_report import (
    compare,
    comparison_table,
    sign_test,
    success_table,
    summary,
    wilson,
)

FP32 = Variant('sarnn', 'onnxruntime', 'fp32', 1.0)
INT8 = Variant('sarnn', 'onnxruntime', 'int8', 1.0)


def result(variant, index, lifted, area='unseen', turned=0.0) -> Result:
    joints = np.zeros((4, 8), np.float32)
    joints[2, 3] = turned
    joints[3, 7] = float(lifted)  # the gripper is no joint of the arm
    return Result(Attempt(variant, area, index), lifted, 0.001, joints, 'a digest')


@given(st.integers(1, 200).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_ends_of_the_interval_are_the_rates_that_the_result_is_just_unlikely_for(counts):
    successes, trials = counts
    rate = successes / trials
    low, high = wilson(successes, trials)
    assert 0 <= low <= rate + 1e-12
    assert rate - 1e-12 <= high <= 1
    for end in (low, high):
        # Wilson: the distance of the rate from the end is 1.96 of the end's own deviations
        distance = 1.959964 * np.sqrt(end * (1 - end) / trials)
        assert abs(rate - end) == pytest.approx(distance, abs=1e-6)


def test_nothing_is_known_without_a_trial():
    assert wilson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(
    ('lost', 'gained', 'p'), [(0, 0, 1.0), (1, 1, 1.0), (5, 0, 2 / 32), (1, 5, 14 / 64)]
)
def test_the_sign_test_is_the_exact_binomial(lost, gained, p):
    assert sign_test(lost, gained) == pytest.approx(p)


def test_precisions_are_compared_at_the_places_that_both_tried():
    results = [result(FP32, i, lifted) for i, lifted in enumerate([True, True, False, True])]
    results += [result(INT8, 0, True, turned=0.25), result(INT8, 2, True), result(INT8, 1, False)]
    (found,) = compare(results)
    assert found.variant == INT8
    assert found.places == 3
    assert found.lost == ('unseen 1',)
    assert found.gained == ('unseen 2',)
    np.testing.assert_allclose(found.apart, [0.25, 0.0, 0.0])
    assert '| 3 | 1 (unseen 1) | 1 (unseen 2) | 1 | 0 mrad, at most 250 |' in comparison_table(
        results
    )


def test_rows_do_not_depend_on_what_was_done_first():
    engine = Variant('sarnn', 'tensorrt', 'fp32', 1.0)
    done = [result(engine, 0, True), result(INT8, 0, True), result(FP32, 0, True)]
    rows = [row.split(' | ')[1] for row in success_table(done).splitlines()[2:]]
    assert rows == ['fp32', 'int8', 'fp32 on tensorrt']
    assert [found.variant for found in compare(done)] == [INT8, engine]


def test_the_table_counts_by_area():
    results = [result(FP32, i, True, 'seen') for i in range(4)]
    results += [result(FP32, i, i > 0) for i in range(4)] + [result(FP32, 0, False, 'outside')]
    row = success_table(results).splitlines()[-1]
    assert row == (
        '| sarnn | fp32 | 1 | 4/4 (51% to 100%) | 3/4 (30% to 95%) | 7/8 (53% to 98%) '
        '| 0/1 (0% to 79%) | 1.0 mm |'
    )
    assert summary(results)['variants'][0]['areas']['unseen']['lifted'] == '0111'
