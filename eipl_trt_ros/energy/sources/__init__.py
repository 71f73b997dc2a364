# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Power sources, by name; nothing that one of them needs is imported before it is chosen."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from eipl_trt_ros.energy.sources.auto import AutoSource
from eipl_trt_ros.energy.sources.base import (
    Backoff,
    PowerSource,
    SourceInfo,
    SourceState,
    SourceStatus,
)
from eipl_trt_ros.energy.sources.ina3221 import Ina3221Source, find_sensors
from eipl_trt_ros.energy.sources.jtop import JtopSource
from eipl_trt_ros.energy.sources.nvml import NvmlSource
from eipl_trt_ros.energy.sources.recorded import RecordedSource
from eipl_trt_ros.errors import EnergyError

SOURCES = ('auto', 'jtop', 'ina3221', 'nvml', 'recorded')
_JTOP_SOCKET = Path('run/jtop.sock')


def make_source(
    name: str,
    *,
    interval_s: float,
    recording: str = '',
    gpu: int = 0,
    root: Path = Path('/'),
) -> PowerSource:
    """
    Make a power source.

    Args:
        name: one of `SOURCES`; ``'auto'`` takes the first that is there of jtop, ina3221, nvml.
        interval_s: time between samples, in seconds.
        recording: CSV file or bag for ``'recorded'``.
        gpu: index of the GPU for ``'nvml'``.
        root: root of the file system.

    Raises:
        EnergyError: the recording is not named or cannot be read, or the name is unknown.
        MissingPackageError: the recording is a bag, and rosbags is not installed.

    """
    if name == 'jtop':
        return JtopSource(interval_s)
    if name == 'ina3221':
        return Ina3221Source(interval_s, root)
    if name == 'nvml':
        return NvmlSource(interval_s, gpu)
    if name == 'recorded':
        if not recording:
            msg = "the power source 'recorded' needs a file or bag: set the parameter 'recording'"
            raise EnergyError(msg)
        return RecordedSource(Path(recording))
    if name == 'auto':
        return AutoSource(lambda: _first_there(interval_s, gpu, root), interval_s)
    msg = f'the power source is {name!r}, expected one of {", ".join(SOURCES)}'
    raise EnergyError(msg)


def _first_there(interval_s: float, gpu: int, root: Path) -> PowerSource | None:
    if importlib.util.find_spec('jtop') is not None and (root / _JTOP_SOCKET).exists():
        return _opened(JtopSource(interval_s))
    if find_sensors(root):
        return _opened(Ina3221Source(interval_s, root))
    if importlib.util.find_spec('pynvml') is not None:
        nvml = _opened(NvmlSource(interval_s, gpu))
        if nvml.status.state is SourceState.READY:
            return nvml
        nvml.close()
    return None


def _opened(source: PowerSource) -> PowerSource:
    source.open()
    return source


__all__ = [
    'SOURCES',
    'AutoSource',
    'Backoff',
    'Ina3221Source',
    'JtopSource',
    'NvmlSource',
    'PowerSource',
    'RecordedSource',
    'SourceInfo',
    'SourceState',
    'SourceStatus',
    'make_source',
]
