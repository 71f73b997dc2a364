# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The whole model in PyTorch, as EIPL's own test loops run it; also compiled by torch.compile."""

from __future__ import annotations

from typing import Any

import numpy as np

from eipl_trt_ros.benchmark.loop import Array, WholeModelCase
from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.errors import BackendError, require


class EagerCase(WholeModelCase):
    """
    PyTorch on the CPU, with numpy before and after it.

    Args:
        name: of the case.
        bundle: the model.
        threads: CPU threads for one inference; PyTorch has one such number for the process.
        compiled: whether torch.compile makes kernels of it first, which takes a minute and a C++
            compiler.

    """

    def __init__(self, name: str, bundle: Bundle, threads: int, *, compiled: bool = False) -> None:
        super().__init__(name, bundle)
        self._torch: Any = require('torch', install='pip install torch', needed_for=name)
        from eipl_trt_ros.export.weights import WeightFile  # noqa: PLC0415
        from eipl_trt_ros.models import build_model  # noqa: PLC0415

        torch, model = self._torch, bundle.model
        torch.set_num_threads(threads)
        weights = WeightFile(bundle.weights_path)
        network = build_model(model).eval()
        network.load_state_dict(
            {name: torch.tensor(weights[name].values) for name in model.expected_shapes()}
        )
        self._network: Any = torch.compile(network) if compiled else network
        self._state = (torch.zeros(1, model.rec_dim), torch.zeros(1, model.rec_dim))
        if compiled:
            shape = (1, 3, model.image_height, model.image_width)
            try:
                self.infer(np.zeros(shape, np.float32), np.zeros((1, model.joint_dim), np.float32))
            except Exception as error:  # compilers fail in many ways
                msg = f'torch.compile failed: {" ".join(str(error).split())[:200]}'
                raise BackendError(msg) from error

    def infer(self, image: Array, joints: Array) -> tuple[Array, Array]:
        """Run the model; see `WholeModelCase`."""
        torch = self._torch
        with torch.inference_mode():
            predicted, joint, *_, self._state = self._network(
                torch.from_numpy(image), torch.from_numpy(joints), self._state
            )
        return predicted.numpy(), joint.numpy()

    def close(self) -> None:
        """Let the model go; see `Case`."""
        self._network = None
