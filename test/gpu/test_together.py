# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Models side by side on a real GPU: the picture goes there once, and nothing else changes."""

from __future__ import annotations

import contextlib
import gc
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from eipl_trt_ros.arbiter import ArbiterSettings
from eipl_trt_ros.backends import SharedInputs
from eipl_trt_ros.backends.cuda import CudaDevice
from eipl_trt_ros.backends.engines import open_engines
from eipl_trt_ros.benchmark.side_by_side import time_together
from eipl_trt_ros.ensemble import Ensemble
from eipl_trt_ros.errors import BackendError
from eipl_trt_ros.predictor import Predictor

pytestmark = pytest.mark.gpu

MODELS = ('sarnn', 'cnnrnn', 'cnnrnnln')
PICTURE, REST = 128 * 128 * 3, 256


@contextlib.contextmanager
def together(gpu, *, sharing: bool = True, mixing: float = 1.0, **settings) -> Iterator[Ensemble]:
    """Open the three models, with inputs that they share or their own."""
    with contextlib.ExitStack() as opened:
        shared = opened.enter_context(SharedInputs()) if sharing else None
        predictors = []
        for model in MODELS:
            bundle = gpu.bundle(model)
            backend = open_engines(bundle, 'fp32', mixing=mixing != 1.0, shared=shared, **settings)
            predictor = Predictor(bundle, backend, input_mixing=mixing)
            predictors.append(opened.enter_context(predictor))
        yield Ensemble(predictors, ArbiterSettings(by='topic'), shared)


