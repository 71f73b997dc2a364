# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Chooses a backend and makes it for a bundle."""

from __future__ import annotations

import logging

from eipl_trt_ros.backends.base import Backend
from eipl_trt_ros.backends.shared_inputs import SharedInputs
from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.engines.gpu import find_gpu
from eipl_trt_ros.errors import BackendError, EngineError, MissingPackageError

BACKENDS = ('auto', 'tensorrt', 'onnxruntime', 'torch')
PRECISIONS = ('fp32', 'fp16', 'int8')
AUTO_PRECISION = 'auto'
PRECISION_CHOICES = (AUTO_PRECISION, *PRECISIONS)

_log = logging.getLogger(__name__)


def load_backend(
    bundle: Bundle,
    name: str = 'auto',
    *,
    precision: str = 'fp32',
    threads: int = 1,
    mixing: bool = False,
    shared: SharedInputs | None = None,
) -> Backend:
    """
    Make the backend that executes a bundle's graphs.

    Args:
        bundle: a bundle with its graphs exported (the torch backend needs only the weights).
        name: one of `BACKENDS`; ``auto`` takes TensorRT where it is installed and the bundle
            holds engines for this GPU, else ONNX Runtime in fp32, and says why.
        precision: one of `PRECISION_CHOICES`; ``auto`` is for engines: the fastest that was built
            for this GPU and whose joint error is within the budget. ``onnxruntime`` runs fp16 and
            int8 in their exact arithmetic, which is not fast, and int8 only where the bundle has
            its ``int8.json``.
        threads: CPU threads for one inference.
        mixing: whether frames will be mixed with the previous prediction (EIPL's
            ``input_param`` below 1).
        shared: where models that run side by side on one GPU have their inputs; outlives the
            backend. The others read an image from where it is and have no use for it.

    Returns:
        A backend with zero state, owned by the calling thread.

    Raises:
        BackendError: the name or precision is unknown, or not available on this machine.
        BundleError: the bundle lacks a graph.
        EngineError: the bundle lacks an int8 recipe or an engine that fits; the text says how to
            make it.
        MissingPackageError: the backend's package is not installed.

    """
    if name not in BACKENDS:
        msg = f'backend is {name!r}, expected one of {", ".join(BACKENDS)}'
        raise BackendError(msg)
    if precision not in PRECISION_CHOICES:
        msg = f'precision is {precision!r}, expected one of {", ".join(PRECISION_CHOICES)}'
        raise BackendError(msg)
    if precision == AUTO_PRECISION and name not in ('auto', 'tensorrt'):
        msg = (
            f'precision auto chooses among TensorRT engines, which the {name} backend does not '
            f'run: ask for one of {", ".join(PRECISIONS)}'
        )
        raise BackendError(msg)
    if threads < 1:
        msg = f'threads is {threads}, expected 1 or more'
        raise BackendError(msg)
    if name == 'torch':
        if precision != 'fp32':
            msg = f'the torch backend runs fp32, not {precision}: ask for precision fp32'
            raise BackendError(msg)
        from eipl_trt_ros.backends.torch import TorchBackend  # noqa: PLC0415

        return TorchBackend(bundle, threads=threads, mixing=mixing)
    if name == 'tensorrt':
        return _open_engines(bundle, precision, mixing=mixing, shared=shared)
    if name == 'auto':
        found = _engines_if_usable(bundle, precision, mixing=mixing, shared=shared)
        if found is not None:
            return found
        precision = 'fp32'
    from eipl_trt_ros.backends.onnxruntime import OnnxRuntimeBackend  # noqa: PLC0415

    return OnnxRuntimeBackend(bundle, precision=precision, threads=threads, mixing=mixing)


def _open_engines(
    bundle: Bundle, precision: str, *, mixing: bool, shared: SharedInputs | None
) -> Backend:
    from eipl_trt_ros.backends.engines import open_engines  # noqa: PLC0415

    return open_engines(bundle, precision, mixing=mixing, shared=shared)


def _engines_if_usable(
    bundle: Bundle, precision: str, *, mixing: bool, shared: SharedInputs | None
) -> Backend | None:
    """Make the tensorrt backend; where that cannot be, say why, loudly if something is lost."""
    gpu = find_gpu()
    try:
        if gpu is None:
            msg = 'there is no GPU'
            raise BackendError(msg)
        return _open_engines(bundle, precision, mixing=mixing, shared=shared)
    except (BackendError, EngineError, MissingPackageError) as error:
        level = logging.INFO if gpu is None and precision == 'fp32' else logging.WARNING
        _log.log(
            level,
            'running %s in fp32 on ONNX Runtime, not in %s on TensorRT: %s',
            bundle.name,
            precision,
            error,
        )
        return None
