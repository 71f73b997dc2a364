# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
TensorRT on a GPU: the engines of a bundle, with the state on the device.

A frame copies the image and the joints in once, runs the motion engine and copies the command
out; the image engine runs behind it, on the image that is there already. h and c lie in two
buffers in turn: a frame reads one and writes the other. All of a frame's work, copies included,
is recorded once for each of the two directions and then started with one call, where the device
can record; where it cannot, it is put on the stream call by call, and `recording_failure` says
why.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from eipl_trt_ros.backends.base import StepTimes
from eipl_trt_ros.backends.cuda import CudaDevice
from eipl_trt_ros.backends.device import Device, byte_count
from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.engines.machine import this_machine
from eipl_trt_ros.engines.runtime import Engine
from eipl_trt_ros.engines.store import EngineStore
from eipl_trt_ros.engines.tensorrt_api import find_tensorrt
from eipl_trt_ros.errors import BackendError
from eipl_trt_ros.spec import TensorSpec

Work = Callable[[], None]
# Inputs that a motion graph takes from what a frame before has written: (input, output).
_CARRIED = (('h', 'next_h'), ('c', 'next_c'), ('previous_joints', 'raw_joints'))
_TO_HOST = ('predicted_joints', 'encoder_points', 'decoder_points')


class TensorRTBackend:
    """
    Runs a bundle's engines.

    Args:
        bundle: the model.
        precision: of the engines.
        device: what they run on; closed together with the backend.
        load: gives the engine of a graph, such as ``'motion'``; called on the device.
        mixing: whether frames will be mixed with the previous prediction.
        recorded: whether to record a frame's work, see `Device.record`.

    Raises:
        BackendError: an engine's inputs or outputs are not those of the model.

    """

    name = 'tensorrt'

    def __init__(
        self,
        bundle: Bundle,
        precision: str,
        device: Device,
        load: Callable[[str], Engine],
        *,
        mixing: bool = False,
        recorded: bool = True,
    ) -> None:
        self.precision = precision
        self.mixing = mixing
        self.device = device.name
        self.timing = StepTimes()
        self.recording_failure: str | None = None
        self._device = device
        self._engines: dict[str, Engine] = {}
        self._current = 0
        self._closed = False
        try:
            with device.current():
                suffix = '_mixed' if mixing else ''
                self._motion = self._load(bundle, f'motion{suffix}', load)
                self._image = self._load(bundle, f'image{suffix}', load)
                self._make_buffers()
                self._motion_work = [self._prepared(self._put_motion, i, recorded) for i in (0, 1)]
                self._image_work = [self._prepared(self._put_image, i, recorded) for i in (0, 1)]
            self.reset()
        except BaseException:
            self.close()
            raise

    def _load(self, bundle: Bundle, graph: str, load: Callable[[str], Engine]) -> Engine:
        engine = load(graph)
        self._engines[graph] = engine
        for found, expected in (
            (engine.inputs, bundle.model.graph_inputs(graph)),
            (engine.outputs, bundle.model.graph_outputs(graph)),
        ):
            if set(found) != set(expected):
                msg = (
                    f'the {graph} engine of {bundle.path} has {found}, the model needs '
                    f'{expected}; build it anew with: eipl_trt build {bundle.path} --force'
                )
                raise BackendError(msg)
        return engine

    def _make_buffers(self) -> None:
        """Give every value a place on the device, two of those that are carried on."""
        ends = [*self._motion.inputs, *self._motion.outputs, *self._image.inputs]
        specs = {spec.name: spec for spec in [*ends, *self._image.outputs]}
        written = dict(_CARRIED)
        self._carried = {
            name: [self._allocate(specs[name]) for _ in (0, 1)]
            for name in written
            if name in specs
        }
        self._sizes = {spec.name: byte_count(spec.shape, spec.dtype) for spec in specs.values()}
        shared = specs.keys() - written.keys() - set(written.values())
        # the image graph's raw image is what the next frame's motion graph takes
        shared -= {'previous_image'}
        self._places = {name: self._allocate(specs[name]) for name in sorted(shared)}
        if self.mixing:
            self._places['previous_image'] = self._places['raw_image']
        host = {
            name: self._device.page_locked(spec.shape, spec.dtype)
            for name, spec in specs.items()
            if name != 'model_image'  # never leaves the device
        }
        self._host = host
        self.image: NDArray[np.uint8] = host['image']
        self.joints: NDArray[np.float32] = host['joints']
        self.predicted_joints: NDArray[np.float32] = host['predicted_joints']
        self.predicted_image: NDArray[np.uint8] = host['predicted_image']
        self.encoder_points: NDArray[np.float32] | None = host.get('encoder_points')
        self.decoder_points: NDArray[np.float32] | None = host.get('decoder_points')

    def _allocate(self, spec: TensorSpec) -> int:
        return self._device.allocate(byte_count(spec.shape, spec.dtype))

    def _prepared(self, put: Callable[[int], None], current: int, recorded: bool) -> Work:
        """Run a piece of a frame once, as engines want before they are recorded; record it."""

        def work() -> None:
            put(current)

        work()
        self._device.synchronize()
        if not recorded or self.recording_failure is not None:
            return work
        try:
            return self._device.record(work)
        except BackendError as error:
            self.recording_failure = str(error)
            return work

    def _put_motion(self, current: int) -> None:
        device, engine = self._device, self._motion
        device.mark(0)
        for name in ('image', 'joints', 'mix'):
            if name in self._places:
                device.copy_in(self._places[name], self._host[name])
        device.mark(1)
        self._bind(engine, current)
        engine.enqueue(device.stream)
        device.mark(2)
        for name in _TO_HOST:
            if name in self._places:
                device.copy_out(self._host[name], self._places[name])
        device.mark(3)

    def _put_image(self, current: int) -> None:
        device, engine = self._device, self._image
        device.mark(0)
        self._bind(engine, current)
        engine.enqueue(device.stream)
        device.mark(1)
        device.copy_out(self.predicted_image, self._places['predicted_image'])
        device.mark(2)

    def _bind(self, engine: Engine, current: int) -> None:
        """Tell an engine where its values lie when a frame reads this one of the two buffers."""
        places = dict(self._places)
        for taken, given in _CARRIED:
            if taken in self._carried:
                places[taken] = self._carried[taken][current]
                places[given] = self._carried[taken][1 - current]
        for spec in (*engine.inputs, *engine.outputs):
            engine.set_address(spec.name, places[spec.name])

    def run_motion(self, mix: float = 1.0) -> None:
        """Run the motion engine; see `Backend`."""
        if self.mixing:
            self._host['mix'][0] = mix
        work = self._motion_work[self._current]
        spent, copied_in, copied_out = self._run(work, (0, 1), (2, 3))
        self.timing.copy_in += copied_in
        self.timing.copy_out += copied_out
        # what starting and waiting took beside the stream's own time counts as inference
        self.timing.infer += max(0, spent - copied_in - copied_out)

    def advance(self) -> None:
        """Swap the state buffers; see `Backend`."""
        self._current = 1 - self._current

    def run_image(self) -> None:
        """Run the image engine; see `Backend`."""
        spent, copied_out = self._run(self._image_work[self._current], (1, 2))
        self.timing.image_copy_out += copied_out
        self.timing.image_infer += max(0, spent - copied_out)

    def _run(self, work: Work, *spans: tuple[int, int]) -> tuple[int, ...]:
        """Run, and give the nanoseconds of all of it and of spans between two marks."""
        begin = time.perf_counter_ns()
        with self._device.current():
            work()
            self._device.synchronize()
            spent = time.perf_counter_ns() - begin
            return spent, *(self._device.elapsed(*span) for span in spans)

    def _state_places(self) -> dict[str, int]:
        places = {name: pair[self._current] for name, pair in self._carried.items()}
        if self.mixing:
            places['previous_image'] = self._places['previous_image']
        return places

    def reset(self) -> None:
        """Set the state to zeros; see `Backend`."""
        with self._device.current():
            for name, address in self._state_places().items():
                self._device.clear(address, self._sizes[name])
            self._device.synchronize()

    def get_state(self) -> dict[str, NDArray[np.float32]]:
        """Return a copy of the state; see `Backend`."""
        places = self._state_places()
        with self._device.current():
            for name, address in places.items():
                self._device.copy_out(self._host[name], address)
            self._device.synchronize()
        return {name: self._host[name].copy() for name in places}

    def set_state(self, state: Mapping[str, NDArray[np.float32]]) -> None:
        """Replace the state; see `Backend`."""
        with self._device.current():
            for name, address in self._state_places().items():
                np.copyto(self._host[name], state[name])
                self._device.copy_in(address, self._host[name])
            self._device.synchronize()

    def close(self) -> None:
        """Release engines, then the device; see `Backend`."""
        if self._closed:
            return
        self._closed = True
        with self._device.current():
            for engine in self._engines.values():
                engine.close()
        self._engines = {}
        self._device.close()


def open_engines(
    bundle: Bundle, precision: str, *, mixing: bool = False, gpu: int = 0
) -> TensorRTBackend:
    """
    Make the backend for the engines that a bundle holds for this machine.

    Args:
        bundle: the model.
        precision: ``fp32``, ``fp16`` or ``int8``.
        mixing: whether frames will be mixed with the previous prediction.
        gpu: which GPU.

    Raises:
        EngineError: an engine is missing, damaged, or made for something else; the text says
            how to build it.
        BackendError: there is no GPU, or it has no room.
        MissingPackageError: TensorRT or pycuda is not installed.

    """
    tensorrt = find_tensorrt()
    store, machine = EngineStore(bundle), this_machine(tensorrt, gpu)
    suffix = '_mixed' if mixing else ''
    graphs = (f'motion{suffix}', f'image{suffix}')
    plans = {graph: store.load(graph, precision, machine)[1] for graph in graphs}

    def load(graph: str) -> Engine:
        return tensorrt.load(plans[graph], f'{bundle.path}: {graph} {precision}')

    return TensorRTBackend(bundle, precision, CudaDevice(gpu), load, mixing=mixing)
