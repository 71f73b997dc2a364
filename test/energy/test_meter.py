# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The paper's method to the letter, and the shares of several predictors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eipl_trt_ros.energy.frames import FrameLedger, FrameSpan, busy_ns, covered_ns
from eipl_trt_ros.energy.history import History, PowerSample, Trace
from eipl_trt_ros.energy.meter import measure, paper_energy
from eipl_trt_ros.errors import EnergyError

S = 1_000_000_000
MS = 1_000_000
# table 7 of the paper: mean power in mW, total energy in mJ, energy per frame in mJ
TABLE_7 = [
    (7219, 397_395, 42),
    (6689, 234_353, 26),
    (6490, 259_854, 28),
    (6218, 180_513, 20),
    (6350, 152_544, 17),
    (5934, 136_619, 16),
    (6601, 297_334, 32),
    (6622, 265_167, 29),
    (6429, 250_989, 28),
]


def trace_of(power: list[float], interval_ns: int = S) -> Trace:
    stamps = np.arange(len(power), dtype=np.int64) * interval_ns
    return Trace(stamps, np.array(power, float), np.full(len(power), np.nan))


def history_of(power: list[float], interval_ns: int = S, **rails: float) -> History:
    history = History()
    for index, value in enumerate(power):
        history.add(PowerSample(index * interval_ns, value, rails))
    return history


def ledger_of(*spans: tuple[int, int], computed: int | None = None) -> FrameLedger:
    ledger = FrameLedger()
    for number, (start, stop) in enumerate(spans):
        ledger.add(FrameSpan(start, number, start, stop, computed or stop - start))
    return ledger


@pytest.mark.parametrize(('power', 'total', 'per_frame'), TABLE_7)
def test_the_papers_table_7_follows_from_its_own_formulas(power, total, per_frame):
    elapsed = total / power + 3  # of 10,000 frames; the paper does not print it
    trace = trace_of([1.0, 2.0, 3.0] + [power] * 70)
    energy = paper_energy(trace, 0, round(elapsed * 1e9), elapsed / 10_000)
    assert energy.mean_power_mw == power
    assert energy.total_energy_mj == pytest.approx(total, abs=0.01)
    assert abs(energy.energy_per_frame_mj - per_frame) <= 1


@given(st.lists(st.floats(1, 1e5), min_size=5, max_size=50), st.floats(1e-4, 1))
def test_the_first_three_seconds_are_dropped_whatever_they_hold(power, per_frame):
    kept = power[3:]
    energy = paper_energy(trace_of(power), 0, (len(power) - 1) * S, per_frame)
    assert energy.samples == len(kept)
    assert energy.mean_power_mw == pytest.approx(sum(kept) / len(kept))
    assert energy.seconds == len(power) - 1 - 3
    assert energy.total_energy_mj == pytest.approx(energy.mean_power_mw * energy.seconds)
    assert energy.energy_per_frame_mj == pytest.approx(energy.mean_power_mw * per_frame)


@pytest.mark.parametrize('interval', [0.02, 0.1, 0.503, 0.997, 1.0, 1.003])
def test_the_papers_samples_are_one_a_second_however_often_power_is_read(interval):
    rng = np.random.default_rng(5)
    steps = interval * rng.uniform(0.99, 1.01, round(40 / interval))
    stamps = np.round(np.cumsum(steps) * 1e9).astype(np.int64)
    power = rng.uniform(1_000, 9_000, len(stamps))
    trace = Trace(stamps, power, np.full(len(stamps), np.nan))
    energy = paper_energy(trace, 0, 33 * S, 0.01)
    settled = power[trace.between(3 * S, 33 * S)]
    assert 29 <= energy.samples <= 31
    assert settled.min() < energy.mean_power_mw < settled.max()


