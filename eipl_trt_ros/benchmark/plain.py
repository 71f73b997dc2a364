# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The whole model as EIPL exports it, in ONNX Runtime, with pre- and post-processing in numpy."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.errors import require
from eipl_trt_ros.picture import PictureShaper


class PlainCase:
    """
    What a user of EIPL gets from its ONNX export: the motion and the image at once, in float32.

    Args:
        name: of the case.
        bundle: the model; its weights are exported to a temporary file.
        threads: CPU threads for one inference.

    """

    def __init__(self, name: str, bundle: Bundle, threads: int) -> None:
        self.name = name
        self._bundle = bundle
        model = bundle.model
        self._shaper = PictureShaper(bundle.camera, model.image_height, model.image_width)
        self._image = np.zeros((model.image_height, model.image_width, 3), np.uint8)
        self._low, self._high = bundle.joint_minimum, bundle.joint_maximum
        self._state = [np.zeros((1, model.rec_dim), np.float32) for _ in 'hc']
        self._share = 0.0
        self._session = _session(bundle, threads)

    def frame(self, picture: NDArray[np.uint8], joints: NDArray[np.float64]) -> object:
        """Run one frame; see `Case`. A joint that is fed back takes the value that it is given."""
        begin = time.perf_counter_ns()
        vmin, span = self._bundle.vmin, self._bundle.vmax - self._bundle.vmin
        self._shaper.shape_into(picture, self._image)
        planes = self._image.transpose(2, 0, 1)[None].astype(np.float32) / 255 * span + vmin
        normalised = (joints - self._low) / (self._high - self._low) * span + vmin
        before = time.perf_counter_ns()
        image, joint, *_, h, c = self._session.run(
            None,
            {
                'i.image': planes,
                'i.joint': normalised[None].astype(np.float32),
                'i.state_h': self._state[0],
                'i.state_c': self._state[1],
            },
        )
        after = time.perf_counter_ns()
        self._state = [h, c]
        predicted = (joint[0] - vmin) / span * (self._high - self._low) + self._low
        levels = (np.clip(image[0], vmin, vmin + span) - vmin) / span * 255
        shown = levels.astype(np.uint8).transpose(1, 2, 0)
        end = time.perf_counter_ns()
        self._share = (end - begin - (after - before)) / (end - begin)
        return predicted, shown

    def overhead(self) -> float:
        """Share of what is done in numpy in the last frame; see `Case`."""
        return self._share

    def close(self) -> None:
        """Let the session go; see `Case`."""
        self._session = None


def _session(bundle: Bundle, threads: int) -> Any:
    onnxruntime = require(
        'onnxruntime', install='pip install onnxruntime', needed_for='the plain export'
    )
    for package in ('torch', 'onnx'):
        require(package, install=f'pip install {package}', needed_for='the plain export')
    from eipl_trt_ros.export.plain import export_plain  # noqa: PLC0415

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'plain.onnx'
        export_plain(bundle, path)
        return onnxruntime.InferenceSession(str(path), options, providers=['CPUExecutionProvider'])
