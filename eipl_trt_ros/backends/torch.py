# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""PyTorch, eager, whole model: the baseline that the paper compares TensorRT with."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eipl_trt_ros.backends.base import StepTimes
from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.errors import BackendError, require
from eipl_trt_ros.export.weights import WeightFile
from eipl_trt_ros.processor import processor_name

Array = NDArray[np.float32]


class TorchBackend:
    """
    Runs a frame as EIPL's loop does (zoo/cnnrnn/bin/test.py), in five steps that are timed apart.

    (1) Float arrays on the host: layout, normalisation, mixing. (2) To the device. (3) The whole
    model, image included. (4) All results back to the host. (5) Joints to their unit; the image to
    grey levels in ``run_image``, which is booked as the image's post-processing. Only the weights
    of a bundle are used, not its graphs. Arrays are allocated in every frame, as in EIPL.

    Args:
        bundle: the model.
        threads: CPU threads of PyTorch, for the whole process: PyTorch has only one such setting.
        mixing: whether frames will be mixed with the previous prediction.
        device: PyTorch's name of the device; None takes the GPU where there is one.

    Raises:
        MissingPackageError: PyTorch is not installed.
        BackendError: PyTorch does not have the device.
        ExportError: the weights cannot be read.

    """

    name = 'torch'
    precision = 'fp32'
    _state: Any
    _previous_joints: Array
    _previous_image: Array

    def __init__(
        self, bundle: Bundle, *, threads: int = 1, mixing: bool = False, device: str | None = None
    ) -> None:
        self._torch: Any = require(
            'torch', install='pip install torch==2.13.0', needed_for='the torch backend'
        )
        from eipl_trt_ros.models import build_model  # noqa: PLC0415 (needs PyTorch)

        torch = self._torch
        torch.set_num_threads(threads)
        self.mixing = mixing
        self.timing = StepTimes()
        self.notes: Mapping[str, str] = {}
        self._bundle = bundle
        self._low, self._high = bundle.joint_minimum, bundle.joint_maximum
        weights = WeightFile(bundle.weights_path)
        names = bundle.model.expected_shapes()
        self._model: Any = build_model(bundle.model)
        self._model.load_state_dict(
            {name: torch.from_numpy(weights[name].values.copy()) for name in names}
        )
        try:
            self._device: Any = torch.device(
                device or ('cuda' if torch.cuda.is_available() else 'cpu')
            )
            self._model.to(self._device).eval()
        except (RuntimeError, AssertionError) as error:  # PyTorch built without CUDA asserts
            msg = f'PyTorch cannot use the device {device!r}: {error}'
            raise BackendError(msg) from None
        self.device = processor_name()
        if self._device.type == 'cuda':
            self.device = torch.cuda.get_device_name(self._device)
        self._make_arrays()
        self.reset()

    def _make_arrays(self) -> None:
        model = self._bundle.model
        pixels = (model.image_height, model.image_width, 3)
        self.image: NDArray[np.uint8] = np.zeros(pixels, np.uint8)
        self.predicted_image: NDArray[np.uint8] = np.zeros(pixels, np.uint8)
        self.joints: Array = np.zeros(model.joint_dim, np.float32)
        self.predicted_joints: Array = np.zeros(model.joint_dim, np.float32)
        self.encoder_points: Array | None = None
        self.decoder_points: Array | None = None
        if model.k_dim is not None:
            self.encoder_points = np.zeros((model.k_dim, 2), np.float32)
            self.decoder_points = np.zeros((model.k_dim, 2), np.float32)

    def renew_image(self) -> None:
        """Do nothing: the image is read anew in every frame; see `Backend`."""

    def run_motion(self, mix: float = 1.0) -> None:
        """Run the whole model; see `Backend`."""
        timing, clock = self.timing, time.perf_counter_ns
        begin = clock()
        image, joints = self._pre_process(mix)
        pre_processed = clock()
        try:
            inputs = [self._to_device(image), self._to_device(joints)]
            copied_in = clock()
            with self._torch.inference_mode():
                *outputs, self._next_state = self._model(*inputs, self._state)
            self._wait()
            inferred = clock()
            results = [output.cpu().numpy()[0] for output in outputs]
        except RuntimeError as error:
            msg = f'PyTorch failed while it ran the {self._bundle.model.type} model: {error}'
            raise BackendError(msg) from error
        copied_out = clock()
        self._next_image, self._next_joints = results[0], results[1]
        self._post_process(results)
        timing.pre_process += pre_processed - begin
        timing.copy_in += copied_in - pre_processed
        timing.infer += inferred - copied_in
        timing.copy_out += copied_out - inferred
        timing.post_process += clock() - copied_out

    def _pre_process(self, mix: float) -> tuple[Array, Array]:
        """Make the network's inputs, float32 (1, 3, H, W) and (1, D)."""
        vmin, vmax = self._bundle.vmin, self._bundle.vmax
        planes = np.ascontiguousarray(self.image.transpose(2, 0, 1)[None], np.float32)
        image = planes / np.float32(255) * np.float32(vmax - vmin) + np.float32(vmin)
        share = (self.joints - self._low) / (self._high - self._low)
        joints = (share * (vmax - vmin) + vmin).astype(np.float32)[None]
        if mix != 1.0:
            sensed, predicted = np.float32(mix), np.float32(1.0 - mix)
            image = sensed * image + predicted * self._previous_image
            joints = sensed * joints + predicted * self._previous_joints
        return image, joints

    def _post_process(self, results: list[Array]) -> None:
        vmin, vmax = self._bundle.vmin, self._bundle.vmax
        share = (results[1] - vmin) / (vmax - vmin)
        self.predicted_joints[:] = share * (self._high - self._low) + self._low
        for points, result in ((self.encoder_points, 2), (self.decoder_points, 3)):
            if points is not None:
                points[:] = results[result].reshape(-1, 2)

    def _to_device(self, array: Array) -> Any:
        return self._torch.from_numpy(array).to(self._device)

    def _wait(self) -> None:
        if self._device.type == 'cuda':
            self._torch.cuda.synchronize(self._device)

    def advance(self) -> None:
        """Make the computed state current; see `Backend`."""
        self._state = self._next_state
        self._previous_image, self._previous_joints = self._next_image, self._next_joints

    def run_image(self) -> None:
        """Turn the image of this frame, computed with the rest, to grey levels; see `Backend`."""
        begin = time.perf_counter_ns()
        vmin, vmax = self._bundle.vmin, self._bundle.vmax
        clipped = np.clip(self._previous_image, vmin, vmax)
        levels = (clipped - np.float32(vmin)) / np.float32(vmax - vmin) * np.float32(255)
        self.predicted_image[:] = levels.astype(np.uint8).transpose(1, 2, 0)
        self.timing.image_post_process += time.perf_counter_ns() - begin

    def reset(self) -> None:
        """Set the state to zeros; see `Backend`."""
        model = self._bundle.model
        zeros = np.zeros((1, model.rec_dim), np.float32)
        self._state = (self._to_device(zeros), self._to_device(zeros.copy()))
        self._previous_joints = np.zeros(model.joint_dim, np.float32)
        self._previous_image = np.zeros((3, model.image_height, model.image_width), np.float32)

    def get_state(self) -> dict[str, Array]:
        """Return a copy of the state; see `Backend`."""
        h, c = (value[0].cpu().numpy().copy() for value in self._state)
        state = {'h': h, 'c': c}
        if self.mixing:
            state['previous_joints'] = self._previous_joints.copy()
            state['previous_image'] = self._previous_image.copy()
        return state

    def set_state(self, state: Mapping[str, Array]) -> None:
        """Replace the state; see `Backend`."""
        self._state = tuple(self._to_device(state[name].copy()[None]) for name in ('h', 'c'))
        if self.mixing:
            self._previous_joints = state['previous_joints'].copy()
            self._previous_image = state['previous_image'].copy()

    def close(self) -> None:
        """Let the model go; see `Backend`."""
        self._model = self._state = self._next_state = None
