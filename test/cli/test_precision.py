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
    lines = [line.split(' | ') for line in capsys.readouterr().out.splitlines() if '|' in line]
    rows = {line[0].strip('| '): line[1:] for line in lines}
    assert rows['fp32'][2:5] == ['1.0000', '1.000', '0.0e+00']
    for precision in ('fp16', 'int8'):
        rate, drift = float(rows[precision][2]), float(rows[precision][4])
        assert 0.5 < rate < 2
        assert 0 < drift < 0.5
        assert 0 <= float(rows[precision][5].rstrip(' |')) < 30
    assert float(rows['fp16'][4]) < float(rows['int8'][4])
    assert int(rows['int8'][0].split(' + ')[0]) == sum(
        'linear' in name or '/' in name for name in rows
    )


def test_demonstrations_that_cannot_be_read_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_random_bundle(tmp_path / 'bundle')
    command = ['precision', str(tmp_path / 'bundle'), '--calibration', str(tmp_path / 'none')]
    assert main([*command, '--test', str(tmp_path / 'none')]) == 2
    assert 'none: no such bag' in capsys.readouterr().err
