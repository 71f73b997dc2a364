# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
from builders import SPECS, make_pictures, write_random_bundle

from eipl_trt_ros.backends import Backend, load_backend
from eipl_trt_ros.bundle import Bundle, write_bundle
from eipl_trt_ros.errors import BackendError


@pytest.fixture(scope='module')
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return write_random_bundle(tmp_path_factory.mktemp('sarnn'), SPECS['sarnn'])


def test_a_frame_that_is_not_advanced_leaves_the_state_as_it_was(bundle: Bundle) -> None:
    backend = load_backend(bundle, 'onnxruntime')
    np.copyto(backend.image, make_pictures(1, 128, 128)[0])
    backend.run_motion()
    assert not backend.get_state()['h'].any()
    first = backend.predicted_joints.copy()
    backend.run_motion()
    np.testing.assert_array_equal(backend.predicted_joints, first)
    backend.advance()
    assert backend.get_state()['h'].any()
    backend.close()


def test_a_sarnn_frame_gives_attention_points_inside_the_image(bundle: Bundle) -> None:
    backend = load_backend(bundle, 'onnxruntime')
    np.copyto(backend.image, make_pictures(1, 128, 128)[0])
    backend.run_motion()
    assert backend.encoder_points is not None
    assert backend.encoder_points.shape == (5, 2)
    assert ((backend.encoder_points >= 0) & (backend.encoder_points <= 1)).all()
    assert len(np.unique(backend.encoder_points)) > 1
    backend.close()


def test_graphs_of_another_model_are_refused_by_the_name_of_what_differs(
    bundle: Bundle, tmp_path: Path
) -> None:
    other = write_random_bundle(tmp_path, SPECS['cnnrnn'])
    wrong = dataclasses.replace(other, model=bundle.model)
    with pytest.raises(BackendError, match=r"'decoder_points' is missing, .*: eipl_trt export"):
        load_backend(wrong, 'onnxruntime')


def test_a_graph_that_is_no_graph_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    shutil.copytree(bundle.path, tmp_path / 'broken')
    (tmp_path / 'broken' / 'motion.cpu.onnx').write_bytes(b'not a graph')
    broken = write_bundle(dataclasses.replace(bundle, path=tmp_path / 'broken'))
    with pytest.raises(BackendError, match=r'cannot load .*motion\.cpu\.onnx'):
        load_backend(broken, 'onnxruntime')


def test_a_precision_that_is_not_there_yet_falls_back_with_one_warning(
    bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        backend = load_backend(bundle, 'auto', precision='fp16')
    assert backend.precision == 'fp32'
    assert [record.levelname for record in caplog.records] == ['WARNING']
    assert 'in fp32 on ONNX Runtime, not in fp16 on TensorRT: there is no GPU' in caplog.text
    backend.close()


def test_a_precision_that_a_named_backend_lacks_is_refused(bundle: Bundle) -> None:
    with pytest.raises(BackendError, match='torch backend runs fp32, not int8'):
        load_backend(bundle, 'torch', precision='int8')


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        ({'name': 'openvino'}, "backend is 'openvino', expected one of auto, tensorrt, onnx"),
        ({'precision': 'fp8'}, "precision is 'fp8', expected one of auto, fp32, fp16, int8"),
        ({'threads': 0}, 'threads is 0'),
    ],
)
def test_settings_that_do_not_exist_are_refused_with_those_that_do(
    bundle: Bundle, settings: dict[str, object], message: str
) -> None:
    with pytest.raises(BackendError, match=message):
        load_backend(bundle, **settings)  # type: ignore[arg-type]


def test_closing_twice_does_nothing(bundle: Bundle) -> None:
    backend = load_backend(bundle)
    backend.close()
    backend.close()


def test_several_models_in_turn_leave_each_other_alone(tmp_path: Path) -> None:
    """Sessions work in memory that the others have just left."""
    bundles = [write_random_bundle(tmp_path / name, spec) for name, spec in SPECS.items()]
    pictures = make_pictures(3, 128, 128)

    def run(backend: Backend, picture: np.ndarray) -> list[np.ndarray]:
        backend.image[:] = picture
        backend.run_motion()
        backend.advance()
        backend.run_image()
        return [backend.predicted_joints.copy(), backend.predicted_image.copy()]

    alone = []
    for bundle in bundles:
        backend = load_backend(bundle, 'onnxruntime')
        alone.append([run(backend, picture) for picture in pictures])
        backend.close()
    together = [load_backend(bundle, 'onnxruntime') for bundle in bundles]
    for frame, picture in enumerate(pictures):
        for number, backend in enumerate(together):
            for found, expected in zip(run(backend, picture), alone[number][frame], strict=True):
                np.testing.assert_array_equal(found, expected)
    for backend in together:
        backend.close()
