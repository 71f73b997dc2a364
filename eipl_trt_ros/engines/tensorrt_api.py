# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
The one way to TensorRT, whichever version is installed: 8.5 to 11 and TensorRT-RTX.

What the version can do, `features` tells; here is what is done about it.
"""

from __future__ import annotations

import collections
import functools
import importlib
import importlib.util
import logging
import os
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from eipl_trt_ros.engines.calibrator import Batches, make_calibrator
from eipl_trt_ros.engines.features import detect_features, network_flags
from eipl_trt_ros.engines.kernels import TF32_SWITCH, KernelFile
from eipl_trt_ros.engines.messages import make_logger, one_line
from eipl_trt_ros.engines.runtime import TensorRTEngine
from eipl_trt_ros.errors import EngineError, MissingPackageError

MODULES = ('tensorrt', 'tensorrt_rtx', 'tensorrt_bindings', 'tensorrt_rtx_bindings')
_KEPT_MESSAGES = 5
_MEBIBYTE = 1 << 20

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BuildRequest:
    """
    One engine to build.

    Attributes:
        title: what it is, for errors, such as ``'motion fp16'``.
        graph: an ONNX file, whose weights may lie beside it, or a whole ONNX model as bytes.
        tf32: whether fp32 products may round their factors to TF32's 10 bits.
        half, int8: precisions that the builder may choose; only for networks that are not
            strongly typed.
        keep_fp32: tells by its ONNX name whether a layer stays in fp32 where ``half`` is allowed.
        workspace_mib: most scratch memory of a kernel, in MiB; None leaves TensorRT's own limit.
        timing_cache: what `BuildResult.timing_cache` of an earlier build gave; may be empty.
        calibration: what TensorRT finds int8's ranges with, for a network without quantisers.

    """

    title: str
    graph: Path | bytes
    tf32: bool = False
    half: bool = False
    int8: bool = False
    keep_fp32: Callable[[str], bool] | None = None
    workspace_mib: int | None = None
    timing_cache: bytes = b''
    calibration: Batches | None = None


@dataclass(frozen=True)
class BuildResult:
    """A plan, and what was learnt of kernels on the way (empty where no cache is kept)."""

    plan: bytes
    timing_cache: bytes


class TensorRT:
    """
    An installed TensorRT or TensorRT-RTX.

    Builds run one after the other, on one thread at a time: the logger is shared by the library.

    Args:
        module: the imported module, see `find_tensorrt`.

    """

    def __init__(self, module: ModuleType) -> None:
        self._trt: Any = module
        self.flavour = 'TensorRT-RTX' if 'rtx' in module.__name__ else 'TensorRT'
        self.version = str(module.__version__)
        self.features = detect_features(module)
        self._messages: collections.deque[str] = collections.deque(maxlen=_KEPT_MESSAGES)
        self._logger = make_logger(module, self._messages)

    def __str__(self) -> str:
        return f'{self.flavour} {self.version}'

    def build(self, request: BuildRequest) -> BuildResult:
        """
        Build an engine.

        Raises:
            EngineError: the graph cannot be parsed or built; the text ends with TensorRT's own
                last errors.

        """
        self._messages.clear()
        if request.calibration is not None:
            self.check_calibrators(request.title)
        builder = self._trt.Builder(self._logger)
        if not builder:
            raise self._failure(request, 'cannot start; on this machine it needs a GPU')
        weak = request.half or request.int8
        network = builder.create_network(network_flags(self._trt, strong=not weak))
        if network is None:
            raise self._failure(request, 'cannot make a network')
        parser = self._trt.OnnxParser(network, self._logger)
        self._parse(parser, request)
        config = builder.create_builder_config()
        self._configure(config, request)
        if request.keep_fp32 is not None:
            self._hold_layers(network, request.keep_fp32)
        cache = self._give_timing_cache(config, request.timing_cache)
        calibrator = None
        if request.calibration is not None:
            calibrator = make_calibrator(self._trt, request.calibration)
            config.int8_calibrator = calibrator
        plan = builder.build_serialized_network(network, config)
        if calibrator is not None and calibrator.failure is not None:
            raise calibrator.failure  # what was built had not seen all frames
        if plan is None:
            raise self._failure(request, 'cannot build it')
        learnt = bytes(cache.serialize()) if cache is not None else b''
        return BuildResult(bytes(plan), learnt)

    def check_calibrators(self, title: str) -> None:
        """Raise EngineError where this version cannot find int8's ranges itself."""
        able = self.features
        if not (able.calibrators and able.precision_flags and able.layer_precisions):
            msg = (
                f'{title}: {self} has no int8 calibrators (TensorRT has them up to version 10, '
                'TensorRT-RTX has none): quantise explicitly, with --int8-way explicit'
            )
            raise EngineError(msg)

    def load(self, plan: bytes, title: str, kernels: KernelFile | None = None) -> TensorRTEngine:
        """
        Make an engine ready to run on the current CUDA context.

        Args:
            plan: what `build` gave, on such a machine.
            title: what it is, for errors.
            kernels: where kernels that are compiled at load are kept, for versions that do so.

        Raises:
            EngineError: this TensorRT, or this GPU, does not take the plan.
            BackendError: there is no room to run it.

        """
        engine = self._deserialize(plan, title)
        context = self._make_context(engine, kernels)
        return TensorRTEngine(self._trt, engine, context, title, self._last_errors)

    def _make_context(self, engine: Any, kernels: KernelFile | None) -> Any:
        if kernels is None or not self.features.kernels_at_load:
            return engine.create_execution_context()
        config = engine.create_runtime_config()
        cache = config.create_runtime_cache()
        known = kernels.read()
        fits = known != b'' and cache.deserialize(known)
        config.set_runtime_cache(cache)
        context = engine.create_execution_context(config)
        if context is not None and not fits:
            kernels.write(bytes(cache.serialize()))
        return context

    def inspect(self, plan: bytes, title: str) -> str:
        """
        Ask the engine inspector what became of each layer; needs a GPU.

        Args:
            plan: what `build` gave, on such a machine.
            title: what it is, for errors.

        Returns:
            JSON, see `eipl_trt_ros.engines.inspector`.

        Raises:
            EngineError: this TensorRT, or this GPU, does not take the plan.

        """
        inspector = self._deserialize(plan, title).create_engine_inspector()
        return str(inspector.get_engine_information(self._trt.LayerInformationFormat.JSON))

    def _deserialize(self, plan: bytes, title: str) -> Any:
        self._messages.clear()
        runtime = self._trt.Runtime(self._logger)
        engine = runtime.deserialize_cuda_engine(plan)
        if engine is None:
            msg = f'{title}: {self} refuses the engine: {self._last_errors()}'
            raise EngineError(msg)
        return engine

    def _parse(self, parser: Any, request: BuildRequest) -> None:
        if isinstance(request.graph, Path):
            parsed = parser.parse_from_file(str(request.graph))
        else:
            parsed = parser.parse(request.graph)
        if not parsed:
            errors = [parser.get_error(index).desc() for index in range(parser.num_errors)]
            raise self._failure(request, 'cannot read the graph', errors)

    def _configure(self, config: Any, request: BuildRequest) -> None:
        flags = self._trt.BuilderFlag
        if self.features.kernels_at_load and request.tf32 == (os.environ.get(TF32_SWITCH) == '0'):
            _log.warning(
                '%s: whether %s rounds to TF32 is decided by %s alone (0: never), which must be '
                'the same when an engine is built and when it is run; here it is %r',
                request.title,
                self,
                TF32_SWITCH,
                os.environ.get(TF32_SWITCH),
            )
        (config.set_flag if request.tf32 else config.clear_flag)(flags.TF32)
        if request.half:
            config.set_flag(flags.FP16)
        if request.int8:
            config.set_flag(flags.INT8)
        if request.keep_fp32 is not None:
            config.set_flag(flags.OBEY_PRECISION_CONSTRAINTS)
        if self.features.profiling_verbosity:
            config.profiling_verbosity = self._trt.ProfilingVerbosity.DETAILED
        if request.workspace_mib is not None:
            pool = self._trt.MemoryPoolType.WORKSPACE
            config.set_memory_pool_limit(pool, request.workspace_mib * _MEBIBYTE)

    def _hold_layers(self, network: Any, keep_fp32: Callable[[str], bool]) -> None:
        """Hold layers to fp32 that compute fp32; shapes, indices and constants are none."""
        float32, constant = self._trt.float32, self._trt.LayerType.CONSTANT
        for layer in (network.get_layer(index) for index in range(network.num_layers)):
            types = [layer.get_output(index).dtype for index in range(layer.num_outputs)]
            if layer.type != constant and set(types) == {float32} and keep_fp32(layer.name):
                layer.precision = float32
                for index in range(layer.num_outputs):
                    layer.set_output_type(index, float32)

    def _give_timing_cache(self, config: Any, known: bytes) -> Any:
        if not self.features.timing_cache:
            return None
        cache = config.create_timing_cache(known)
        if not config.set_timing_cache(cache, ignore_mismatch=False):
            cache = config.create_timing_cache(b'')  # from another GPU or version: start anew
            config.set_timing_cache(cache, ignore_mismatch=False)
        return cache

    def _failure(
        self, request: BuildRequest, what: str, errors: Collection[str] = ()
    ) -> EngineError:
        reason = one_line(list(errors)) if errors else self._last_errors()
        return EngineError(f'{request.title}: {self} {what}: {reason}')

    def _last_errors(self) -> str:
        return one_line(list(self._messages))