def test_of_several_readings_the_paper_takes_the_ones_at_the_full_seconds():
    power = [5_000.0 if tenth % 10 == 0 else 90_000.0 for tenth in range(101)]
    energy = paper_energy(trace_of(power, S // 10), 0, 10 * S, 0.01)
    assert (energy.mean_power_mw, energy.samples) == (5_000, 8)


def test_a_run_within_the_warm_up_has_no_energy():
    with pytest.raises(EnergyError, match='no longer than the warm-up of 3 s'):
        paper_energy(trace_of([1.0] * 9), 0, 3 * S, 0.01)
    with pytest.raises(EnergyError, match='no power sample'):
        paper_energy(trace_of([1.0] * 3), 0, 4 * S, 0.01)


@given(st.integers(1, 50), st.floats(100, 1e5))
def test_both_methods_agree_where_frames_run_back_to_back(frames, power):
    length = 10 * S // frames
    spans = [(i * length, (i + 1) * length) for i in range(frames)]
    report = measure(history_of([power] * 11), {'a': ledger_of(*spans)}, 0, 10 * S, 3 * S)
    of_a = report.predictors['a']
    assert of_a.paper_energy_per_frame_mj == pytest.approx(power * length / 1e9)
    assert of_a.integrated_energy_per_frame_mj == pytest.approx(power * 10 / frames)
    assert of_a.paper_energy_per_frame_mj == pytest.approx(
        of_a.integrated_energy_per_frame_mj, rel=1e-6
    )
    assert of_a.frames_per_joule == pytest.approx(frames / (power * 10 / 1000))


def test_idle_time_between_frames_is_in_the_integrated_figure_only():
    spans = [(i * 100 * MS, i * 100 * MS + 10 * MS) for i in range(1, 100)]
    report = measure(
        history_of([8_000.0] * 11), {'a': ledger_of(*spans, computed=8 * MS)}, 0, 10 * S, 3 * S
    )
    of_a = report.predictors['a']
    assert of_a.frames == 99
    assert of_a.paper_energy_per_frame_mj == pytest.approx(8_000 * 0.008)
    assert of_a.integrated_energy_per_frame_mj == pytest.approx(80_000 / 99)
    assert of_a.share == 1
    assert of_a.overlap == 1


def test_two_predictors_that_take_turns_share_by_busy_time():
    a = ledger_of(*[(i * S, i * S + 300 * MS) for i in range(10)])
    b = ledger_of(*[(i * S + 500 * MS, i * S + 600 * MS) for i in range(10)])
    report = measure(history_of([4_000.0] * 11), {'a': a, 'b': b}, 0, 10 * S, 3 * S)
    of_a, of_b = report.predictors['a'], report.predictors['b']
    assert (of_a.share, of_b.share) == (pytest.approx(0.75), pytest.approx(0.25))
    assert of_a.overlap == of_b.overlap == 1
    assert of_a.integrated_energy_per_frame_mj == pytest.approx(3_000)
    assert of_b.integrated_energy_per_frame_mj == pytest.approx(1_000)
    assert of_a.paper_energy_per_frame_mj == pytest.approx(4_000 * 0.3)


def test_two_predictors_that_run_at_once_do_not_pay_twice_for_the_same_second():
    spans = [(i * S, (i + 1) * S) for i in range(10)]
    ledgers = {'a': ledger_of(*spans), 'b': ledger_of(*spans)}
    report = measure(history_of([4_000.0] * 11), ledgers, 0, 10 * S, 3 * S)
    for of_one in report.predictors.values():
        assert of_one.overlap == 0.5
        assert of_one.paper_energy_per_frame_mj == pytest.approx(2_000)
        assert of_one.integrated_energy_per_frame_mj == pytest.approx(2_000)


spans_of_frames = st.lists(
    st.tuples(st.integers(0, 1000), st.integers(1, 100)).map(lambda p: (p[0], p[0] + p[1])),
    max_size=30,
)


@given(st.lists(spans_of_frames, min_size=1, max_size=4), st.integers(0, 500), st.integers(1, 600))
def test_shares_add_up_to_one_and_busy_time_is_counted_tick_by_tick(per_predictor, begin, length):
    end = begin + length
    frames = [FrameSpan(a, 0, a, b, b - a) for spans in per_predictor for a, b in spans]
    ticks = range(begin, end)
    counts = [sum(f.started_ns <= t < f.finished_ns for f in frames) for t in ticks]
    assert busy_ns(frames, begin, end) == sum(counts)
    assert covered_ns(frames, begin, end) == sum(map(bool, counts))
    ledgers = {}
    for index, spans in enumerate(per_predictor):
        ledgers[str(index)] = ledger_of(*sorted(spans, key=lambda span: span[1]))
    report = measure(history_of([5.0] * 3, 1000), ledgers, begin, end, 1000)
    if report.predictors:
        shares = [of_one.share for of_one in report.predictors.values()]
        assert sum(shares) == pytest.approx(1)


def test_frames_that_were_not_heard_of_are_counted():
    ledger = FrameLedger()
    for number, finished in [(5, 1), (6, 2), (9, 3), (1, 4)]:  # 7, 8; after a reset 0
        ledger.add(FrameSpan(0, number, finished - 1, finished, 1))
    assert ledger.missed(0, 3) == 2
    assert ledger.missed(0, 4) == 3
    ledger.forget_before(4)
    ledger.add(FrameSpan(0, 2, 4, 5, 1))
    assert ledger.missed(0, 5) == 1


def test_the_achieved_interval_and_the_rails_are_reported():
    history = History()
    for stamp in (0, 1, 2, 4):
        history.add(PowerSample(stamp * S, 5_000.0 + stamp, {'SOC': 100.0 * stamp}))
    report = measure(history, {}, 0, 4 * S, 3 * S)
    assert report.interval_seconds == pytest.approx(4 / 3)
    assert report.longest_interval_seconds == 2
    assert (report.lowest_power_mw, report.highest_power_mw) == (5_000, 5_004)
    assert report.rails_mw == {'SOC': 175}
    assert report.method == 'integral of power'
    assert report.predictors == {}


def test_a_counter_goes_before_the_integral():
    history = History()
    for stamp in range(5):
        history.add(PowerSample(stamp * S, 5_000.0, energy_mj=1e9 + 6_000 * stamp))
    report = measure(history, {}, 0, 4 * S, 3 * S)
    assert report.method == 'energy counter'
    assert report.energy.energy_mj == 24_000
    assert report.integral is not None
    assert report.integral.energy_mj == 20_000
    assert report.mean_power_mw == 5_000


def test_a_source_with_a_counter_alone_has_no_figure_of_the_papers():
    history = History()
    for stamp in range(5):
        history.add(PowerSample(stamp * S, None, energy_mj=6_000.0 * stamp))
    report = measure(history, {'a': ledger_of((0, S))}, 0, 4 * S, 3 * S)
    assert report.mean_power_mw is None
    assert report.integral is None
    assert report.predictors['a'].paper_energy_per_frame_mj is None
    assert report.predictors['a'].integrated_energy_per_frame_mj == 24_000
