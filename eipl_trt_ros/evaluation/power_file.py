# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a `power_node` measured of a robot in service, for the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eipl_trt_ros.energy.measurement import read_measurement
from eipl_trt_ros.files import sha256_of


@dataclass(frozen=True)
class PowerFile:
    """
    The file of a measurement.

    Attributes:
        file: where it is.
        sha256: of the file.
        measurement: what it holds; docs/energy.md describes the keys.

    """

    file: Path
    sha256: str
    measurement: Mapping[str, Any]


def read_power_file(path: Path) -> PowerFile:
    """
    Read the file of a measurement.

    Raises:
        EnergyError: see `read_measurement`.

    """
    measurement = read_measurement(path)
    return PowerFile(path, sha256_of(path), measurement)
