# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What goes wrong on a real GPU: in a frame, with an engine, with memory, at the end."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from eipl_trt_ros.backends import load_backend
from eipl_trt_ros.backends.cuda import CudaDevice
from eipl_trt_ros.backends.engines import open_engines
from eipl_trt_ros.engines.store import EngineStore
from eipl_trt_ros.errors import BackendError, EiplTrtError, EngineError
from eipl_trt_ros.predictor import Predictor

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize('recorded', [True, False])
@pytest.mark.parametrize('error', [BackendError('no'), KeyboardInterrupt()])
def test_after_a_failure_in_a_frame_state_and_next_frame_are_as_if_it_had_not_been(
    recorded, error, gpu
) -> None:
    backend, demonstration = gpu.backend('cnnrnn', recorded=recorded), gpu.demonstration('cnnrnn')
    predictor = Predictor(gpu.bundle('cnnrnn'), backend)

    def step(index: int) -> np.ndarray:
        return predictor.step(demonstration.images[index], demonstration.joints[index]).joints

    predictor.reset()
    wanted = [step(index).copy() for index in range(4)]
    predictor.reset()
    np.testing.assert_array_equal(step(0), wanted[0])
    np.testing.assert_array_equal(step(1), wanted[1])
    before = backend.get_state()
    good = backend._motion_work

    def fails() -> None:
        good[backend._current]()  # the work is on the stream already when it fails
        raise error

    backend._motion_work = [fails, fails]
    try:
        with pytest.raises(type(error)):
            step(2)
    finally:
        backend._motion_work = good
    for name, array in backend.get_state().items():
        np.testing.assert_array_equal(array, before[name])
    np.testing.assert_array_equal(step(2), wanted[2])
    np.testing.assert_array_equal(step(3), wanted[3])


def test_two_predictors_on_two_threads_do_not_meet(gpu) -> None:
    frames, found, failures = 300, {}, []

    def work(model: str) -> None:
        try:
            backend = open_engines(gpu.bundle(model), 'fp32')
            with Predictor(gpu.bundle(model), backend) as predictor:
                demonstration = gpu.demonstration(model)
                joints = []
                for index in range(frames):
                    place = index % len(demonstration.images)
                    motion = predictor.step(
                        demonstration.images[place], demonstration.joints[place]
                    )
                    joints.append(motion.joints.copy())
                    predictor.predicted_image()
                found[model] = np.array(joints)
        except Exception as error:
            failures.append(error)

    models = ('sarnn', 'cnnrnn')
    threads = [threading.Thread(target=work, args=(model,)) for model in models]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    for model in models:
        predictor = Predictor(gpu.bundle(model), gpu.backend(model))
        predictor.reset()
        demonstration = gpu.demonstration(model)
        for index in range(frames):
            place = index % len(demonstration.images)
            motion = predictor.step(demonstration.images[place], demonstration.joints[place])
            np.testing.assert_array_equal(motion.joints, found[model][index])


def spoil(path: Path, how: str) -> None:
    """Cut a plan, change a byte of it, or have its manifest say that it is another machine's."""
    plan = next((path / 'engines').glob('motion-fp32-*.plan'))
    content = bytearray(plan.read_bytes())
    if how == 'truncated':
        plan.write_bytes(content[: len(content) // 2])
    elif how == 'altered':
        content[len(content) // 2] ^= 1
        plan.write_bytes(content)
    else:
        manifest = plan.with_suffix('.json')
        record = json.loads(manifest.read_text())
        machine = record['recipe']['machine']
        if how == 'another GPU':
            machine['gpu'] = {'name': 'Orin', 'compute_capability': '8.7'}
        else:
            machine['version'] = '1.0.0'
        manifest.write_text(json.dumps(record))


@pytest.mark.parametrize(
    ('how', 'reason'),
    [
        ('truncated', r'has \d+ bytes, its manifest says \d+'),
        ('altered', 'was changed since it was built'),
        ('another GPU', r'was built for Orin \(compute capability 8.7\), here is NVIDIA'),
        ('another TensorRT', 'was built by TensorRT-RTX 1.0.0, here is TensorRT-RTX'),
    ],
)
def test_an_engine_that_must_not_run_is_refused_with_the_command_that_builds_it_anew(
    how, reason, own_bundle, caplog
) -> None:
    spoil(own_bundle.path, how)
    with pytest.raises(EngineError, match=rf'{reason}.*eipl_trt build .* --graph motion'):
        load_backend(own_bundle, 'tensorrt')
    caplog.clear()
    with contextlib.closing(load_backend(own_bundle, 'auto')) as backend:
        assert backend.name == 'onnxruntime'
    (record,) = (record for record in caplog.records if record.levelname == 'WARNING')
    assert re.search(reason, record.getMessage())


def test_a_plan_that_tensorrt_itself_refuses_is_told_in_one_line(own_bundle, monkeypatch) -> None:
    monkeypatch.setattr(EngineStore, '_read_plan', lambda *_: b'nonsense' * 99)
    with pytest.raises(EngineError, match=r'motion fp32: TensorRT.* refuses the engine: .+') as e:
        open_engines(own_bundle, 'fp32')
    assert '\n' not in str(e.value)


@pytest.mark.alone
def test_out_of_device_memory_is_told_and_everything_is_given_back(own_bundle) -> None:
    device, size = CudaDevice(), 1 << 34
    while size > 1 << 16:
        try:
            with device.current():
                device.allocate(size)
        except BackendError:
            size >>= 1
    with pytest.raises(EiplTrtError, match=r'(?i)out.?of.?memory') as e:
        open_engines(own_bundle, 'fp32')
    assert '\n' not in str(e.value)
    device.close()
    backend = open_engines(own_bundle, 'fp32')
    backend.run_motion()
    backend.close()


def test_auto_takes_the_engines(own_bundle) -> None:
    backend = load_backend(own_bundle, 'auto', precision='fp16')
    assert (backend.name, backend.precision) == ('tensorrt', 'fp16')
    backend.close()
    backend.close()


START = """
import threading, time
from eipl_trt_ros.backends.engines import open_engines
from eipl_trt_ros.bundle import load_bundle

def start():
    global backend
    backend = open_engines(load_bundle({path!r}), "fp32")
    backend.run_motion()

running = threading.Event()

def run_on():
    start()
    running.set()
    while True:
        backend.run_motion()
"""
ENDS = {
    'closed': ('start(); backend.close()', 0),
    'not closed': ('start()', 0),
    'left by an exception': ('start(); raise SystemExit(3)', 3),
    'left in the middle of a frame': (
        'start()\nwith backend._device.current(): raise SystemExit(3)',
        3,
    ),
    'left while a thread of its own runs frames': (
        'threading.Thread(target=run_on, daemon=True).start(); running.wait(); time.sleep(0.5)',
        0,
    ),
}


@pytest.mark.parametrize('how', ENDS)
def test_a_process_ends_quietly(how, gpu) -> None:
    end, code = ENDS[how]
    program = START.format(path=str(gpu.bundle('cnnrnn').path)) + end
    done = subprocess.run(
        [sys.executable, '-c', program], capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.returncode, done.stdout, done.stderr) == (code, '', '')
