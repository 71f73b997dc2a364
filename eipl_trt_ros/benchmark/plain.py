# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The whole model as EIPL exports it, in ONNX Runtime and in OpenVINO, the way a user runs it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from eipl_trt_ros.benchmark.loop import Array, WholeModelCase
from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.errors import require


class PlainCase(WholeModelCase):
    """
    EIPL's ONNX export in ONNX Runtime.

    Args:
        name: of the case.
        bundle: the model; its weights are exported to a temporary file.
        threads: CPU threads for one inference.

    """

    def __init__(self, name: str, bundle: Bundle, threads: int) -> None:
        super().__init__(name, bundle)
        self._state = [np.zeros((1, bundle.model.rec_dim), np.float32) for _ in 'hc']
        self._session = plain_session(bundle, threads)
        self._inputs = [end.name for end in self._session.get_inputs()]

    def infer(self, image: Array, joints: Array) -> tuple[Array, Array]:
        """Run the model; see `WholeModelCase`."""
        values = (image, joints, *self._state)
        predicted, joint, *_, h, c = self._session.run(
            None, dict(zip(self._inputs, values, strict=True))
        )
        self._state = [h, c]
        return predicted, joint

    def close(self) -> None:
        """Let the session go; see `Case`."""
        self._session = None


class OpenVinoCase(WholeModelCase):
    """
    EIPL's ONNX export in OpenVINO, on the CPU.

    Args:
        name: of the case.
        bundle: the model; its weights are exported to a temporary file.
        threads: CPU threads for one inference.

    """

    def __init__(self, name: str, bundle: Bundle, threads: int) -> None:
        super().__init__(name, bundle)
        openvino: Any = require('openvino', install='pip install openvino', needed_for=name)
        self._state = [np.zeros((1, bundle.model.rec_dim), np.float32) for _ in 'hc']
        with plain_export(bundle) as path:
            # fp32, as the others: on some processors OpenVINO would round to bf16 by itself
            options = {
                'INFERENCE_NUM_THREADS': threads,
                'PERFORMANCE_HINT': 'LATENCY',
                'INFERENCE_PRECISION_HINT': 'f32',
            }
            self._model = openvino.Core().compile_model(path, 'CPU', options)
        self._inputs = [end.any_name for end in self._model.inputs]
        self._request = self._model.create_infer_request()

    def infer(self, image: Array, joints: Array) -> tuple[Array, Array]:
        """Run the model; see `WholeModelCase`."""
        values = (image, joints, *self._state)
        results = self._request.infer(dict(zip(self._inputs, values, strict=True)))
        predicted, joint, *_, h, c = results.to_tuple()
        self._state = [h, c]
        return predicted, joint

    def close(self) -> None:
        """Let the model go; see `Case`."""
        self._request = self._model = None


def plain_session(bundle: Bundle, threads: int) -> Any:
    """
    Open EIPL's export in ONNX Runtime.

    Raises:
        MissingPackageError: onnxruntime, or what exports, is not installed.

    """
    onnxruntime = require(
        'onnxruntime', install='pip install onnxruntime', needed_for='the plain export'
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    with plain_export(bundle) as path:
        return onnxruntime.InferenceSession(str(path), options, providers=['CPUExecutionProvider'])


@contextmanager
def plain_export(bundle: Bundle) -> Iterator[Path]:
    """
    Give EIPL's export of a bundle as a file, for the block.

    Raises:
        MissingPackageError: what exports is not installed.

    """
    for package in ('torch', 'onnx'):
        require(package, install=f'pip install {package}', needed_for='the plain export')
    from eipl_trt_ros.export.plain import export_plain  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'plain.onnx'
        export_plain(bundle, path)
        yield path
