# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from checkpoints import SPECS, Training

from eipl_trt_ros.errors import CheckpointError
from eipl_trt_ros.export.checkpoint import read_bounds, read_checkpoint
from eipl_trt_ros.files import sha256_of


@pytest.fixture
def training(tmp_path: Path) -> Training:
    return Training(tmp_path, SPECS['sarnn'])


def refusal(training: Training, **asked: Any) -> str:
    """Return what reading this training says against it."""
    training.write()
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(training.weights, training.arguments, **asked)
    assert '\n' not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize('name', SPECS)
def test_a_checkpoint_tells_type_sizes_and_range(name: str, tmp_path: Path) -> None:
    training = Training(tmp_path, SPECS[name]).write()
    found = read_checkpoint(training.weights, training.arguments)
    assert found.spec == SPECS[name]
    assert (found.vmin, found.vmax) == (0.0, 1.0)
    assert found.tensors.keys() == training.state.keys()
    for key, values in training.state.items():
        np.testing.assert_array_equal(found.tensors[key], values.numpy())
        assert found.tensors[key].dtype == np.float32


def bare(training: Training) -> None:
    training.content = training.state


def compiled(training: Training) -> None:
    training.content['model_state_dict'] = {
        f'_orig_mod.{name}': value for name, value in training.state.items()
    }


def half(training: Training) -> None:
    training.content['model_state_dict'] = {
        name: value.half() if 'pos' not in name or 'weight' in name else value
        for name, value in training.state.items()
    }


def with_transposed_memory(training: Training) -> None:
    weight = training.state['rec.weight_hh']
    training.state['rec.weight_hh'] = weight.T.contiguous().T


@pytest.mark.parametrize('change', [bare, compiled, half, with_transposed_memory])
def test_the_usual_ways_of_saving_are_read(
    change: Callable[[Training], None], training: Training
) -> None:
    expected = training.state['rec.weight_hh'].clone().numpy()
    change(training)
    training.write()
    found = read_checkpoint(training.weights, training.arguments)
    assert found.spec == training.spec
    np.testing.assert_allclose(found.tensors['rec.weight_hh'], expected, atol=1e-3)
    assert found.tensors['rec.weight_hh'].flags.c_contiguous


def test_where_the_model_comes_from_is_kept_without_places_and_machines(
    training: Training,
) -> None:
    training.settings['log_dir'] = '/home/somebody/log'
    training.write()
    told = read_checkpoint(training.weights, training.arguments).provenance
    assert told['epoch'] == '812'
    assert told['checkpoint'] == 'SARNN.pth'
    assert told['checkpoint_sha256'] == sha256_of(training.weights)
    assert told['test_loss'] == '0.0034'
    assert 'batch_size=5' in told['settings']
    assert 'somebody' not in str(told)
    assert 'device' not in told['settings']


def test_a_range_other_than_0_to_1_is_taken_with_a_warning(
    training: Training, caplog: pytest.LogCaptureFixture
) -> None:
    training.settings |= {'vmin': 0.1, 'vmax': 0.9}
    training.write()
    with caplog.at_level(logging.WARNING):
        found = read_checkpoint(training.weights, training.arguments)
    assert (found.vmin, found.vmax) == (0.1, 0.9)
    assert 'vmin is 0.1 and vmax is 0.9' in caplog.text


def test_without_the_position_grid_the_image_size_is_asked_for(training: Training) -> None:
    for name in ('issm.pos_xy', 'pos_encoder.6.pos_x', 'pos_encoder.6.pos_y'):
        del training.state[name]
    assert 'give --image-size HEIGHTxWIDTH' in refusal(training)
    found = read_checkpoint(training.weights, training.arguments, image_size=(40, 56))
    assert found.spec == training.spec
    assert found.tensors['issm.pos_xy'].shape == (2, 34, 50)


@pytest.mark.parametrize(
    ('asked', 'message'),
    [
        ({'model': 'cnnrnn'}, "--model says model 'cnnrnn', but .* holds the weights of a sarnn"),
        ({'image_size': (56, 40)}, r'--image-size is 56x40 .* takes 40x56'),
    ],
)
def test_what_is_asked_for_must_be_what_is_there(
    asked: dict[str, Any], message: str, training: Training
) -> None:
    training.write()
    read_checkpoint(training.weights, training.arguments, model='sarnn', image_size=(40, 56))
    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(training.weights, training.arguments, **asked)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'rec_dim': 64}, 'args.json says rec_dim 64, but in'),
        ({'k_dim': 5}, 'args.json says k_dim 5, but in'),
        ({'joint_dim': 8}, 'args.json says joint_dim 8, but in'),
        ({'im_size': [64, 64]}, 'args.json says im_size [64, 64], but in'),
        ({'model': 'CNNRNNLN'}, "args.json says model 'CNNRNNLN', but"),
        ({'temperature': None}, 'args.json must say temperature as a number, found None'),
        ({'temperature': 0}, 'temperature of a sarnn model must be a number above 0, found 0.0'),
        ({'vmin': '0'}, "args.json must say vmin as a number, found '0'"),
    ],
)
def test_settings_that_contradict_the_weights_are_refused(
    change: dict[str, Any], message: str, training: Training
) -> None:
    training.settings |= change
    assert message in refusal(training)


def test_a_setting_that_is_not_there_is_not_assumed(training: Training) -> None:
    for name in ('vmax', 'heatmap_size'):
        value = training.settings.pop(name)
        assert f'args.json must say {name} as a number, but it is not there' in refusal(training)
        training.settings[name] = value


