# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
The ways of running a model on a GPU that are timed against each other.

Two of them have the structure of the paper's code (IPSJ SIG 2024-ARC-256 No. 23, section 4): float
arrays before and after, each input and output copied on its own and waited for, the LSTM's state
through the host in every frame; once with PyTorch, once with TensorRT.
"""

from __future__ import annotations

import contextlib
import functools
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from eipl_trt_ros.backends.buffers import Block
from eipl_trt_ros.backends.cuda import CudaDevice
from eipl_trt_ros.benchmark.cases import COMPILED, Case, Maker, PredictorCase
from eipl_trt_ros.benchmark.loop import Array, WholeModelCase
from eipl_trt_ros.benchmark.plain import plain_export
from eipl_trt_ros.benchmark.torch_gpu import (
    CompiledCase,
    GraphCase,
    PaperTorchCase,
    TorchCase,
)
from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.engines.kernels import KernelFile
from eipl_trt_ros.engines.tensorrt_api import BuildRequest, find_tensorrt
from eipl_trt_ros.errors import EngineError, MissingPackageError

_STATE_IN, _STATE_OUT = ('i.state_h', 'i.state_c'), ('o.state_h', 'o.state_c')


class EngineCase(WholeModelCase):
    """
    EIPL's export in TensorRT, whole.

    Args:
        name: of the case.
        bundle: the model; its weights are exported to a temporary file.
        step_by_step: whether each copy is waited for, the state goes to the host and back, and
            copies of all are kept, as in the paper's code; else the state stays on the device
            and a frame is waited for once.

    """

    def __init__(self, name: str, bundle: Bundle, *, step_by_step: bool) -> None:
        super().__init__(name, bundle)
        self._step_by_step = step_by_step
        tensorrt = find_tensorrt()
        plan, kernels = _plain_plan(bundle.path)
        self._device = CudaDevice()
        with self._device.current():
            self._engine = tensorrt.load(plan, name, kernels)
            specs = (*self._engine.inputs, *self._engine.outputs)
            self._values = {spec.name: Block(self._device, [spec]) for spec in specs}
            self._device.synchronize()
        self._arrays = {name: value.arrays[name] for name, value in self._values.items()}
        self._places = {name: value.addresses[name] for name, value in self._values.items()}
        self._kept: list[Array] = []

    def infer(self, image: Array, joints: Array) -> tuple[Array, Array]:
        """Copy in, run, copy out; see `WholeModelCase`."""
        array, places = self._arrays, self._places
        np.copyto(array['i.image'], image)
        np.copyto(array['i.joint'], joints)
        taken = ['i.image', 'i.joint']
        given = [spec.name for spec in self._engine.outputs]
        if self._step_by_step:
            for source, target in zip(_STATE_OUT, _STATE_IN, strict=True):
                np.copyto(array[target], array[source])
            taken += _STATE_IN
        else:
            given = [name for name in given if name not in _STATE_OUT]
            for source, target in zip(_STATE_OUT, _STATE_IN, strict=True):
                places[source], places[target] = places[target], places[source]
        with self._device.current():
            self._run(taken, given)
        if self._step_by_step:
            self._kept = [array[name].copy() for name in given]
        return array['o.image'], array['o.joint']

    def _run(self, taken: list[str], given: list[str]) -> None:
        device, engine = self._device, self._engine
        for name in taken:
            self._values[name].copy_in()
            if self._step_by_step:
                device.synchronize()
        for name, address in self._places.items():
            engine.set_address(name, address)
        engine.enqueue(device.stream)
        if self._step_by_step:
            device.synchronize()
        for name in given:
            self._values[name].copy_out()
            if self._step_by_step:
                device.synchronize()
        device.synchronize()

    def close(self) -> None:
        """Release the engine and the device; see `Case`."""
        with self._device.current():
            self._engine.close()
        self._device.close()


@functools.cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory()


@functools.cache
def _plain_plan(path: Path) -> tuple[bytes, KernelFile]:
    """Build EIPL's export of a bundle once for all cases."""
    from eipl_trt_ros.bundle import load_bundle  # noqa: PLC0415

    with plain_export(load_bundle(path)) as graph:
        plan = find_tensorrt().build(BuildRequest(f'the export of {path}', graph)).plan
    return plan, KernelFile(Path(_folder().name) / f'{path.name}.plan')


def _torch(kind: Callable[[str, Bundle], Case]) -> Maker:
    def make(name: str, bundle: Bundle, _: int) -> Case:
        with contextlib.suppress(MissingPackageError, EngineError):
            find_tensorrt()  # it keeps this process from TF32, if PyTorch has run no kernel yet
        return kind(name, bundle)

    return make


def _paper_engine(name: str, bundle: Bundle, _: int) -> Case:
    return EngineCase(name, bundle, step_by_step=True)


def _engine(name: str, bundle: Bundle, _: int) -> Case:
    return EngineCase(name, bundle, step_by_step=False)


def _ours(*, image: bool, precision: str = 'fp32') -> Maker:
    def make(name: str, bundle: Bundle, threads: int) -> Case:
        return PredictorCase(
            name, bundle, backend='tensorrt', precision=precision, threads=threads, image=image
        )

    return make


GPU_CASES: Mapping[str, Maker] = {
    "paper's structure, PyTorch": _torch(PaperTorchCase),
    'PyTorch eager': _torch(TorchCase),
    COMPILED: _torch(CompiledCase),
    'PyTorch, CUDA graph': _torch(GraphCase),
    "paper's structure, TensorRT": _paper_engine,
    'EIPL export, TensorRT': _engine,
    'ours, motion and image': _ours(image=True),
    'ours, motion only': _ours(image=False),
    'ours, motion and image, fp16': _ours(image=True, precision='fp16'),
    'ours, motion only, fp16': _ours(image=False, precision='fp16'),
    'ours, motion and image, int8': _ours(image=True, precision='int8'),
    'ours, motion only, int8': _ours(image=False, precision='int8'),
}
"""What is timed on a GPU, by name, in the order of the table; ratios compare with the first."""
