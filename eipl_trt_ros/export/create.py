# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Makes the folder of a bundle, whole or not at all."""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eipl_trt_ros.bundle import GRAPH_FILES, Bundle, load_bundle, write_bundle
from eipl_trt_ros.errors import ExportError
from eipl_trt_ros.export.graphs import write_graphs
from eipl_trt_ros.export.weights import write_weights

Progress = Callable[[str], None]


def create_bundle(
    bundle: Bundle,
    tensors: Mapping[str, NDArray[np.float32]],
    *,
    graphs: bool = True,
    progress: Progress | None = None,
) -> Bundle:
    """
    Make a bundle's folder from the description of a bundle and its weights.

    It is made beside its final place and moved there when it is whole.

    Args:
        bundle: what to make; ``bundle.path`` must not exist yet, or be an empty folder.
        tensors: weights under EIPL's names.
        graphs: whether to write the ONNX graphs.
        progress: called with the name of each part before it is made.

    Returns:
        The bundle, checked.

    Raises:
        ExportError: something is at ``bundle.path``, or the weights are not the model's.
        BundleError: the result contradicts itself.

    """
    final = bundle.path
    if final.exists() and (not final.is_dir() or any(final.iterdir())):
        msg = f'{final} exists already: remove it, or choose another folder'
        raise ExportError(msg)
    tell = progress or (lambda _: None)
    final.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f'.{final.name}.', dir=final.parent))
    try:
        draft = dataclasses.replace(bundle, path=folder)
        tell('weights')
        write_weights(tensors, draft.weights_path)
        if graphs:
            write_graphs(draft, tell)
        tell('checksums')
        write_bundle(draft)
        folder.chmod(0o755)
        folder.replace(final)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return load_bundle(final)


def export_graphs(folder: Path, progress: Progress | None = None) -> Bundle:
    """
    Write an existing bundle's graphs anew from its weights, and then its checksums.

    Weights or description may have been changed by hand since. The graphs are replaced when all
    of them are made; a crash between them and the checksums leaves a bundle that is refused until
    this is run again.

    Args:
        folder: the bundle's folder.
        progress: called with the name of each part before it is made.

    Returns:
        The bundle, checked.

    Raises:
        BundleError: the folder is not a bundle, or contradicts itself.
        ExportError: the weights are not those of its model.

    """
    bundle = load_bundle(folder, verify=False)
    write_graphs(bundle, progress)
    if progress is not None:
        progress('checksums')
    return write_bundle(bundle, list(dict.fromkeys([*bundle.files, *GRAPH_FILES])))
