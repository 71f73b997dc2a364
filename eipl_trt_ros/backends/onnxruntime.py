# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""ONNX Runtime on the CPU: the backend that every machine has."""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eipl_trt_ros.backends.base import StepTimes
from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.errors import BackendError, require
from eipl_trt_ros.processor import processor_name
from eipl_trt_ros.spec import TensorSpec

_log = logging.getLogger(__name__)

_TYPE_NAMES = {'tensor(float)': 'float32', 'tensor(uint8)': 'uint8'}


class OnnxRuntimeBackend:
    """
    Runs the graphs on arrays that were bound once; nothing is copied or allocated.

    The state lives in two buffers in turn: a frame reads one and writes the other. Each graph
    therefore has two bindings, one per direction, and a frame only picks the binding.

    In fp16 and int8 it computes what the graph of that precision says, node by node and rounding
    by rounding: right in its errors, on any processor, but slower than fp32. That is said once.
    """

    name = 'onnxruntime'

    def __init__(
        self,
        bundle: Bundle,
        *,
        precision: str = 'fp32',
        threads: int = 1,
        mixing: bool = False,
    ) -> None:
        self._ort: Any = require(
            'onnxruntime', install='pip install onnxruntime', needed_for='the onnxruntime backend'
        )
        self.precision = precision
        self.mixing = mixing
        self.device = processor_name()
        self.timing = StepTimes()
        self.notes: Mapping[str, str] = {}
        suffix = '_mixed' if mixing else ''
        self._motion = self._session(bundle, f'motion{suffix}', threads)
        self._image = self._session(bundle, f'image{suffix}', threads)
        self._make_buffers(bundle)
        self._motion_bindings = [self._bind(self._motion, self._motion_arrays(i)) for i in (0, 1)]
        self._image_bindings = [self._bind(self._image, self._image_arrays(i)) for i in (0, 1)]
        self._run_options = self._ort.RunOptions()
        self._current = 0
        if precision != 'fp32':
            _log.warning(
                "%s runs in %s's exact arithmetic on ONNX Runtime: joints and images are those of "
                '%s, the time is not',
                bundle.name,
                precision,
                precision,
            )

    def _session(self, bundle: Bundle, graph: str, threads: int) -> Any:
        options = self._ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        _share_memory(self._ort)
        options.add_session_config_entry('session.use_env_allocators', '1')
        # each value its own place in that memory: SARNN's image takes 8 % less time so, and the
        # process grows no more
        options.enable_mem_reuse = False
        # each session has threads of its own, which would keep looking for work between frames:
        # a core all the time, and on two cores the other graph's slow down the one that runs
        options.add_session_config_entry('session.intra_op.allow_spinning', '0')
        if self.precision == 'fp32':
            path = bundle.cpu_graph_path(graph)
            source: str | bytes = str(path)
        else:
            path = bundle.graph_path(graph, self.precision)
            # optimisation would merge roundings, and saturate int8 where a processor has no VNNI
            options.graph_optimization_level = self._ort.GraphOptimizationLevel.ORT_DISABLE_ALL
            source = _exact(bundle, graph, self.precision)
        try:
            session = self._ort.InferenceSession(
                source, options, providers=['CPUExecutionProvider']
            )
        except Exception as error:  # ONNX Runtime's exceptions share no base but Exception
            msg = f'ONNX Runtime cannot load {path}: {error}'
            raise BackendError(msg) from None
        _check_ends(path, session.get_inputs(), bundle.model.graph_inputs(graph))
        _check_ends(path, session.get_outputs(), bundle.model.graph_outputs(graph))
        return session

    def _make_buffers(self, bundle: Bundle) -> None:
        model = bundle.model
        height, width = model.image_height, model.image_width
        self.image: NDArray[np.uint8] = np.zeros((height, width, 3), np.uint8)
        self.joints: NDArray[np.float32] = np.zeros(model.joint_dim, np.float32)
        self.predicted_joints: NDArray[np.float32] = np.zeros(model.joint_dim, np.float32)
        self.predicted_image: NDArray[np.uint8] = np.zeros((height, width, 3), np.uint8)
        self.encoder_points: NDArray[np.float32] | None = None
        self.decoder_points: NDArray[np.float32] | None = None
        if model.k_dim is not None:
            self.encoder_points = np.zeros((model.k_dim, 2), np.float32)
            self.decoder_points = np.zeros((model.k_dim, 2), np.float32)
        self._h = [np.zeros(model.rec_dim, np.float32) for _ in (0, 1)]
        self._c = [np.zeros(model.rec_dim, np.float32) for _ in (0, 1)]
        # raw_joints is written by a frame while previous_joints is read: two buffers in turn;
        # the image graph runs after the motion graph has read previous_image: one will do
        self._mix = np.ones(1, np.float32)
        self._raw_joints = [np.zeros(model.joint_dim, np.float32) for _ in (0, 1)]
        self._raw_image = np.zeros((3, height, width), np.float32)
        self._model_image = np.zeros((3, height, width), np.float32)

    def _motion_arrays(self, current: int) -> dict[str, NDArray[Any] | None]:
        following = 1 - current
        return {
            'image': self.image,
            'joints': self.joints,
            'h': self._h[current],
            'c': self._c[current],
            'previous_joints': self._raw_joints[current],
            'previous_image': self._raw_image,
            'mix': self._mix,
            'predicted_joints': self.predicted_joints,
            'next_h': self._h[following],
            'next_c': self._c[following],
            'encoder_points': self.encoder_points,
            'decoder_points': self.decoder_points,
            'raw_joints': self._raw_joints[following],
            'model_image': self._model_image,
        }

    def _image_arrays(self, current: int) -> dict[str, NDArray[Any] | None]:
        return {
            'h': self._h[current],
            'image': self.image,
            'model_image': self._model_image,
            'decoder_points': self.decoder_points,
            'predicted_image': self.predicted_image,
            'raw_image': self._raw_image,
        }

    @staticmethod
    def _bind(session: Any, arrays: Mapping[str, NDArray[Any] | None]) -> Any:
        """Bind a graph's inputs and outputs to the memory of our arrays, by name."""
        binding = session.io_binding()
        for ends, bind in (
            (session.get_inputs(), binding.bind_input),
            (session.get_outputs(), binding.bind_output),
        ):
            for end in ends:
                array = arrays[end.name]
                if array is not None:
                    bind(end.name, 'cpu', 0, array.dtype, list(array.shape), array.ctypes.data)
        return binding

    def renew_image(self) -> None:
        """Do nothing: the image is read anew in every frame; see `Backend`."""

    def run_motion(self, mix: float = 1.0) -> None:
        """Run the motion graph; see `Backend`."""
        self._mix[0] = mix
        begin = time.perf_counter_ns()
        self._run(self._motion, self._motion_bindings[self._current])
        self.timing.infer += time.perf_counter_ns() - begin

    def advance(self) -> None:
        """Swap the state buffers; see `Backend`."""
        self._current = 1 - self._current

    def run_image(self) -> None:
        """Run the image graph; see `Backend`."""
        begin = time.perf_counter_ns()
        self._run(self._image, self._image_bindings[self._current])
        self.timing.image_infer += time.perf_counter_ns() - begin

    def _run(self, session: Any, binding: Any) -> None:
        try:
            session.run_with_iobinding(binding, self._run_options)
        except Exception as error:  # ONNX Runtime's exceptions share no base but Exception
            msg = f'ONNX Runtime failed while it ran a graph: {error}'
            raise BackendError(msg) from error

    def reset(self) -> None:
        """Set the state to zeros; see `Backend`."""
        for array in self._state_arrays().values():
            array.fill(0)

    def _state_arrays(self) -> dict[str, NDArray[np.float32]]:
        arrays: dict[str, NDArray[np.float32]] = {
            'h': self._h[self._current],
            'c': self._c[self._current],
        }
        if self.mixing:
            arrays['previous_joints'] = self._raw_joints[self._current]
            arrays['previous_image'] = self._raw_image
        return arrays

    def get_state(self) -> dict[str, NDArray[np.float32]]:
        """Return a copy of the state; see `Backend`."""
        return {name: array.copy() for name, array in self._state_arrays().items()}

    def set_state(self, state: Mapping[str, NDArray[np.float32]]) -> None:
        """Replace the state; see `Backend`."""
        for name, array in self._state_arrays().items():
            np.copyto(array, state[name])

    def close(self) -> None:
        """Let the sessions go; see `Backend`."""
        self._motion_bindings = self._image_bindings = []
        self._motion = self._image = None


