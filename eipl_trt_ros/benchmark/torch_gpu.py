# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The whole model in PyTorch on a GPU: eager, as the paper's code, compiled, as a CUDA graph."""

from __future__ import annotations

from typing import Any

import numpy as np

from eipl_trt_ros.benchmark.loop import Array, WholeModelCase
from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.errors import BackendError, require

_WARM_UP = 3


class TorchCase(WholeModelCase):
    """
    Eager PyTorch with its own defaults; the state stays on the device.

    Args:
        name: of the case.
        bundle: the model.
        device: PyTorch's name of the device.

    Raises:
        MissingPackageError: PyTorch is not installed.
        BackendError: PyTorch does not have the device.

    """

    def __init__(self, name: str, bundle: Bundle, device: str = 'cuda') -> None:
        super().__init__(name, bundle)
        self._torch: Any = require('torch', install='pip install torch', needed_for=name)
        if device == 'cuda' and not self._torch.cuda.is_available():
            msg = 'PyTorch sees no GPU'
            raise BackendError(msg)
        from eipl_trt_ros.export.weights import WeightFile  # noqa: PLC0415
        from eipl_trt_ros.models import build_model  # noqa: PLC0415

        torch, model = self._torch, bundle.model
        weights = WeightFile(bundle.weights_path)
        self._network: Any = build_model(model).eval()
        self._network.load_state_dict(
            {name: torch.tensor(weights[name].values) for name in model.expected_shapes()}
        )
        self._network.to(device)
        self._device = device
        self._shapes = (
            (1, 3, model.image_height, model.image_width),
            (1, model.joint_dim),
            (1, model.rec_dim),
            (1, model.rec_dim),
        )
        self._state: Any = tuple(torch.zeros(shape, device=device) for shape in self._shapes[2:])

    def infer(self, image: Array, joints: Array) -> tuple[Array, Array]:
        """Run the model; see `WholeModelCase`."""
        with self._torch.inference_mode():
            image_out, joints_out, *_, self._state = self._network(
                self._taken(image), self._taken(joints), self._state
            )
            return image_out.cpu().numpy(), joints_out.cpu().numpy()

    def _taken(self, array: Array) -> Any:
        return self._torch.from_numpy(array).to(self._device)

    def close(self) -> None:
        """Let the model go; see `Case`."""
        self._network = None


class PaperTorchCase(TorchCase):
    """Eager PyTorch; h and c through the host, outputs fetched one by one and kept, each frame."""

    def __init__(self, name: str, bundle: Bundle, device: str = 'cuda') -> None:
        super().__init__(name, bundle, device)
        self._host_state = [np.zeros(shape, np.float32) for shape in self._shapes[2:]]
        self._kept: list[Array] = []

    def infer(self, image: Array, joints: Array) -> tuple[Array, Array]:
        """Run the model; see `WholeModelCase`."""
        with self._torch.inference_mode():
            taken = self._taken(image), self._taken(joints)
            state = tuple(self._taken(array) for array in self._host_state)
            *given, state = self._network(*taken, state)
            if self._device == 'cuda':
                self._torch.cuda.synchronize()
            self._host_state = [array.cpu().numpy() for array in state]
            found = [array.cpu().numpy() for array in given]
        self._kept = [array.copy() for array in found]
        return found[0], found[1]


class CompiledCase(TorchCase):
    """
    torch.compile for short delays: kernels of its own, under CUDA graphs that it makes itself.

    Raises:
        BackendError: it cannot be compiled here.

    """

    def __init__(self, name: str, bundle: Bundle, device: str = 'cuda') -> None:
        super().__init__(name, bundle, device)
        self._network = self._torch.compile(self._network, mode='reduce-overhead')
        zeros = [np.zeros(shape, np.float32) for shape in self._shapes[:2]]
        try:
            for _ in range(_WARM_UP):  # compiled in the first run, recorded in the next ones
                self.infer(zeros[0], zeros[1])
        except Exception as error:  # compilers fail in many ways
            msg = f'torch.compile failed: {" ".join(str(error).split())[:200]}'
            raise BackendError(msg) from error
        for value in self._state:
            value.zero_()

    def infer(self, image: Array, joints: Array) -> tuple[Array, Array]:
        """Run the model; see `WholeModelCase`."""
        with self._torch.no_grad():
            image_out, joints_out, *_, state = self._network(
                self._taken(image), self._taken(joints), self._state
            )
            # the next run writes its outputs to the same places, so what it reads is elsewhere
            for kept, new in zip(self._state, state, strict=True):
                kept.copy_(new)
            return image_out.cpu().numpy(), joints_out.cpu().numpy()


class GraphCase(TorchCase):
    """
    PyTorch's own kernels recorded as one CUDA graph, with page-locked arrays on the host.

    As far as one can go with PyTorch alone: copies in, the model, the state's way back to where it
    is read from, and copies out are one launch and one wait.

    Raises:
        BackendError: there is no GPU, or the model cannot be recorded.

    """

    def __init__(self, name: str, bundle: Bundle) -> None:
        super().__init__(name, bundle)
        torch, device = self._torch, self._device
        self._given = [torch.zeros(shape).pin_memory() for shape in self._shapes[:2]]
        self._found = [torch.zeros(shape).pin_memory() for shape in self._shapes[:2]]
        self._inputs = [torch.zeros(shape, device=device) for shape in self._shapes[:2]]
        self._graph = torch.cuda.CUDAGraph()
        try:
            aside = torch.cuda.Stream()
            with torch.inference_mode(), torch.cuda.stream(aside):
                for _ in range(_WARM_UP):
                    self._put()
                torch.cuda.synchronize()
                # So that what cuBLAS works in is recorded too, and belongs to the graph:
                # torch.compile, beside it, gives back what there was before.
                torch._C._cuda_clearCublasWorkspaces()
                with torch.cuda.graph(self._graph, stream=aside):
                    self._put()
                for value in self._state:
                    value.zero_()
                torch.cuda.synchronize()
        except RuntimeError as error:
            msg = f'PyTorch cannot record the model: {" ".join(str(error).split())[:200]}'
            raise BackendError(msg) from error

    def _put(self) -> None:
        for place, array in zip(self._inputs, self._given, strict=True):
            place.copy_(array, non_blocking=True)
        image, joints, *_, state = self._network(*self._inputs, self._state)
        for place, value in zip(
            (*self._state, *self._found), (*state, image, joints), strict=True
        ):
            place.copy_(value, non_blocking=True)

    def infer(self, image: Array, joints: Array) -> tuple[Array, Array]:
        """Run the model; see `WholeModelCase`."""
        for place, array in zip(self._given, (image, joints), strict=True):
            np.copyto(place.numpy(), array)
        self._graph.replay()
        self._torch.cuda.current_stream().synchronize()
        return self._found[0].numpy(), self._found[1].numpy()
