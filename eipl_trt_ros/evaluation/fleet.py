# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Many recordings at once: in processes of this machine, or as tasks of a Dask cluster.

Only accuracy is evaluated so. Times and energy are measured afterwards, with nothing beside them.
"""

from __future__ import annotations

import contextlib
import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Any

from eipl_trt_ros.errors import EvaluationError, require
from eipl_trt_ros.evaluation.task import BagOutcome, Task, evaluate_bag
from eipl_trt_ros.progress import Progress, part_of, untold

LOCAL = 'local'
"""Instead of a scheduler's address: a Dask cluster of processes of this machine."""


def run_tasks(
    tasks: Sequence[Task], *, jobs: int = 1, dask: str = '', progress: Progress = untold
) -> list[BagOutcome]:
    """
    Run tasks.

    Args:
        tasks: one a recording.
        jobs: how many processes of this machine share the work.
        dask: address of a Dask scheduler whose workers do it instead, such as
            ``tcp://host:8786``; they must see recordings and bundles under the same paths. Or
            `LOCAL`. Empty for no Dask.
        progress: told the share that is done.

    Returns:
        The outcomes, in the order of the tasks.

    Raises:
        MissingPackageError: ``distributed`` is not installed.
        EvaluationError: the cluster cannot be reached, or lost a task.

    """
    if dask:
        return _with_dask(tasks, jobs, dask, progress)
    if jobs > 1 and len(tasks) > 1:
        return _with_processes(tasks, jobs, progress)
    outcomes = []
    for index, task in enumerate(tasks):
        outcomes.append(evaluate_bag(task, part_of(progress, index, len(tasks))))
    return outcomes


def _with_processes(tasks: Sequence[Task], jobs: int, progress: Progress) -> list[BagOutcome]:
    # spawned, not forked: a fork would take over half a CUDA context, or a held lock
    context = multiprocessing.get_context('spawn')
    with ProcessPoolExecutor(min(jobs, len(tasks)), mp_context=context) as pool:
        futures = [pool.submit(evaluate_bag, task) for task in tasks]
        for done, _ in enumerate(as_completed(futures), 1):
            progress(done / len(tasks))
        return [future.result() for future in futures]


def _with_dask(
    tasks: Sequence[Task], jobs: int, address: str, progress: Progress
) -> list[BagOutcome]:
    distributed: Any = require(
        'distributed', install='pip install distributed', needed_for='--dask'
    )
    with _client(distributed, jobs, address) as client:
        # pure=False: a recording may have changed since an earlier run of the same cluster
        futures = client.map(evaluate_bag, tasks, pure=False, retries=1)
        for done, _ in enumerate(distributed.as_completed(futures), 1):
            progress(done / len(tasks))
        try:
            return list(client.gather(futures))
        except Exception as error:  # whatever a worker met, such as its own death
            msg = f'the Dask cluster {address} lost a task: {type(error).__name__}: {error}'
            raise EvaluationError(msg) from error


@contextlib.contextmanager
def _client(distributed: Any, jobs: int, address: str) -> Iterator[Any]:
    with contextlib.ExitStack() as stack:
        if address == LOCAL:
            cluster = stack.enter_context(
                distributed.LocalCluster(
                    n_workers=jobs, threads_per_worker=1, dashboard_address=None
                )
            )
            address = cluster.scheduler_address
        try:
            client = distributed.Client(address, timeout='10s')
        except (OSError, TimeoutError, ValueError) as error:
            msg = (
                f'no Dask scheduler answers at {address}: {error}; start one with: dask scheduler'
            )
            raise EvaluationError(msg) from error
        yield stack.enter_context(client)