@functools.cache
def _share_memory(ort: Any) -> None:
    """
    Let the sessions of this process take the memory for what is between nodes from one place.

    Then the image graph works in the memory that the motion graph has just left in the
    processor's cache, and of several models each takes over from the one before.
    """
    kind = ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR
    memory = ort.OrtMemoryInfo('Cpu', kind, 0, ort.OrtMemType.DEFAULT)
    ort.create_and_register_allocator(memory, None)


def _exact(bundle: Bundle, graph: str, precision: str) -> bytes:
    require('onnx', install='pip install onnx', needed_for=f'{precision} on ONNX Runtime')
    from eipl_trt_ros.engines.rewrite import exact_graph  # noqa: PLC0415

    return exact_graph(bundle, graph, precision)


def _check_ends(path: Path, found: Sequence[Any], expected: Sequence[TensorSpec]) -> None:
    """Refuse a graph whose inputs or outputs are not those of the bundle's model."""
    have = {end.name: (_TYPE_NAMES.get(end.type, end.type), tuple(end.shape)) for end in found}
    want = {tensor.name: (tensor.dtype, tensor.shape) for tensor in expected}
    for name in sorted(have.keys() | want.keys()):
        if have.get(name) != want.get(name):
            msg = (
                f'{path}: {name!r} is {have.get(name, "missing")}, the model needs '
                f'{want.get(name, "nothing of that name")}; write the graphs again with: '
                f'eipl_trt export {path.parent}'
            )
            raise BackendError(msg)
