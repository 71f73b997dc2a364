# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The state on the device, the ways of running a frame, and the order of what the GPU does."""

from __future__ import annotations

import contextlib
import gc
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import psutil
import pytest

from eipl_trt_ros.backends.cuda import CudaDevice
from eipl_trt_ros.backends.driver import find_driver
from eipl_trt_ros.backends.engines import open_engines
from eipl_trt_ros.backends.tensorrt import TensorRTBackend
from eipl_trt_ros.engines.machine import this_machine
from eipl_trt_ros.engines.runtime import Engine
from eipl_trt_ros.engines.store import EngineStore
from eipl_trt_ros.engines.tensorrt_api import find_tensorrt
from eipl_trt_ros.predictor import Predictor

pytestmark = pytest.mark.gpu

MODELS = ('sarnn', 'cnnrnn', 'cnnrnnln')


def run(backend, bundle, demonstration, frames: int, each: Callable[[], None] = lambda: None):
    """Return joints and images of a demonstration's first frames, from a fresh state."""
    predictor = Predictor(bundle, backend, input_mixing=0.8 if backend.mixing else 1.0)
    predictor.reset()
    joints, images = [], []
    for index in range(frames):
        motion = predictor.step(demonstration.images[index], demonstration.joints[index])
        joints.append(motion.joints.copy())
        images.append(predictor.predicted_image().copy())
        each()
    return np.array(joints), np.array(images)


@pytest.mark.parametrize('mixing', [False, True])
@pytest.mark.parametrize('model', MODELS)
def test_a_state_that_goes_through_the_host_each_frame_gives_the_same_bits(
    model, mixing, gpu
) -> None:
    backend = gpu.backend(model, mixing=mixing)
    arguments = backend, gpu.bundle(model), gpu.demonstration(model), 30
    stayed = run(*arguments)

    def through_the_host() -> None:
        state = backend.get_state()
        backend.reset()
        backend.set_state(state)

    went = run(*arguments, through_the_host)
    for found, wanted in zip(went, stayed, strict=True):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize(
    'settings', [{'recorded': False}, {'host_memory': 'mapped'}, {'host_memory': 'copied'}]
)
@pytest.mark.parametrize('model', MODELS)
def test_every_way_of_running_a_frame_gives_the_same_bits(model, settings, gpu) -> None:
    usual, other = gpu.backend(model), gpu.backend(model, **settings)
    assert usual.notes['CUDA graph'] == 'replayed'
    assert (other.notes['CUDA graph'] == 'replayed') == settings.get('recorded', True)
    arguments = gpu.bundle(model), gpu.demonstration(model), 10
    for found, wanted in zip(run(other, *arguments), run(usual, *arguments), strict=True):
        np.testing.assert_array_equal(found, wanted)


class Waiting:
    """An engine that waits for its run, which no stream lets be recorded."""

    def __init__(self, engine: Engine, device: CudaDevice) -> None:
        self.inputs, self.outputs = engine.inputs, engine.outputs
        self.set_address, self.close = engine.set_address, engine.close
        self._engine, self._device = engine, device

    def enqueue(self, stream: int) -> None:
        self._engine.enqueue(stream)
        self._device.synchronize()


def test_an_engine_that_cannot_be_recorded_runs_call_by_call_and_says_so(gpu) -> None:
    bundle, device, tensorrt = gpu.bundle('cnnrnn'), CudaDevice(), find_tensorrt()

    def load(graph: str) -> Engine:
        plan = EngineStore(bundle).load(graph, 'fp32', this_machine(tensorrt))[1]
        return Waiting(tensorrt.load(plan, graph), device)

    backend = TensorRTBackend(bundle, 'fp32', device, load)
    try:
        assert 'CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED' in backend.notes['CUDA graph']
        arguments = bundle, gpu.demonstration('cnnrnn'), 10
        wanted = run(gpu.backend('cnnrnn'), *arguments)
        for found, expected in zip(run(backend, *arguments), wanted, strict=True):
            np.testing.assert_array_equal(found, expected)
    finally:
        backend.close()


