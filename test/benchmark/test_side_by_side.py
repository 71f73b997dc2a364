# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

from builders import write_random_bundle
from rich.console import Console

from eipl_trt_ros.backends import Backend, SharedInputs, load_backend
from eipl_trt_ros.benchmark.side_by_side import Together, time_together
from eipl_trt_ros.benchmark.tables import together_table


def test_each_number_of_models_has_its_times_with_and_without_sharing(tmp_path: Path) -> None:
    """On the processor, where sharing changes nothing."""
    bundle, opened = write_random_bundle(tmp_path), []

    def open_backend(shared: SharedInputs | None) -> Backend:
        opened.append(shared is not None)
        return load_backend(bundle, 'onnxruntime', shared=shared)

    found = time_together(bundle, open_backend, frames=5, counts=(1, 3))
    assert [(one.count, one.shared) for one in found] == [(1, False), (3, False), (3, True)]
    assert sorted(opened) == [False] * 3 + [True] * 3
    for one in found[1:]:
        assert 0 < one.command < one.frame
        assert one.frame > 1.5 * found[0].frame


def test_the_table_tells_what_one_more_model_costs() -> None:
    times = [
        Together(1, shared=False, command=70.0, frame=71.0),
        Together(4, shared=True, command=72.0, frame=251.0),
    ]
    console = Console(width=100, record=True)
    console.print(together_table('cnnrnn, fp32', times))
    rows = [line.split() for line in console.export_text().splitlines()]
    assert ['1', '│', 'own', '│', '70.0', '│', '71.0', '│'] in [row[1:-1] for row in rows]
    assert ['4', '│', 'shared', '│', '72.0', '│', '251.0', '│', '60.0'] in [
        row[1:-1] for row in rows
    ]
