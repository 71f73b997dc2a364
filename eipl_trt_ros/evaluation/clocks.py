# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Clocks and power modes of the machine, and whether they would spoil a measurement.

The paper set the clocks of its board to their maximum before it measured (section 5.2). What
decides on clocks: the CPU's governor; on a Jetson the power mode (nvpmodel) and whether
jetson_clocks has fixed the clocks, which shows in equal limits; on other NVIDIA GPUs what NVML
says of clocks and of reasons to lower them.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eipl_trt_ros.errors import MissingPackageError, require

_SLOW_REASONS = {
    'nvmlClocksEventReasonSwPowerCap': 'power limit',
    'nvmlClocksThrottleReasonSwPowerCap': 'power limit',
    'nvmlClocksThrottleReasonHwSlowdown': 'hardware slowdown',
    'nvmlClocksThrottleReasonSwThermalSlowdown': 'heat',
    'nvmlClocksThrottleReasonHwThermalSlowdown': 'heat (hardware)',
    'nvmlClocksThrottleReasonHwPowerBrakeSlowdown': 'power brake',
}
_BUSY = 0.25  # load average per core beside our own that is worth a warning
_PATIENCE = 5.0  # seconds for a tool to answer


@dataclass(frozen=True)
class Clocks:
    """
    How the machine's clocks stood at one moment.

    Attributes:
        facts: what was found, by label.
        warnings: what would spoil a measurement, and what helps; a line each.

    """

    facts: Mapping[str, str]
    warnings: tuple[str, ...]


def read_clocks(root: Path = Path('/')) -> Clocks:
    """
    Read the machine's clocks and modes.

    Args:
        root: root of the file system.

    """
    facts: dict[str, str] = {}
    warnings: list[str] = []
    for look in (_governor, _power_mode, _gpu_clock, _nvml, _load):
        look(root, facts, warnings)
    return Clocks(facts, tuple(warnings))


def _governor(root: Path, facts: dict[str, str], warnings: list[str]) -> None:
    pattern = 'sys/devices/system/cpu/cpu[0-9]*/cpufreq'
    policies = sorted(root.glob(pattern))
    governors = sorted({_text(policy / 'scaling_governor') for policy in policies} - {''})
    if not governors:
        facts['CPU governor'] = 'not told by this machine'
        return
    limits = {(_text(p / 'scaling_min_freq'), _text(p / 'scaling_max_freq')) for p in policies}
    fixed = all(low == high for low, high in limits)
    facts['CPU governor'] = ', '.join(governors)
    facts['CPU clock limits'] = ', '.join(
        f'{_megahertz(low, 1e3)} to {_megahertz(high, 1e3)}' for low, high in sorted(limits)
    )
    if governors != ['performance'] and not fixed:
        warnings.append(
            f'CPU governor {", ".join(governors)}: the clock follows the load; fix it with: '
            'sudo cpupower frequency-set -g performance (on a Jetson: sudo jetson_clocks)'
        )


