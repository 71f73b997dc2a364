# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Makes the TensorRT backend for the engines that a bundle holds for this machine."""

from __future__ import annotations

import logging

from eipl_trt_ros.backends.cuda import CudaDevice
from eipl_trt_ros.backends.loader import AUTO_PRECISION
from eipl_trt_ros.backends.shared_inputs import SharedInputs
from eipl_trt_ros.backends.tensorrt import TensorRTBackend
from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.engines.automatic import choose_built
from eipl_trt_ros.engines.kernels import KernelFile
from eipl_trt_ros.engines.machine import this_machine
from eipl_trt_ros.engines.runtime import Engine
from eipl_trt_ros.engines.store import EngineStore
from eipl_trt_ros.engines.tensorrt_api import find_tensorrt
from eipl_trt_ros.engines.timing import make_timer

_log = logging.getLogger(__name__)


def open_engines(
    bundle: Bundle,
    precision: str,
    *,
    mixing: bool = False,
    gpu: int = 0,
    recorded: bool = True,
    host_memory: str = 'auto',
    shared: SharedInputs | None = None,
) -> TensorRTBackend:
    """
    Make the backend for the engines that a bundle holds for this machine.

    Args:
        bundle: the model.
        precision: ``fp32``, ``fp16`` or ``int8``; or ``auto``, see `choose_built`.
        mixing: whether frames will be mixed with the previous prediction.
        gpu: which GPU.
        recorded: see `TensorRTBackend`.
        host_memory: see `TensorRTBackend`.
        shared: see `TensorRTBackend`; on the same GPU.

    Raises:
        EngineError: an engine is missing, damaged, or made for something else; the text says
            how to build it.
        BackendError: there is no GPU, or it has no room.
        MissingPackageError: TensorRT or pycuda is not installed.

    """
    tensorrt = find_tensorrt()
    store, machine = EngineStore(bundle), this_machine(tensorrt, gpu)
    chosen: dict[str, str] = {}
    if precision == AUTO_PRECISION:
        timer = make_timer(tensorrt, store.path, gpu)
        choice = choose_built(bundle, machine, mixing=mixing, timer=timer)
        _log.info('precision auto runs %s in %s', bundle.name, choice)
        chosen['precision auto'] = str(choice)
        precision = choice.precision
    suffix = '_mixed' if mixing else ''
    graphs = (f'motion{suffix}', f'image{suffix}')
    found = {graph: store.load(graph, precision, machine) for graph in graphs}

    def load(graph: str) -> Engine:
        manifest, plan = found[graph]
        kernels = KernelFile(store.path / manifest.plan)
        return tensorrt.load(plan, f'{bundle.path}: {graph} {precision}', kernels)

    backend = TensorRTBackend(
        bundle,
        precision,
        CudaDevice(gpu),
        load,
        mixing=mixing,
        recorded=recorded,
        host_memory=host_memory,
        shared=shared,
    )
    backend.notes = {**backend.notes, **chosen}
    return backend
