# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from builders import SPECS, make_pictures, write_random_bundle

from eipl_trt_ros.cli import main


def write_demonstrations(path: Path, seed: int) -> Path:
    path.mkdir()
    np.save(path / 'images.npy', np.roll(make_pictures(4, 128, 128), seed, axis=0)[None])
    np.save(path / 'joints.npy', np.random.default_rng(seed).uniform(-0.9, 0.9, (1, 4, 8)))
    return path


@pytest.mark.parametrize('model', SPECS)
def test_the_table_compares_fp16_and_int8_with_fp32(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_random_bundle(tmp_path / model, SPECS[model])
    calibration, test = (
        write_demonstrations(tmp_path / name, seed)
        for seed, name in enumerate(('calibration', 'test'))
    )
    command = ['precision', str(tmp_path / model), '--calibration', str(calibration)]
    assert main([*command, '--test', str(test), '--budget', '1000']) == 0
    out = capsys.readouterr().out
    assert f'{tmp_path / model / "int8.json"}: motion ' in out
    lines = [line.strip('| ').split(' | ') for line in out.splitlines() if line.startswith('|')]
    rows = {line[-8]: line[-8:] for line in lines if len(line) >= 8}
    assert rows['fp32'][3:6] == ['1.0000', '1.000', '0.0e+00']
    assert 0 <= float(rows['fp32'][6].split(' (')[0]) < 0.5  # what other lowest bits do
    assert rows['fp32'][7] == '0.00'
    for precision in ('fp16', 'int8'):
        rate, difference = float(rows[precision][3]), float(rows[precision][5])
        assert 0.5 < rate < 2
        assert 0 < difference < 0.5
        mean, worst = map(float, rows[precision][6].strip(')').split(' ('))
        assert 0 <= mean == worst < 0.5  # of one demonstration
        assert 0 <= float(rows[precision][7]) < 30
    assert float(rows['fp16'][5]) < float(rows['int8'][5])
    layers = [line for line in lines if len(line) == 5 and line[-1] == 'yes']
    assert len(layers) == int(rows['int8'][1].split(' + ')[0])


def test_a_bundle_can_be_calibrated_without_measuring_and_measured_without_calibrating(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / 'bundle'
    write_random_bundle(path)
    data = write_demonstrations(tmp_path / 'demonstrations', 0)
    other = write_demonstrations(tmp_path / 'other', 1)
    assert main(['precision', str(path), '--test', str(other)]) == 2
    assert f'eipl_trt precision {path} --calibration' in capsys.readouterr().err
    assert main(['precision', str(path), '--calibration', str(data)]) == 0
    assert '| model' not in capsys.readouterr().out
    assert main(['precision', str(path), '--test', str(data)]) == 2
    assert 'was calibrated with the demonstrations of --test: measure' in capsys.readouterr().err
    assert main(['precision', str(path), '--test', str(other)]) == 0
    out = capsys.readouterr().out
    assert '| model' in out
    assert 'int8.json' not in out
    assert main(['precision', str(path)]) == 2
    assert 'nothing to do' in capsys.readouterr().err


def test_demonstrations_that_cannot_be_read_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_random_bundle(tmp_path / 'bundle')
    command = ['precision', str(tmp_path / 'bundle'), '--calibration', str(tmp_path / 'none')]
    assert main([*command, '--test', str(tmp_path / 'none')]) == 2
    assert 'none: no such bag' in capsys.readouterr().err