def _power_mode(root: Path, facts: dict[str, str], warnings: list[str]) -> None:
    """Ask nvpmodel, which only a Jetson has."""
    if root != Path('/') or shutil.which('nvpmodel') is None:
        return
    try:
        answer = subprocess.run(
            ['nvpmodel', '-q'],  # noqa: S607 - where it lies differs between releases
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=True,
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        facts['Power mode (nvpmodel)'] = f'not told: {error}'
        return
    mode = mode_of(answer)
    facts['Power mode (nvpmodel)'] = mode
    if 'MAXN' not in mode.upper():
        warnings.append(
            f'power mode {mode}: lower clocks than the board can have; sudo nvpmodel -m 0 sets '
            'the fastest on most boards'
        )


def mode_of(answer: str) -> str:
    """Return the mode's name from what ``nvpmodel -q`` prints."""
    for line in answer.splitlines():
        key, colon, value = line.partition(':')
        if colon and key.strip().endswith('Power Mode'):
            return value.strip()
    return answer.strip().splitlines()[-1] if answer.strip() else 'unknown'


def _gpu_clock(root: Path, facts: dict[str, str], warnings: list[str]) -> None:
    """Read the clock limits of a Jetson's GPU: jetson_clocks makes them equal."""
    for device in sorted((root / 'sys/class/devfreq').glob('*')):
        name = device.name
        if not any(word in name for word in ('gpu', 'ga10b', 'gv11b', 'gp10b', 'gb10b')):
            continue
        low, now, high = (_text(device / f'{end}_freq') for end in ('min', 'cur', 'max'))
        facts[f'GPU clock ({name})'] = (
            f'{_megahertz(now, 1e6)}, limits {_megahertz(low, 1e6)} to {_megahertz(high, 1e6)}'
        )
        if low != high:
            warnings.append(
                'the GPU clock is not fixed: it rises only once the GPU is busy; fix it with: '
                'sudo jetson_clocks'
            )


def _nvml(root: Path, facts: dict[str, str], warnings: list[str]) -> None:
    if root != Path('/'):
        return
    try:
        nvml: Any = require('pynvml', install='pip install nvidia-ml-py', needed_for='GPU clocks')
        nvml.nvmlInit()
    except MissingPackageError:
        return
    except Exception:  # no driver: NVML's errors are classes made at run time
        return
    try:
        handle = nvml.nvmlDeviceGetHandleByIndex(0)
        _nvml_facts(nvml, handle, facts, warnings)
    except nvml.NVMLError as error:
        facts['GPU'] = f'NVML cannot read it: {error}'
    finally:
        with contextlib.suppress(nvml.NVMLError):
            nvml.nvmlShutdown()


def _nvml_facts(nvml: Any, handle: Any, facts: dict[str, str], warnings: list[str]) -> None:
    facts['GPU'] = str(nvml.nvmlDeviceGetName(handle))
    facts['GPU driver'] = str(nvml.nvmlSystemGetDriverVersion())
    readings = {
        'GPU clock': (nvml.nvmlDeviceGetClockInfo, nvml.NVML_CLOCK_SM, ' MHz', 1),
        'GPU clock, highest': (nvml.nvmlDeviceGetMaxClockInfo, nvml.NVML_CLOCK_SM, ' MHz', 1),
        'GPU memory clock': (nvml.nvmlDeviceGetClockInfo, nvml.NVML_CLOCK_MEM, ' MHz', 1),
        'GPU temperature': (nvml.nvmlDeviceGetTemperature, nvml.NVML_TEMPERATURE_GPU, ' °C', 1),
        'GPU power limit': (nvml.nvmlDeviceGetEnforcedPowerLimit, None, ' W', 1000),
    }
    for label, (read, kind, unit, scale) in readings.items():
        with contextlib.suppress(nvml.NVMLError):
            value = read(handle) if kind is None else read(handle, kind)
            facts[label] = f'{value / scale:g}{unit}'
    with contextlib.suppress(nvml.NVMLError):
        reasons = nvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle)
        active = {text for name, text in _SLOW_REASONS.items() if reasons & getattr(nvml, name, 0)}
        facts['GPU clock lowered by'] = ', '.join(sorted(active)) or 'nothing'
        if active:
            warnings.append(f'the GPU lowers its clock because of: {", ".join(sorted(active))}')
    with contextlib.suppress(nvml.NVMLError):
        others = len(nvml.nvmlDeviceGetComputeRunningProcesses(handle))
        facts['GPU processes'] = str(others)
        if others > 1:
            warnings.append(f'{others} processes use the GPU: end the others')


def _load(root: Path, facts: dict[str, str], warnings: list[str]) -> None:
    if root != Path('/'):
        return
    load, cores = os.getloadavg()[0], len(os.sched_getaffinity(0))
    facts['Load (1 min)'] = f'{load:.2f} on {cores} cores'
    if load > _BUSY * cores + 1.0:
        warnings.append('other programs are at work: times will be too long and scatter')


def _megahertz(text: str, per_mega: float) -> str:
    return f'{float(text) / per_mega:.0f} MHz' if text.isdigit() else '?'


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding='utf-8', errors='replace').strip()
    except OSError:
        return ''
