# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
The real, unmodified nvidia-ml-py against a library that serves known values.

test/gpu/test_nvml.py has a real GPU.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jtop_world import PATIENCE

from eipl_trt_ros.files import atomic_write

if importlib.util.find_spec('pynvml') is None:
    pytest.skip('nvidia-ml-py is not installed', allow_module_level=True)
COMPILER = shutil.which('cc')
if COMPILER is None:
    pytest.skip('there is no C compiler', allow_module_level=True)

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
NOT_SUPPORTED, DRIVER_NOT_LOADED, GPU_IS_LOST = 3, 9, 15  # as in nvml.h
_RUN = """
import dataclasses, json, sys, time
from eipl_trt_ros.energy.sources import Backoff, NvmlSource
source = NvmlSource(0.05, int(sys.argv[1]), Backoff(0.05, 0.1))
source.open()
while True:
    samples = [dataclasses.asdict(sample) for sample in source.read()]
    status = source.status
    told = {'state': status.state.value, 'text': str(status), 'scope': source.info.scope,
            'settings': source.info.settings}
    print(json.dumps({'samples': samples, 'version': source.info.version, **told}), flush=True)
    time.sleep(0.05)
"""


@pytest.fixture(scope='session')
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('nvml')
    command = [COMPILER, '-shared', '-fPIC', '-Wall', '-Wextra', '-Werror']
    command += ['-o', str(folder / 'libnvidia-ml.so.1'), str(HERE / 'nvml_library.c')]
    subprocess.run(command, check=True)
    return folder


class Gpu:
    """A make-believe GPU, and our source that reads it in a process of its own."""

    def __init__(self, library: Path, served: Path) -> None:
        self._library = library
        self._served = served
        self._process: subprocess.Popen[str] | None = None

    def serve(
        self,
        power: int = 0,
        energy: int = 0,
        *,
        temperature: int = 40,
        errors: tuple[int, int, int] = (0, 0, 0),
        connect: int = 0,
        instant: int | None = None,
    ) -> None:
        """Serve these readings; without an instant power, that is not supported."""
        last = (0, NOT_SUPPORTED) if instant is None else (instant, 0)
        with atomic_write(self._served) as file:
            file.write(f'{power} {energy} {temperature} '.encode())
            file.write(f'{" ".join(map(str, (*errors, connect, *last)))}\n'.encode())

    def read(self, gpu: int = 0) -> None:
        environment = {
            **os.environ,
            'PYTHONPATH': str(ROOT),
            'LD_LIBRARY_PATH': str(self._library),
            'NVML_SERVED': str(self._served),
        }
        self._process = subprocess.Popen(
            [sys.executable, '-c', _RUN, str(gpu)],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )

    def until(self, state: str, text: str = '') -> dict[str, Any]:
        """Return the next message with this state, and this text in its reason."""
        assert self._process is not None
        assert self._process.stdout is not None
        deadline = time.monotonic() + PATIENCE
        message: dict[str, Any] = {}
        while time.monotonic() < deadline:
            message = json.loads(self._process.stdout.readline())
            if message['state'] == state and text in message['text']:
                return message
        pytest.fail(f'{state} {text} did not come; the last message was {message}')

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()


@pytest.fixture
def gpu(library: Path, tmp_path: Path) -> Iterator[Gpu]:
    made = Gpu(library, tmp_path / 'served')
    yield made
    made.close()


def test_power_counter_and_temperature_arrive_as_they_are_served(gpu: Gpu):
    gpu.serve(312_456, 9_000_000_000_123, temperature=61)
    gpu.read()
    message = gpu.until('ready')
    (sample,) = message['samples']
    assert sample['total_mw'] == 312_456
    assert sample['energy_mj'] == 9_000_000_000_123
    assert sample['temperatures_c'] == {'GPU': 61}
    assert message['settings']['power'].startswith('nvmlDeviceGetPowerUsage')
    assert message['scope'] == 'GPU 0 (Test GPU) without its host'
    assert message['version'] == '580.1'


def test_instant_power_goes_before_the_mean_of_a_second(gpu: Gpu):
    gpu.serve(150_000, 5, instant=207_946)
    gpu.read()
    message = gpu.until('ready')
    (sample,) = message['samples']
    assert sample['total_mw'] == 207_946
    assert message['settings'] == {'power': 'instant'}


def test_a_gpu_without_a_counter_tells_its_power_alone(gpu: Gpu):
    gpu.serve(70_000, errors=(0, NOT_SUPPORTED, NOT_SUPPORTED))
    gpu.read()
    (sample,) = gpu.until('ready')['samples']
    assert sample['total_mw'] == 70_000
    assert sample['energy_mj'] is None
    assert sample['temperatures_c'] == {}


def test_a_gpu_with_neither_is_told(gpu: Gpu):
    gpu.serve(errors=(NOT_SUPPORTED, NOT_SUPPORTED, 0))
    gpu.read()
    message = gpu.until('failed', 'tells neither its power nor its energy')
    assert message['samples'] == []


def test_a_gpu_that_is_lost_gives_no_sample_and_is_found_again(gpu: Gpu):
    gpu.serve(70_000, 5)
    gpu.read()
    gpu.until('ready')
    gpu.serve(70_000, 5, errors=(GPU_IS_LOST, 0, 0))
    message = gpu.until('failed', 'GPU 0 cannot be read: GPU is lost')
    assert message['samples'] == []
    assert 'nvidia-smi' in message['text']
    gpu.serve(connect=DRIVER_NOT_LOADED)
    gpu.until('failed', 'NVML cannot reach GPU 0: Driver Not Loaded')
    gpu.serve(80_000, 3)
    message = gpu.until('ready')
    while not message['samples']:
        message = gpu.until('ready')
    assert message['samples'][0]['total_mw'] == 80_000


def test_a_gpu_that_is_not_there_is_told(gpu: Gpu):
    gpu.serve(70_000, 5)
    gpu.read(3)
    assert gpu.until('failed', 'NVML cannot reach GPU 3: ')['samples'] == []
