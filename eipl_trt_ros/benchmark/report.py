# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One whole run of the benchmark, as data that goes to a file and comes back from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from eipl_trt_ros.benchmark.cases import MOTION, MOTION_AND_IMAGE
from eipl_trt_ros.benchmark.measure import Timing
from eipl_trt_ros.benchmark.roofline import (
    ORIN_NANO,
    PAPER_MS,
    Ceilings,
    describe_share,
    work_of,
)
from eipl_trt_ros.bundle import Bundle


def run_record(bundle: Bundle, threads: int, timings: Mapping[str, Timing]) -> dict[str, Any]:
    """Return one model with one number of threads, for the file."""
    return {
        'model': bundle.name,
        'type': bundle.model.type,
        'threads': threads,
        'timings': {name: asdict(timing) for name, timing in timings.items()},
    }


def roofline_lines(
    bundle: Bundle, ceilings: Ceilings, timings: Mapping[str, Timing]
) -> Sequence[str]:
    """
    Write how far a model is from the floor: here, and on the paper's board.

    Args:
        bundle: the model.
        ceilings: of this machine, with the threads of the timings.
        timings: by case.

    """
    motion, whole = work_of(bundle, 'motion'), work_of(bundle, 'motion') + work_of(bundle, 'image')
    lines = [
        describe_share(f'{title}, here', work, ceilings, timings[case].median)
        for title, work, case in (
            ('motion', motion, MOTION),
            ('motion and image', whole, MOTION_AND_IMAGE),
        )
        if case in timings
    ]
    for precision, milliseconds in PAPER_MS[bundle.model.type].items():
        title = f"whole, the paper's TensorRT {precision} on Orin Nano 4GB"
        lines.append(describe_share(title, whole, ORIN_NANO[precision], milliseconds))
    return lines
