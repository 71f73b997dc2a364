# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One configuration of a bundle over one recording."""

from __future__ import annotations

from pathlib import Path

from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.evaluation.configurations import Configuration, open_lineup
from eipl_trt_ros.evaluation.offline import Pass, PassSettings, run_passes


def run_offline(bundle: Bundle, bag: Path, settings: PassSettings) -> Pass:
    """Run the configuration over the recording, with nothing beside it."""
    wanted = [Configuration(settings.backend, settings.precision)]
    with open_lineup(bundle, wanted, threads=settings.threads) as lineup:
        return run_passes(bundle, bag, lineup, settings.reading)[0]
