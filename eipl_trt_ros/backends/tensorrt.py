# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
TensorRT on a GPU: the engines of a bundle, with the state on the device.

A frame copies the image and the joints in with one copy, runs the motion engine and copies the
command out; the image engine runs behind it, on the image that is there already. h and c lie in
two buffers in turn: a frame reads one and writes the other. All of a frame's work, copies
included, is recorded once for each of the two directions and then started with one call, where
the device can record; where it cannot, it is put on the stream call by call, and `notes` say why.

Models that run side by side may share their inputs' place: whichever runs first on an image copies
it in, and the others run on it. Their frames are recorded once more for that, without the image.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import statistics
import time
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from eipl_trt_ros.backends.base import StepTimes
from eipl_trt_ros.backends.buffers import Block, Carried, Inputs
from eipl_trt_ros.backends.device import Device, byte_count
from eipl_trt_ros.backends.shared_inputs import SharedInputs
from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.engines.runtime import Engine
from eipl_trt_ros.errors import BackendError
from eipl_trt_ros.spec import TensorSpec

HOST_MEMORY = ('auto', 'copied', 'mapped')
_TRIAL_FRAMES = 50

_log = logging.getLogger(__name__)

Work = Callable[[], None]
# Inputs that a motion graph takes from what the frame before has written: (input, output).
_CARRIED = (('h', 'next_h'), ('c', 'next_c'), ('previous_joints', 'raw_joints'))
_IN = ('image', 'joints', 'mix')
_OUT = ('predicted_joints', 'encoder_points', 'decoder_points')
# marks on the stream: of the motion graph, then of the image graph
_BEGUN, _COPIED_IN, _INFERRED, _COPIED_OUT, _IMAGE_INFERRED, _IMAGE_COPIED_OUT = range(6)


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
        host_memory: ``'copied'``: inputs and outputs are copied; ``'mapped'``: engines read and
            write them in the host's memory, which on a Jetson is the device's own; ``'auto'``:
            what takes less time in a trial.
        shared: gives the place of the inputs, where other models take the same; outlives this.

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
        host_memory: str = 'auto',
        shared: SharedInputs | None = None,
    ) -> None:
        self.precision = precision
        self.mixing = mixing
        self.device = device.name
        self.recording_failure: str | None = None
        self._timing = StepTimes()
        self._unread = 0
        self._image_unread = 0
        self._device = device
        self._engines: dict[str, Engine] = {}
        self._current = 0
        self._closed = False
        try:
            with device.current():
                suffix = '_mixed' if mixing else ''
                self._motion = self._load(bundle, f'motion{suffix}', load)
                self._image = self._load(bundle, f'image{suffix}', load)
                self._make_buffers(bundle, shared)
                self._prepare(recorded, host_memory)
            self.reset()
        except BaseException:
            self.close()
            raise
        self.notes: Mapping[str, str] = {
            'CUDA graph': self.recording_failure or ('replayed' if recorded else 'not asked for'),
            'host memory': 'mapped' if self._mapped else 'copied',
        }

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

    def _make_buffers(self, bundle: Bundle, shared: SharedInputs | None) -> None:
        """Give every value its place; those that are carried on have two."""
        device = self._device
        ends = [*self._motion.inputs, *self._motion.outputs, *self._image.inputs]
        specs = {spec.name: spec for spec in [*ends, *self._image.outputs]}

        def found(*names: str) -> list[TensorSpec]:
            return [specs[name] for name in names if name in specs]

        self._in = (
            Inputs(device, found(*_IN), shared=False)
            if shared is None
            else shared.find(bundle.camera, found(*_IN))
        )
        self._out, self._picture = (
            Block(device, found(*names)) for names in (_OUT, ('predicted_image',))
        )
        self._carried = {
            taken: Carried(device, specs[taken], 2) for taken, _ in _CARRIED if taken in specs
        }
        self._staying: dict[str, int] = {}
        if self.mixing:
            # what the image graph gives is what the next frame's motion graph takes
            image = Carried(device, specs['raw_image'], 1)
            self._carried['previous_image'] = image
            self._staying['raw_image'] = image.addresses[0]
            if 'model_image' in specs:  # what the motion graph saw, for the image graph
                spec = specs['model_image']
                self._staying['model_image'] = device.allocate(byte_count(spec.shape, spec.dtype))
        arrays = {**self._in.arrays, **self._out.arrays}
        self._mix: NDArray[np.float32] | None = arrays.get('mix')
        self.image: NDArray[np.uint8] = arrays['image']
        self.joints: NDArray[np.float32] = arrays['joints']
        self.predicted_joints: NDArray[np.float32] = arrays['predicted_joints']
        self.predicted_image: NDArray[np.uint8] = self._picture.arrays['predicted_image']
        self.encoder_points: NDArray[np.float32] | None = arrays.get('encoder_points')
        self.decoder_points: NDArray[np.float32] | None = arrays.get('decoder_points')

    def _prepare(self, recorded: bool, host_memory: str) -> None:
        """Make ready all that a frame puts on the stream; try both places of values if asked."""
        choices = (False, True) if host_memory == 'auto' else (host_memory == 'mapped',)
        trials = []
        for mapped in choices:
            motion = self._both_ways(self._put_motion, mapped, recorded)
            image = self._both_ways(self._put_image, mapped, recorded)
            trials.append((mapped, motion, image))
        if len(trials) > 1:
            trials.sort(key=lambda trial: self._median_time(trial[1][0]))
        self._mapped, self._motion_work, self._image_work = trials[0]
        self._follow_work = self._motion_work
        if self._in.shared and not self._mapped:
            follow = functools.partial(self._put_motion, image=False)
            self._follow_work = self._both_ways(follow, self._mapped, recorded)

    def _both_ways(
        self, put: Callable[[int, bool], None], mapped: bool, recorded: bool
    ) -> list[Work]:
        """Make a piece of a frame ready for both of the places that the state lies in in turn."""
        return [self._prepared(put, current, mapped, recorded) for current in (0, 1)]

    def _prepared(
        self, put: Callable[[int, bool], None], current: int, mapped: bool, recorded: bool
    ) -> Work:
        """Run a piece of a frame once, as engines want before they are recorded; record it."""

        def work() -> None:
            put(current, mapped)

        work()
        self._device.synchronize()
        if not recorded or self.recording_failure is not None:
            return work
        try:
            return self._device.record(work)
        except BackendError as error:
            self.recording_failure = str(error)
            _log.warning('frames run call by call, which takes longer: %s', error)
            return work

    def _median_time(self, work: Work) -> float:
        taken = []
        for _ in range(_TRIAL_FRAMES):
            begin = time.perf_counter_ns()
            work()
            self._device.synchronize()
            taken.append(time.perf_counter_ns() - begin)
        return statistics.median(taken)

    def _put_motion(self, current: int, mapped: bool, *, image: bool = True) -> None:
        device = self._device
        if mapped:
            self._enqueue(self._motion, current, mapped)
            return
        device.mark(_BEGUN)
        self._in.put(device, image=image)
        device.mark(_COPIED_IN)
        self._enqueue(self._motion, current, mapped)
        device.mark(_INFERRED)
        self._out.copy_out()
        device.mark(_COPIED_OUT)

    def _put_image(self, current: int, mapped: bool) -> None:
        self._enqueue(self._image, current, mapped)
        if not mapped:
            self._device.mark(_IMAGE_INFERRED)
            self._picture.copy_out()
            self._device.mark(_IMAGE_COPIED_OUT)

    def _enqueue(self, engine: Engine, current: int, mapped: bool) -> None:
        """Put a run on the stream that reads this one of the two places of what is carried."""
        places = dict(self._staying)
        for block in (self._in, self._out, self._picture):
            places.update(block.mapped_addresses if mapped else block.addresses)
        for taken, given in _CARRIED:
            if taken in self._carried:
                addresses = self._carried[taken].addresses
                places[taken], places[given] = addresses[current], addresses[1 - current]
        if self.mixing:
            places['previous_image'] = places['raw_image']
        for spec in (*engine.inputs, *engine.outputs):
            engine.set_address(spec.name, places[spec.name])
        engine.enqueue(self._device.stream)

    def renew_image(self) -> None:
        """Have the image copied in by whoever runs next; see `Backend`."""
        self._in.image_copied = False

    def run_motion(self, mix: float = 1.0) -> None:
        """Run the motion engine; see `Backend`."""
        if self._mix is not None:
            self._mix[0] = mix
        work = self._follow_work if self._in.image_copied else self._motion_work
        self._unread = 0
        self._unread = self._run(work[self._current])
        if not self._mapped:
            self._in.image_copied = self._in.shared

    def advance(self) -> None:
        """Swap the places of the state; see `Backend`."""
        self._current = 1 - self._current

    def run_image(self) -> None:
        """Run the image engine; see `Backend`."""
        self._image_unread = 0
        self._image_unread = self._run(self._image_work[self._current])

    def _run(self, work: Work) -> int:
        """Run, and give the nanoseconds that it took."""
        device = self._device
        begin = time.perf_counter_ns()
        with device.current():
            try:
                work()
                device.synchronize()
            except BaseException:
                # what was put on the stream before must not meet the next frame's inputs
                with contextlib.suppress(BackendError):
                    device.synchronize()
                raise
        return time.perf_counter_ns() - begin

    @property
    def timing(self) -> StepTimes:
        """The steps; those on the device are asked for here, behind the command."""
        if (self._unread or self._image_unread) and not self._closed:
            with self._device.current():
                self._read_marks()
        return self._timing

    def _read_marks(self) -> None:
        """Add what was not added yet; starting and waiting count as inference."""
        timing, elapsed = self._timing, self._device.elapsed
        spent, self._unread = self._unread, 0
        if spent and not self._mapped:
            copied_in, copied_out = elapsed(_BEGUN, _COPIED_IN), elapsed(_INFERRED, _COPIED_OUT)
            timing.copy_in += copied_in
            timing.copy_out += copied_out
            spent = max(0, spent - copied_in - copied_out)
        timing.infer += spent
        spent, self._image_unread = self._image_unread, 0
        if spent and not self._mapped:
            copied_out = elapsed(_IMAGE_INFERRED, _IMAGE_COPIED_OUT)
            timing.image_copy_out += copied_out
            spent = max(0, spent - copied_out)
        timing.image_infer += spent

    def _state(self) -> dict[str, tuple[Carried, int]]:
        """Give what is carried from frame to frame, and which of its places is current."""
        return {
            name: (value, self._current if len(value.addresses) > 1 else 0)
            for name, value in self._carried.items()
        }

    def reset(self) -> None:
        """Set the state to zeros; see `Backend`."""
        with self._device.current():
            for value, place in self._state().values():
                value.clear(place)
            self._device.synchronize()

    def get_state(self) -> dict[str, NDArray[np.float32]]:
        """Return a copy of the state; see `Backend`."""
        with self._device.current():
            for value, place in self._state().values():
                value.copy_out(place)
            self._device.synchronize()
        return {name: value.array.copy() for name, value in self._carried.items()}

    def set_state(self, state: Mapping[str, NDArray[np.float32]]) -> None:
        """Replace the state; see `Backend`."""
        with self._device.current():
            for name, (value, place) in self._state().items():
                np.copyto(value.array, state[name])
                value.copy_in(place)
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