@functools.cache
def find_tensorrt() -> TensorRT:
    """
    Find the TensorRT that is installed; the same object at every call.

    TensorRT keeps the first logger that it is given for the whole process, so there is one.

    TensorRT-RTX 1.6 keeps the builder's TF32 flag in the plan and pays no heed to it when it
    chooses kernels; only a variable of the environment keeps it from TF32. That is set before the
    library is loaded, for the whole process, unless somebody has set it already.

    Raises:
        MissingPackageError: none is installed.
        EngineError: one is installed and cannot be loaded.

    """
    for name in MODULES:
        try:
            if 'rtx' in name and importlib.util.find_spec(name) is not None:
                os.environ.setdefault(TF32_SWITCH, '0')
            return TensorRT(importlib.import_module(name))
        except ModuleNotFoundError as error:
            if error.name != name:
                raise
        except (ImportError, OSError) as error:
            msg = f'the package {name} is installed but cannot be loaded: {error}; its libraries '
            msg += 'must be on the path, in the version of the package'
            raise EngineError(msg) from None
    msg = (
        'engines need TensorRT, which is not installed: on a Jetson it comes with JetPack '
        '(sudo apt install python3-libnvinfer); on a PC: pip install tensorrt, or '
        'pip install tensorrt-rtx-cu13-bindings tensorrt-rtx-cu13-libs'
    )
    raise MissingPackageError(msg)