def test_no_context_is_left_on_the_thread(gpu) -> None:
    """On a thread of its own: PyTorch leaves one on a thread that it runs on."""
    import ctypes  # noqa: PLC0415

    def frames() -> int | None:
        with contextlib.closing(open_engines(gpu.bundle('cnnrnn'), 'fp32')) as backend:
            run(backend, gpu.bundle('cnnrnn'), gpu.demonstration('cnnrnn'), 2)
        context = ctypes.c_void_p()
        find_driver().call('cuCtxGetCurrent', ctypes.byref(context))
        return context.value

    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(frames).result() is None


@pytest.mark.alone
def test_the_steps_of_a_frame_are_told_by_the_gpus_clock(gpu, measured) -> None:
    for settings in ({'host_memory': 'copied'}, {'host_memory': 'mapped'}):
        backend = gpu.backend('sarnn', **settings)
        run(backend, gpu.bundle('sarnn'), gpu.demonstration('sarnn'), 20)
        steps = backend.timing
        copied = settings['host_memory'] == 'copied'
        assert (steps.copy_in > 0) == (steps.copy_out > 0) == (steps.image_copy_out > 0) == copied
        assert steps.infer > steps.copy_in
        assert steps.image_infer > steps.image_copy_out
        named = {name: f'{ns / 1e3:.1f}' for name, ns in steps.as_dict().items() if ns}
        measured(f'{settings["host_memory"]}, us: {named}')


def test_the_gpu_does_a_frame_in_the_order_that_was_meant(gpu, measured) -> None:
    torch = pytest.importorskip('torch')
    if not torch.cuda.is_available():
        pytest.skip('PyTorch, whose profiler is used, sees no GPU')
    from torch.profiler import ProfilerActivity, profile  # noqa: PLC0415

    for settings, expected in (
        ({'host_memory': 'copied'}, ['HtoD', 'kernels', 'DtoH', 'kernels', 'DtoH']),
        ({'host_memory': 'mapped'}, ['kernels']),
    ):
        backend = gpu.backend('sarnn', **settings)
        demonstration = gpu.demonstration('sarnn')
        run(backend, gpu.bundle('sarnn'), demonstration, 5)
        predictor = Predictor(gpu.bundle('sarnn'), backend)
        with profile(activities=[ProfilerActivity.CUDA]) as traced:
            predictor.step(demonstration.images[0], demonstration.joints[0])
            predictor.predicted_image()
        events = [e for e in traced.events() if e.device_type == torch.autograd.DeviceType.CUDA]
        events.sort(key=lambda event: event.time_range.start)
        found = [_kind(event.name) for event in events]
        phases = [kind for i, kind in enumerate(found) if i == 0 or found[i - 1] != kind]
        measured(f'{settings["host_memory"]}: {len(events)} operations, {" ".join(phases)}')
        assert phases == expected


def _kind(name: str) -> str:
    return next((kind for kind in ('HtoD', 'DtoH', 'DtoD', 'Memset') if kind in name), 'kernels')


@pytest.mark.alone
@pytest.mark.parametrize('precision', ['fp32', 'fp16'])
@pytest.mark.parametrize('model', MODELS)
def test_what_a_frame_costs_beside_the_engine_is_small(
    model, precision, gpu, measured, monkeypatch
) -> None:
    """The host's time of a motion frame: all but what it waits for the GPU."""
    backend, bundle = gpu.backend(model, precision), gpu.bundle(model)
    assert backend.notes['CUDA graph'] == 'replayed'
    wait, clock = backend._device.synchronize, time.perf_counter_ns
    waited = 0

    def timed() -> None:
        nonlocal waited
        begin = clock()
        wait()
        waited = clock() - begin

    monkeypatch.setattr(backend._device, 'synchronize', timed)
    predictor, demonstration = Predictor(bundle, backend), gpu.demonstration(model)
    lap, spent = len(demonstration.images), []
    for index in range(2200):
        place = index % lap
        begin = clock()
        predictor.step(demonstration.images[place], demonstration.joints[place])
        spent.append((clock() - begin, waited))
    whole, waiting = np.array(spent[200:]).T / 1e3
    low, median, high = np.percentile(whole - waiting, [25, 50, 75])
    measured(
        f'{backend.notes["host memory"]}: host {median:.1f} us (quartiles {low:.1f} to '
        f'{high:.1f}); frame {np.median(whole):.1f}, of which it waits {np.median(waiting):.1f}'
    )
    assert median < 200


