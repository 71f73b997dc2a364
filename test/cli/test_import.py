# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from checkpoints import SPECS, Training, robot_text
from references import smooth_pictures

from eipl_trt_ros.bundle import load_bundle
from eipl_trt_ros.cli import main
from eipl_trt_ros.predictor import open_predictor


def import_(folder: Path, name: str, *options: str) -> int:
    """Import the training in ``folder`` to ``folder``/bundle."""
    training = Training(folder / 'log', SPECS[name])
    if not training.weights.exists():
        training.write()
    robot = folder / 'robot.yaml'
    robot.write_text(robot_text(SPECS[name]))
    return main(
        [
            'import',
            str(training.weights),
            '--robot',
            str(robot),
            '--out',
            str(folder / 'bundle'),
            *options,
        ]
    )


@pytest.mark.parametrize('name', SPECS)
def test_a_checkpoint_becomes_a_bundle_that_predicts(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert import_(tmp_path, name, '--name', 'first try') == 0
    assert f'bundle: {name}, image ' in capsys.readouterr().out
    spec, bundle = SPECS[name], load_bundle(tmp_path / 'bundle')
    assert bundle.name == 'first try'
    assert bundle.model == spec
    assert bundle.camera.encoding == 'bgr8'
    assert bundle.joint_names[-1] == 'hand'
    assert bundle.joint_minimum == pytest.approx(-0.5 - 0.1 * np.arange(spec.joint_dim))
    with open_predictor(bundle) as predictor:
        for picture in smooth_pictures(3, 120, 160):
            motion = predictor.step(picture, np.zeros(spec.joint_dim))
        assert np.isfinite(motion.joints).all()
        assert predictor.predicted_image().shape == (spec.image_height, spec.image_width, 3)


def test_the_files_may_lie_elsewhere(tmp_path: Path) -> None:
    training = Training(tmp_path / 'log', SPECS['sarnn']).write()
    arguments = training.arguments.rename(tmp_path / 'settings.json')
    bounds = (training.folder / 'joint_bounds.npy').rename(tmp_path / 'range.npy')
    assert import_(tmp_path, 'sarnn', '--args', str(arguments), '--bounds', str(bounds)) == 0
    assert load_bundle(tmp_path / 'bundle').name == 'bundle'


def test_graphs_may_be_left_out(tmp_path: Path) -> None:
    assert (
        import_(tmp_path, 'sarnn', '--no-graphs', '--model', 'sarnn', '--image-size', '40x56') == 0
    )
    assert not list((tmp_path / 'bundle').glob('*.onnx'))


def test_an_error_is_one_line_and_leaves_no_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert import_(tmp_path, 'sarnn', '--model', 'cnnrnn') == 2
    lines = capsys.readouterr().err.splitlines()
    assert "--model says model 'cnnrnn', but" in lines[-1]
    assert {path.name for path in tmp_path.iterdir()} == {'log', 'robot.yaml'}


def test_an_existing_folder_is_not_touched(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / 'bundle').mkdir()
    (tmp_path / 'bundle' / 'mine').touch()
    assert import_(tmp_path, 'sarnn') == 2
    assert 'exists already' in capsys.readouterr().err
    assert [path.name for path in (tmp_path / 'bundle').iterdir()] == ['mine']


def test_the_template_can_be_used_as_a_robot_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(['import', '--template']) == 0
    (tmp_path / 'robot.yaml').write_text(capsys.readouterr().out)
    training = Training(tmp_path / 'log', SPECS['cnnrnnln']).write()
    assert (
        main(
            [
                'import',
                str(training.weights),
                '--robot',
                str(tmp_path / 'robot.yaml'),
                '--out',
                str(tmp_path / 'bundle'),
            ]
        )
        == 0
    )


@pytest.mark.parametrize(
    ('options', 'missing'),
    [
        ([], 'import needs checkpoint'),
        (['w.pth'], 'import needs --robot'),
        (['w.pth', '--robot', 'robot.yaml'], 'import needs --out'),
    ],
)
def test_what_is_needed_is_asked_for(
    options: list[str], missing: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(['import', *options]) == 2
    assert missing in capsys.readouterr().err


def test_without_pytorch_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / 'robot.yaml').write_text(robot_text(SPECS['sarnn']))
    monkeypatch.setitem(sys.modules, 'torch', None)  # Python's way to make an import fail
    assert (
        main(
            [
                'import',
                'weights.pth',
                '--robot',
                str(tmp_path / 'robot.yaml'),
                '--out',
                str(tmp_path / 'bundle'),
            ]
        )
        == 2
    )
    assert "eipl_trt import needs the package 'torch'" in capsys.readouterr().err


def test_an_image_size_has_two_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(['import', '--image-size', '128'])
    assert "'128' is not HEIGHTxWIDTH, such as 128x128" in capsys.readouterr().err
