# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from builders import SPECS, write_weights_only_bundle

from eipl_trt_ros.bundle import load_bundle
from eipl_trt_ros.errors import BundleError
from eipl_trt_ros.robot import CameraSpec, Crop


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    text = path / 'bundle.yaml'
    data = yaml.safe_load(text.read_text())
    change(data)
    text.write_text(yaml.safe_dump(data))


def drop(key: str) -> Callable[[dict[str, Any]], object]:
    return lambda data: data.pop(key)


def put(**values: object) -> Callable[[dict[str, Any]], object]:
    return lambda data: data.update(values)


def put_joint(index: int, **values: object) -> Callable[[dict[str, Any]], object]:
    return lambda data: data['joints'][index].update(values)


@pytest.mark.parametrize('model', SPECS)
def test_a_bundle_reads_back_as_it_was_written(tmp_path: Path, model: str) -> None:
    camera = CameraSpec('bgr8', 2, Crop(10, 20, 300, 310), 'vertical')
    written = write_weights_only_bundle(tmp_path, SPECS[model], camera=camera)
    assert load_bundle(tmp_path) == written
    assert written.camera == camera
    assert written.model == SPECS[model]


def test_a_folder_without_bundle_yaml_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r'is not a bundle: it has no bundle\.yaml'):
        load_bundle(tmp_path)


def test_a_bundle_yaml_that_is_no_yaml_is_refused(tmp_path: Path) -> None:
    write_weights_only_bundle(tmp_path)
    (tmp_path / 'bundle.yaml').write_text('name: [')
    with pytest.raises(BundleError, match=r'bundle\.yaml cannot be read'):
        load_bundle(tmp_path)


def test_yaml_tags_that_make_objects_are_refused(tmp_path: Path) -> None:
    write_weights_only_bundle(tmp_path)
    (tmp_path / 'bundle.yaml').write_text('!!python/object/apply:os.getcwd []')
    with pytest.raises(BundleError, match='cannot be read'):
        load_bundle(tmp_path)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (drop('rate_hz'), "lacks the key 'rate_hz'"),
        (drop('camera'), "lacks the key 'camera'"),
        (put(ratehz=10), "unknown key 'ratehz'"),
        (put(format=2), 'format is 2, this version of eipl_trt_ros reads 1'),
        (put(rate_hz='fast'), r"bundle\.rate_hz is 'fast', expected float"),
        (put(rate_hz=0), r'rate_hz is 0\.0, expected the positive rate'),
        (put(vmin=1.0), r'vmin 1\.0 and vmax 1\.0'),
        (put(name=''), 'name is empty'),
        (put(joints={}), 'expected a list'),
        (lambda data: data['joints'].pop(), 'joints lists 7, but model.joint_dim is 8'),
        (lambda data: data['camera'].pop('encoding'), "camera lacks the key 'encoding'"),
        (lambda data: data['camera'].update(encoding='yuv'), "encoding is 'yuv', expected one of"),
        (lambda data: data['camera'].update(stride=0), 'stride is 0'),
        (lambda data: data['model'].update(k_dim=5), 'k_dim'),
        (lambda data: data['model'].update(type='gpt'), 'gpt'),
        (lambda data: data['files'].clear(), r'files lacks weights\.safetensors'),
        (
            lambda data: data['model'].update(rec_dim=49),
            r'weights\.safetensors: tensor \S+ has the shape',
        ),
        (put_joint(1, name='joint1'), "joint 'joint1' is listed twice"),
        (put_joint(0, maximum=-1.0), 'span nothing'),
        (put_joint(0, maximum=float('nan')), 'not finite'),
        (put_joint(0, source='prediction'), "'initial' is given exactly when"),
        (put_joint(0, sink='open_close'), 'close_above'),
        (put_joint(7, close_above=0.1), 'would chatter'),
        (put_joint(7, initial=2.0), r'initial 2\.0 is outside'),
    ],
)
def test_a_bundle_that_is_incomplete_or_contradicts_itself_is_refused_by_name(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    write_weights_only_bundle(tmp_path)
    edit(tmp_path, change)
    with pytest.raises(BundleError, match=message):
        load_bundle(tmp_path)


def test_a_missing_weight_file_is_named(tmp_path: Path) -> None:
    bundle = write_weights_only_bundle(tmp_path)
    bundle.weights_path.unlink()
    with pytest.raises(BundleError, match=r'lacks weights\.safetensors'):
        load_bundle(tmp_path)


def test_a_weight_file_with_one_flipped_bit_is_refused(tmp_path: Path) -> None:
    bundle = write_weights_only_bundle(tmp_path)
    data = bytearray(bundle.weights_path.read_bytes())
    data[-1] ^= 1
    bundle.weights_path.write_bytes(data)
    with pytest.raises(BundleError, match='was changed: its SHA-256'):
        load_bundle(tmp_path)


def test_a_half_copied_weight_file_is_refused(tmp_path: Path) -> None:
    bundle = write_weights_only_bundle(tmp_path)
    data = bundle.weights_path.read_bytes()
    bundle.weights_path.write_bytes(data[: len(data) // 2])
    with pytest.raises(BundleError, match=r'bytes, bundle\.yaml says'):
        load_bundle(tmp_path)


def test_a_file_name_that_leaves_the_bundle_is_refused(tmp_path: Path) -> None:
    write_weights_only_bundle(tmp_path)
    edit(
        tmp_path,
        lambda data: data['files'].update({'../secret': {'sha256': 'x', 'bytes': 1}}),
    )
    with pytest.raises(BundleError, match='not a plain name'):
        load_bundle(tmp_path)


def test_a_graph_that_was_never_exported_names_the_command(tmp_path: Path) -> None:
    bundle = write_weights_only_bundle(tmp_path)
    with pytest.raises(BundleError, match='eipl_trt export'):
        bundle.graph_path('motion')


def test_joints_are_normalised_to_vmin_at_their_minimum_and_vmax_at_their_maximum(
    tmp_path: Path,
) -> None:
    bundle = write_weights_only_bundle(tmp_path)
    np.testing.assert_allclose(bundle.normalise_joints(bundle.joint_minimum), 0.0)
    np.testing.assert_allclose(bundle.normalise_joints(bundle.joint_maximum), 1.0)