@pytest.mark.alone
def test_opening_and_closing_leaves_nothing_behind(own_bundle, measured) -> None:
    """With kernels that are kept; compiling them leaves something in TensorRT-RTX each time."""
    process, memory, sizes, took = psutil.Process(), DeviceMemory(), [], []
    for _ in range(15):
        begin = time.perf_counter()
        backend = open_engines(own_bundle, 'fp32')
        took.append(time.perf_counter() - begin)
        backend.run_motion()
        backend.close()
        del backend
        gc.collect()
        sizes.append((process.memory_info().rss, memory.used()))
    host, device = np.diff(np.array(sizes[3:]), axis=0).mean(axis=0)
    measured(
        f'{host / 1e6:.3f} MB of the host, {device / 1e6:.3f} MB of the GPU a time '
        f'({memory.how}); opened in {np.median(took):.3f} s'
    )
    assert host < 10e6
    assert device < 4e6


@pytest.mark.slow
@pytest.mark.alone
def test_a_hundred_thousand_frames_leave_nothing_behind_and_do_not_drift(gpu, measured) -> None:
    """In the precision that ``auto`` takes on most GPUs."""
    frames = int(os.environ.get('EIPL_TRT_GPU_FRAMES', '100000'))
    backend, bundle, demonstration = (
        gpu.backend('cnnrnn', 'fp16'),
        gpu.bundle('cnnrnn'),
        gpu.demonstration('cnnrnn'),
    )
    lap = len(demonstration.images)
    arguments = backend, bundle, demonstration, lap
    first = run(*arguments)
    process, memory = psutil.Process(), DeviceMemory()
    laps, begin = -(-frames // lap), time.monotonic()

    def sizes() -> tuple[int, int, int, int]:
        gc.collect()
        return process.memory_info().rss, memory.used(), process.num_fds(), process.num_threads()

    for number in range(2, laps + 1):
        for found, wanted in zip(run(*arguments), first, strict=True):
            assert np.array_equal(found, wanted)
        if number == min(20, laps):
            before = sizes()
        if number % 200 == 0:
            measured(f'{number * lap} frames, each lap as the first to the bit; now {sizes()}')
    after = sizes()
    measured(
        f'{laps * lap} frames with image in {time.monotonic() - begin:.0f} s; host, GPU '
        f'({memory.how}), files, threads: {before} after {min(20, laps)} laps, {after} at the end'
    )
    assert after[0] - before[0] < 8e6
    assert after[1] - before[1] < 8e6
    assert after[2:] <= before[2:]


class DeviceMemory:
    """The GPU's memory that this process uses; all that is used, where nobody tells it apart."""

    def __init__(self) -> None:
        self.how = 'of this process'
        if self._own() is None:
            self.how = 'of all processes'

    def used(self) -> int:
        """Return the bytes in use."""
        own = self._own()
        if own is not None:
            return own
        import pycuda.driver  # noqa: PLC0415

        with CudaDevice().current():
            free, total = pycuda.driver.mem_get_info()
        return total - free

    @staticmethod
    def _own() -> int | None:
        try:
            import pynvml as nvml  # noqa: PLC0415
        except ImportError:
            return None
        nvml.nvmlInit()
        try:
            device = nvml.nvmlDeviceGetHandleByIndex(0)
            processes = nvml.nvmlDeviceGetComputeRunningProcesses(device)
        except nvml.NVMLError:
            return None
        finally:
            nvml.nvmlShutdown()
        return next((one.usedGpuMemory for one in processes if one.pid == os.getpid()), None)