def play(ensemble: Ensemble, gpu, frames: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return joints and images of all models; another drives in every frame."""
    demonstration = gpu.demonstration('sarnn')
    ensemble.reset()
    joints, images = [], []
    for frame in range(frames):
        ensemble.select(MODELS[frame % len(MODELS)])
        ensemble.step(demonstration.images[frame], demonstration.joints[frame])
        ensemble.finish_frame()
        for predictor in ensemble.predictors:
            joints.append(predictor.backend.predicted_joints.copy())
            images.append(predictor.predicted_image().copy())
    return np.array(joints), images


@pytest.mark.parametrize('mixing', [1.0, 0.8])
@pytest.mark.parametrize(
    'settings',
    [{'host_memory': 'copied'}, {'host_memory': 'copied', 'recorded': False}, {}],
    ids=['copied', 'call by call', 'auto'],
)
def test_shared_inputs_give_the_bits_of_separate_ones_whoever_drives(
    settings, mixing, gpu, measured
) -> None:
    with (
        together(gpu, mixing=mixing, **settings) as sharing,
        together(gpu, mixing=mixing, sharing=False, **settings) as separate,
    ):
        images = [predictor.backend.image for predictor in sharing.predictors]
        assert all(image is images[0] for image in images)
        found, wanted = (play(ensemble, gpu, 30) for ensemble in (sharing, separate))
        measured(', '.join(p.backend.notes['host memory'] for p in sharing.predictors))
    np.testing.assert_array_equal(found[0], wanted[0])
    np.testing.assert_array_equal(found[1], wanted[1])


@pytest.mark.parametrize(
    ('settings', 'expected'),
    [
        ({'host_memory': 'copied'}, [PICTURE + REST, REST, REST]),
        ({'host_memory': 'copied', 'sharing': False}, [PICTURE + REST] * 3),
        ({'host_memory': 'mapped'}, []),
    ],
    ids=['copied', 'copied apart', 'mapped'],
)
def test_the_profiler_sees_one_copy_of_a_picture(
    settings, expected, gpu, measured, tmp_path: Path
) -> None:
    torch = pytest.importorskip('torch')
    if not torch.cuda.is_available():
        pytest.skip('PyTorch, whose profiler is used, sees no GPU')
    from torch.profiler import ProfilerActivity, profile  # noqa: PLC0415

    demonstration = gpu.demonstration('sarnn')
    with together(gpu, **settings) as ensemble:
        play(ensemble, gpu, 3)
        with profile(activities=[ProfilerActivity.CUDA]) as traced:
            ensemble.step(demonstration.images[3], demonstration.joints[3])
            ensemble.finish_frame()
    traced.export_chrome_trace(str(tmp_path / 'trace.json'))
    events = json.loads((tmp_path / 'trace.json').read_text())['traceEvents']
    copies = sorted(
        (e for e in events if e.get('cat') == 'gpu_memcpy' and 'HtoD' in e['name']),
        key=lambda event: event['ts'],
    )
    sizes = [event['args']['bytes'] for event in copies]
    measured(f'copies to the GPU, in bytes: {sizes}')
    assert sizes == expected


@pytest.mark.parametrize('error', [BackendError('no'), KeyboardInterrupt()])
@pytest.mark.parametrize('fails', [0, 1])
def test_after_a_failure_in_a_frame_the_next_are_as_if_it_had_not_been(
    fails, error, gpu, monkeypatch
) -> None:
    """The driver fails, or the one behind it, with its work on the stream already."""
    demonstration = gpu.demonstration('sarnn')
    with together(gpu, host_memory='copied') as ensemble:
        ensemble.select('sarnn')

        def frame(index: int) -> list[np.ndarray]:
            ensemble.step(demonstration.images[index], demonstration.joints[index])
            ensemble.finish_frame()
            return [p.backend.predicted_joints.copy() for p in ensemble.predictors]

        def restored() -> None:
            for predictor, state in zip(ensemble.predictors, before, strict=True):
                predictor.restore(state)

        frame(0)
        before = [predictor.snapshot() for predictor in ensemble.predictors]
        wanted = [frame(1), frame(2)]
        restored()
        device = ensemble.predictors[fails].backend._device
        with monkeypatch.context() as patch:
            patch.setattr(device, 'synchronize', _raising(error, device.synchronize))
            with pytest.raises(type(error)):
                frame(3)
        failed = ensemble.predictors[fails].backend.get_state()
        for name, array in failed.items():
            np.testing.assert_array_equal(array, before[fails].arrays[name])
        restored()
        np.testing.assert_array_equal([frame(1), frame(2)], wanted)


def _raising(error: BaseException, wait):
    """Return a wait that fails the first time."""
    left = [error]

    def synchronize() -> None:
        if left:
            raise left.pop()
        wait()

    return synchronize


def test_models_close_in_any_order_and_nothing_stays_behind(gpu, measured) -> None:
    sizes = []
    for turn in range(6):
        with together(gpu, host_memory='copied') as ensemble:
            ensemble.predictors[turn % 3].close()
            last = ensemble.predictors[(turn + 1) % 3]
            demonstration = gpu.demonstration('sarnn')
            last.step(demonstration.images[0], demonstration.joints[0])
        del ensemble, last
        gc.collect()
        sizes.append(_free())
    grown = -np.diff(sizes[2:]).mean()
    measured(f'{grown / 1e6:.2f} MB of the GPU a time')
    assert grown < 4e6


@pytest.mark.alone
@pytest.mark.parametrize(
    ('precision', 'host_memory'), [('fp32', 'copied'), ('fp32', 'mapped'), ('fp16', 'mapped')]
)
@pytest.mark.parametrize('model', MODELS)
def test_what_one_more_model_costs(model, precision, host_memory, gpu, measured) -> None:
    bundle = gpu.bundle(model)

    def open_backend(shared: SharedInputs | None):
        return open_engines(bundle, precision, host_memory=host_memory, shared=shared)

    found = time_together(bundle, open_backend, frames=200)
    for one in found:
        inputs = 'shared' if one.shared else 'own'
        measured(
            f'{one.count} models, {inputs} inputs: to the command {one.command:.1f} us, '
            f'all {one.frame:.1f}'
        )
    single = found[0]
    for one in found[1:]:
        assert single.frame < one.frame < 2 * one.count * single.frame
        assert one.command < 2 * single.command


def _free() -> int:
    import pycuda.driver  # noqa: PLC0415

    with CudaDevice().current():
        return pycuda.driver.mem_get_info()[0]