def test_settings_that_cannot_be_read_are_refused(training: Training) -> None:
    training.write()
    for text, message in (('{', 'cannot be read as JSON'), ('[1]', 'must hold a JSON object')):
        training.arguments.write_text(text)
        with pytest.raises(CheckpointError, match=message):
            read_checkpoint(training.weights, training.arguments)
    training.arguments.unlink()
    with pytest.raises(CheckpointError, match=r'there is no .*args\.json.* give its place'):
        read_checkpoint(training.weights, training.arguments)


def lacking(training: Training) -> None:
    del training.state['decoder_point.0.bias']


def surplus(training: Training) -> None:
    training.state['extra.weight'] = torch.zeros(1)


def misshapen(training: Training) -> None:
    training.state['rec.weight_ih'] = training.state['rec.weight_ih'][:, 1:]


def not_finite(training: Training) -> None:
    training.state['im_encoder.2.bias'][3] = float('nan')


def in_pixels(training: Training) -> None:
    training.state['pos_encoder.6.pos_x'] *= 49


def foreign(training: Training) -> None:
    training.content['model_state_dict'] = {'layer1.weight': torch.zeros(3)}


def cut_off(training: Training) -> None:
    del training.state['rec.weight_hh']


def without_tensors(training: Training) -> None:
    training.content = {'epoch': 3}


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lacking, 'lacks the tensor decoder_point.0.bias: it is not a plain sarnn'),
        (surplus, 'has the unknown tensor extra.weight: it is not a plain sarnn'),
        (misshapen, 'rec.weight_ih has the shape (80, 9), expected (80, 10)'),
        (not_finite, 'im_encoder.2.bias holds NaN or infinity: the training went wrong'),
        (in_pixels, 'pos_encoder.6.pos_x does not go from 0 to 1 over the image'),
        (foreign, 'holds none of sarnn, cnnrnn, cnnrnnln: its tensors are layer1.weight'),
        (cut_off, 'is not a whole sarnn: it lacks rec.weight_hh'),
        (without_tensors, 'holds no weights, neither directly nor under model_state_dict'),
    ],
)
def test_weights_that_are_not_those_of_a_model_are_refused(
    change: Callable[[Training], None], message: str, training: Training
) -> None:
    change(training)
    found = refusal(training)
    assert message in found
    assert str(training.weights) in found


def test_a_file_with_code_in_it_is_not_loaded(training: Training, tmp_path: Path) -> None:
    trace = tmp_path / 'trace'

    class Trap:
        def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
            return Path.touch, (trace,)

    training.content['extra'] = Trap()
    found = refusal(training)
    assert 'is refused: it holds ' in found
    assert 'plain values can run code' in found
    assert not trace.exists()


@pytest.mark.parametrize('data', [b'', b'not a checkpoint', b'PK\x03\x04 cut off'])
def test_a_broken_file_is_refused(data: bytes, training: Training) -> None:
    training.write()
    training.weights.write_bytes(data)
    with pytest.raises(CheckpointError, match=r'SARNN\.pth cannot be read by torch.load'):
        read_checkpoint(training.weights, training.arguments)
    training.weights.unlink()
    with pytest.raises(CheckpointError, match=r'there is no .*SARNN\.pth'):
        read_checkpoint(training.weights, training.arguments)


def test_a_file_with_something_else_in_it_is_refused(training: Training) -> None:
    training.write()
    torch.save([1, 2], training.weights)
    with pytest.raises(CheckpointError, match='must hold a state_dict, found list'):
        read_checkpoint(training.weights, training.arguments)


@pytest.mark.parametrize(
    ('bounds', 'expected'),
    [
        (np.array([[0, 1, 2], [3, 4, 5]], np.float32), [[0, 1, 2], [3, 4, 5]]),
        (np.array([0.0, 2.0]), [[0, 0, 0], [2, 2, 2]]),
        (np.array([[0], [2]]), [[0, 0, 0], [2, 2, 2]]),
    ],
)
def test_bounds_are_read(bounds: np.ndarray, expected: list[list[float]], tmp_path: Path) -> None:
    np.save(tmp_path / 'b.npy', bounds)
    found = read_bounds(tmp_path / 'b.npy', 3)
    assert found.dtype == np.float64
    assert found.tolist() == expected


@pytest.mark.parametrize(
    ('bounds', 'message'),
    [
        (np.zeros((2, 4)), r'has the shape \(2, 4\), expected \(2, 3\)'),
        (np.zeros((3, 2)), r'has the shape \(3, 2\), expected \(2, 3\)'),
        (np.array([[0, 1, 2], [3, 1, 5.0]]), 'dimension 1 is from 1 to 1, .* never moves'),
        (np.array([[0, 4, 2], [3, 1, 5.0]]), 'dimension 1 is from 4 to 1, '),
        (np.array([[0, 1, np.nan], [3, 1, 5.0]]), 'must hold finite numbers'),
        (np.array([['a'] * 3] * 2), 'must hold finite numbers'),
        (np.array([[None] * 3] * 2), 'cannot be read as joint bounds'),
    ],
)
def test_bounds_that_cannot_be_used_are_refused(
    bounds: np.ndarray, message: str, tmp_path: Path
) -> None:
    np.save(tmp_path / 'joint_bounds.npy', bounds)
    with pytest.raises(CheckpointError, match=message):
        read_bounds(tmp_path / 'joint_bounds.npy', 3)


def test_missing_bounds_are_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r'joint_bounds\.npy cannot be read'):
        read_bounds(tmp_path / 'joint_bounds.npy', 3)
