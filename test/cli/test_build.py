# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest
from builders import SPECS, write_random_bundle, write_weights_only_bundle

from eipl_trt_ros.cli import main
from eipl_trt_ros.engines.build import this_machine
from eipl_trt_ros.engines.store import EngineStore
from eipl_trt_ros.spec import GRAPHS

pytest.importorskip('tensorrt_rtx_bindings', reason='TensorRT-RTX is not installed')


@pytest.mark.parametrize('model', SPECS)
def test_every_graph_gets_engines_in_fp32_and_fp16(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = write_random_bundle(tmp_path, SPECS[model])
    assert main(['build', str(tmp_path), '--graph', *GRAPHS]) == 0
    out = capsys.readouterr().out
    for graph in GRAPHS:
        for precision in ('fp32', 'fp16'):
            assert f'{tmp_path}: {graph} {precision} built in ' in out
            manifest, plan = EngineStore(bundle).load(graph, precision, this_machine())
            assert manifest.bytes == len(plan) > 10_000


def test_an_engine_is_built_once_and_again_when_forced_or_asked_for_otherwise(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_random_bundle(tmp_path)
    command = ['build', str(tmp_path), '--precision', 'fp32', '--graph', 'image']
    for options, expected in (
        ([], 'built in'),
        ([], 'was there'),
        (['--force'], 'built in'),
        (['--tf32'], 'built in'),
        (['--tf32'], 'was there'),
    ):
        assert main([*command, *options]) == 0
        assert expected in capsys.readouterr().out


def test_a_bundle_without_graphs_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_weights_only_bundle(tmp_path)
    assert main(['build', str(tmp_path)]) == 2
    assert f'eipl_trt export {tmp_path}' in capsys.readouterr().err


def test_a_folder_that_is_no_bundle_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(['build', str(tmp_path)]) == 2
    assert 'is not a bundle' in capsys.readouterr().err


@pytest.mark.parametrize(
    'options',
    [['--precision', 'fp64'], ['--graph', 'whole'], ['--workspace', '0'], ['--workspace', 'much']],
)
def test_an_option_that_makes_no_sense_is_refused(
    options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(['build', str(tmp_path), *options])
    assert options[1] in capsys.readouterr().err
