# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
import time
from io import StringIO

import numpy as np
import pytest
from builders import SPECS, write_random_bundle
from rich.console import Console

from eipl_trt_ros.benchmark.cases import CASES, COMPILED
from eipl_trt_ros.benchmark.measure import make_inputs, measure, time_bundle
from eipl_trt_ros.benchmark.tables import table_of
from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.errors import MissingPackageError


class Sleeper:
    """A case of known length; it notes the order of calls."""

    def __init__(self, name: str, seconds: float, calls: list[str]) -> None:
        self.name = name
        self._seconds = seconds
        self._calls = calls

    def frame(self, picture: object, joints: object) -> object:
        self._calls.append(self.name)
        time.sleep(self._seconds)
        return picture, joints

    def overhead(self) -> float:
        return math.nan if self.name == 'a' else 0.25

    def close(self) -> None:
        pass


@pytest.fixture(scope='module')
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return write_random_bundle(tmp_path_factory.mktemp('cnnrnn'), SPECS['cnnrnn'])


def test_cases_run_in_turn_and_are_compared_with_the_first() -> None:
    calls: list[str] = []
    cases = [Sleeper('a', 0.02, calls), Sleeper('b', 0.002, calls)]
    inputs = np.zeros((3, 2, 2, 3), np.uint8), np.zeros((3, 1))
    found = measure(cases, *inputs, frames=6, warm_up=2)
    assert len(calls) == 16
    assert all(set(calls[i : i + 2]) == {'a', 'b'} for i in range(0, 16, 2))
    assert calls[4:8] == ['a', 'b', 'b', 'a']
    assert found['a'].ratio == 1
    assert found['b'].ratio > 1
    assert found['a'].median >= 20
    assert found['b'].q1 <= found['b'].median <= found['b'].q3 <= found['b'].p99
    assert (found['a'].overhead, found['b'].overhead) == (None, 0.25)


def test_inputs_are_pictures_and_joints_within_their_bounds() -> None:
    low, high = np.array([-1.0, 0.0]), np.array([1.0, 0.5])
    pictures, joints = make_inputs(5, (24, 32), (low, high))
    assert pictures.shape == (5, 24, 32, 3)
    assert pictures.std() > 5
    assert joints.shape == (5, 2)
    assert ((joints > low) & (joints < high)).all()
    assert (joints.std(axis=0) > 0).all()


def test_every_case_runs_on_a_real_bundle(bundle: Bundle) -> None:
    timings, missing = time_bundle(bundle, frames=15, threads=1, without=[COMPILED])
    left_out = {note.split(':', maxsplit=1)[0] for note in missing}
    assert left_out <= {'EIPL export, OpenVINO'}  # an extra of the benchmark, not of the tests
    assert list(timings) == [name for name in CASES if name not in (COMPILED, *left_out)]
    motion, whole = timings['ours, motion only'], timings['ours, motion and image']
    assert 0 < motion.median < whole.median
    assert motion.overhead is not None
    screen = StringIO()
    Console(file=screen, width=80).print(table_of(bundle.name, timings))
    for name in timings:
        assert name in screen.getvalue()


def test_a_case_without_its_package_is_left_out_and_named(bundle: Bundle) -> None:
    def no_torch(name: str, bundle: Bundle, threads: int) -> None:
        msg = 'needs torch: pip install torch'
        raise MissingPackageError(msg)

    some = {'first': no_torch, 'ours, motion only': CASES['ours, motion only']}
    timings, missing = time_bundle(bundle, frames=3, threads=1, makers=some)
    assert list(timings) == ['ours, motion only']
    assert missing == ('first: needs torch: pip install torch',)
