# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from eipl_trt_ros.cli.progress_bar import progress_bar


def test_on_a_terminal_the_bar_fills(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv('FORCE_COLOR', '1')
    with progress_bar('counting') as tell:
        for share in (0.0, 0.25, 0.251, 1.0):
            tell(share)
    shown = capsys.readouterr().err
    assert 'counting' in shown
    assert [share for share in ('0%', '25%', '100%') if share in shown] == ['0%', '25%', '100%']


def test_in_a_log_the_title_stands_once(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar('counting') as tell:
        tell(0.5)
        tell(1.0)
    assert capsys.readouterr().err == 'counting\n'
