# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Many recordings: one after another, in processes, and on a real local Dask cluster."""

from __future__ import annotations

import numpy as np
import pytest
import recordings as bw

from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.errors import EvaluationError
from eipl_trt_ros.evaluation.configurations import configurations
from eipl_trt_ros.evaluation.fleet import LOCAL, run_tasks
from eipl_trt_ros.evaluation.task import BagOutcome, Task


@pytest.fixture(scope='module')
def tasks(tmp_path_factory: pytest.TempPathFactory, sarnn: Bundle) -> list[Task]:
    """Make tasks of three recordings; the second cannot be read."""
    folder = tmp_path_factory.mktemp('bags')
    names = sarnn.joint_names
    bags = [
        bw.demonstration(names, seconds=1.0).write(folder / 'one'),
        bw.demonstration(names, image_topic=None).write(folder / 'blind'),
        bw.demonstration(names, seconds=1.5).write(folder / 'two'),
    ]
    wanted = configurations('onnxruntime', ('fp32',), None)
    return [
        Task(bag, (sarnn.path,), wanted, pictures=index == 0) for index, bag in enumerate(bags)
    ]


@pytest.fixture(scope='module')
def expected(tasks: list[Task]) -> list[BagOutcome]:
    return run_tasks(tasks)


def check(found: list[BagOutcome], expected: list[BagOutcome]) -> None:
    assert [outcome.bag for outcome in found] == [outcome.bag for outcome in expected]
    for one, other in zip(found, expected, strict=True):
        assert one.sha256 == other.sha256
        assert [part.error for part in one.bundles] == [part.error for part in other.bundles]
        for run, same in zip(one.bundles[0].passes, other.bundles[0].passes, strict=True):
            np.testing.assert_array_equal(run.predicted, same.predicted)
            assert run.digests == same.digests


def test_a_recording_that_cannot_be_read_costs_itself_only(
    tasks: list[Task], expected: list[BagOutcome]
) -> None:
    one, blind, two = (outcome.bundles[0] for outcome in expected)
    assert one.passes[0].frames == 10
    assert two.passes[0].frames == 15
    assert blind.passes == ()
    assert 'no image topic' in blind.error
    assert len(one.passes[0].strip.pairs) == 10
    assert two.passes[0].strip.pairs == []  # only the first one's pictures are shown


def test_processes_give_the_same(tasks: list[Task], expected: list[BagOutcome]) -> None:
    told: list[float] = []
    check(run_tasks(tasks, jobs=2, progress=told.append), expected)
    assert told[-1] == 1.0


def test_a_local_dask_cluster_gives_the_same(
    tasks: list[Task], expected: list[BagOutcome]
) -> None:
    pytest.importorskip('distributed', reason='pip install distributed')
    check(run_tasks(tasks, jobs=2, dask=LOCAL), expected)


def test_a_scheduler_that_does_not_answer_is_named(tasks: list[Task]) -> None:
    pytest.importorskip('distributed', reason='pip install distributed')
    with pytest.raises(EvaluationError, match=r'no Dask scheduler answers at nonsense'):
        run_tasks(tasks, dask='nonsense://nowhere')
