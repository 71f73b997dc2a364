# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Table, page, JSON and CSV of real passes, with and without a live run beside them."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.evaluation.live import LiveRun
from eipl_trt_ros.evaluation.offline import Pass, PassSettings, run_offline
from eipl_trt_ros.evaluation.outputs import write_frames, write_json
from eipl_trt_ros.evaluation.report import number, write_report
from eipl_trt_ros.evaluation.summary import Figures, Result, figures_of, make_result
from eipl_trt_ros.evaluation.tables import milliseconds, table_of

CONTEXT = {
    'when': '2026-01-02 03:04 UTC',
    'command': 'eipl_trt evaluate --bag "a <b> & c"',
    'machine': {'Processor': 'Test & Co <fast>', 'Cores': '2'},
    'bag': {
        'name': 'movement <1>',
        'image_topic': '/camera/image_raw',
        'joint_topic': '/joint_states',
        'seconds': 2.191,
        'sha256': 'ab' * 32,
    },
}


@pytest.fixture(scope='module')
def runs(sarnn: Bundle, cnnrnn: Bundle, bag: Path) -> list[Pass]:
    return [run_offline(bundle, bag, PassSettings()) for bundle in (sarnn, cnnrnn)]


def as_if_live(run: Pass, *, lost: int = 0, wrong: int = 0) -> LiveRun:
    """Pretend that the node ran all but the last ``lost`` frames, ``wrong`` ones differently."""
    kept = slice(0, run.frames - lost)
    predicted = run.predicted[kept].copy()
    predicted[:wrong] += 1e-6
    driven = [joint.sink == 'position' for joint in run.bundle.joints]
    commanded = np.where(driven, predicted, np.nan)
    points = run.encoder_points, run.decoder_points
    encoder, decoder = (None if p is None else p[kept] for p in points)
    return LiveRun(
        images=run.images,
        stamps_ns=run.stamps_ns[kept],
        predicted=predicted,
        digests=run.digests[kept],
        encoder_points=encoder,
        decoder_points=decoder,
        steps_ms={name: values[kept] for name, values in run.steps_ms.items()},
        commanded=commanded,
        node_ms=np.linspace(3, 4, run.frames - lost),
        command_ms=np.linspace(20, 30, run.frames - lost),
        dropped={'late': lost} if lost else {},
    )


def results_of(runs: list[Pass], live: bool) -> tuple[list[Result], list[Figures]]:
    results = [make_result(run, as_if_live(run) if live else None) for run in runs]
    return results, [figures_of(result) for result in results]


class Page(HTMLParser):
    """Collects what a reader sees, and checks that tags are closed in order."""

    VOID = ('meta', 'br', 'input', 'link', 'img')

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        given = dict(attrs)
        self.ids += [value for value in (given.get('id'),) if value]
        self.addresses += [given[k] or '' for k in ('src', 'href') if k in given]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {'script', 'style'} & set(self.open):
            self.words.append(data)

    @property
    def text(self) -> str:
        return ' '.join(' '.join(self.words).split())


def page_of(path: Path, runs: list[Pass], live: bool) -> tuple[Page, list[Figures], str]:
    results, figures = results_of(runs, live)
    write_report(path / 'report.html', CONTEXT, results, figures)
    source = (path / 'report.html').read_text()
    return Page(source), figures, source


@pytest.mark.parametrize('live', [False, True])
def test_the_page_holds_the_figures_of_every_model(
    tmp_path: Path, runs: list[Pass], live: bool
) -> None:
    page, figures, _ = page_of(tmp_path, runs, live)
    for figure in figures:
        assert figure.name in page.text
        assert number(figure.joint_mse * 1e5) in page.text
        assert number(figure.joint_mse_persistence * 1e5) in page.text
        assert figure.bundle_sha256 in page.text
        for joint in figure.joints:
            assert joint.name in page.text
            assert number(joint.mse * 1e5) in page.text
        for step in figure.steps_ms.values():
            assert milliseconds(step.p50) in page.text
    assert ('40 of 40 frames equal the offline pass' in page.text) is live
    assert page.tags.count('canvas') == 4
    charts = 4 + 8 + 2 * (3 if live else 2)
    assert page.tags.count('svg') == charts
    assert len(page.ids) == len(set(page.ids))


def test_every_text_of_a_chart_has_a_colour_of_the_page(tmp_path: Path, runs: list[Pass]) -> None:
    _, _, source = page_of(tmp_path, runs, True)
    texts = re.findall(r'<text [^>]*>', source)
    assert len(texts) > 100
    assert [text for text in texts if 'fill: var(--' not in text] == []


def test_the_page_needs_nothing_from_outside(tmp_path: Path, runs: list[Pass]) -> None:
    page, _, source = page_of(tmp_path, runs, False)
    assert [a for a in page.addresses if not a.startswith('#')] == []
    assert set(re.findall(r'https?://[\w.]+', source)) == {'http://www.w3.org'}  # SVG's names
    assert len(source) < 6_000_000


def test_text_from_outside_is_escaped(tmp_path: Path, runs: list[Pass]) -> None:
    page, _, source = page_of(tmp_path, runs, False)
    assert 'Test & Co <fast>' in page.text
    assert 'a <b> & c' in page.text
    assert '<fast>' not in source
    assert '<b> &' not in source


def test_the_films_hold_a_tile_and_points_for_each_frame(tmp_path: Path, runs: list[Pass]) -> None:
    _, _, source = page_of(tmp_path, runs, True)
    films = re.findall(r'<script type="application/json" id="film-\d">(.*?)</script>', source)
    first, second = (json.loads(film) for film in films)
    assert len(first['seconds']) == len(first['frames']) == len(first['encoder']) == 20
    assert np.array(first['decoder']).shape == (20, 3, 2)
    assert second['encoder'] is None
    assert first['equal'] == [True] * 20
    assert first['camera'].startswith('data:image/webp;base64,')


def test_the_table_holds_a_column_for_each_model_within_eighty_characters(
    runs: list[Pass],
) -> None:
    _, figures = results_of(runs, live=True)
    screen = StringIO()
    Console(file=screen, width=80).print(table_of(figures))
    text = screen.getvalue()
    for figure in figures:
        assert figure.name in text
        assert f'{figure.joint_mse * 1e5:.2f}' in text
    assert '20/20' in text
    assert '…' not in text


def test_lost_and_different_frames_are_counted_not_hidden(runs: list[Pass]) -> None:
    figure = figures_of(make_result(runs[0], as_if_live(runs[0], lost=3, wrong=2)))
    assert figure.live is not None
    assert (figure.live.frames, figure.live.equal, figure.live.expected) == (17, 15, 20)
    assert figure.dropped == {'late': 3}
    assert figure.dropped_total == 3
    complete = figures_of(make_result(runs[0]))
    assert figure.joint_mse != complete.joint_mse
    assert figure.joint_mse_persistence == complete.joint_mse_persistence


def test_a_node_that_ran_no_frame_still_gets_a_report(tmp_path: Path, runs: list[Pass]) -> None:
    results = [make_result(run, as_if_live(run, lost=run.frames)) for run in runs]
    figures = [figures_of(result) for result in results]
    write_report(tmp_path / 'report.html', CONTEXT, results, figures)
    write_frames(tmp_path / 'frames.csv', results)
    write_json(tmp_path / 'report.json', CONTEXT, figures)
    text = Page((tmp_path / 'report.html').read_text()).text
    assert '0 of 40 frames equal the offline pass' in text
    assert '0 / 20' in text


def test_a_different_picture_alone_makes_a_frame_unequal(runs: list[Pass]) -> None:
    live = as_if_live(runs[1])
    live = replace(live, digests=('', *live.digests[1:]))
    result = make_result(runs[1], live)
    assert result.equal is not None
    assert result.equal.tolist() == [False] + [True] * 19


def test_a_different_command_alone_makes_a_frame_unequal(runs: list[Pass]) -> None:
    live = as_if_live(runs[1])
    commanded = live.commanded.copy()
    commanded[4, 0] = 0.0
    result = make_result(runs[1], replace(live, commanded=commanded))
    assert result.equal is not None
    assert np.flatnonzero(~result.equal).tolist() == [4]


def test_json_holds_all_figures_and_no_nan(tmp_path: Path, runs: list[Pass]) -> None:
    _, figures = results_of(runs, live=False)
    broken = replace(figures[0], image_error=float('nan'))
    write_json(tmp_path / 'report.json', CONTEXT, [broken, figures[1]])
    data = json.loads((tmp_path / 'report.json').read_text(), parse_constant=pytest.fail)
    assert data['bag']['sha256'] == CONTEXT['bag']['sha256']  # type: ignore[index]
    first, second = data['models']
    assert first['image_error'] is None
    assert second['joint_mse'] == figures[1].joint_mse
    assert second['steps_ms']['infer']['p99'] == figures[1].steps_ms['infer'].p99
    assert first['live'] is None


def test_csv_holds_each_frame_with_its_joints(tmp_path: Path, runs: list[Pass]) -> None:
    results = [
        make_result(runs[0], as_if_live(runs[0], lost=1)),
        make_result(runs[1]),
    ]
    write_frames(tmp_path / 'frames.csv', results)
    with (tmp_path / 'frames.csv').open(newline='') as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 40
    assert rows[0]['bundle'] == runs[0].bundle.name
    assert int(rows[3]['stamp_ns']) == runs[0].stamps_ns[3]
    assert float(rows[0]['predicted_2']) == pytest.approx(runs[0].predicted[0, 2], rel=1e-8)
    assert rows[0]['measured_7'] == ''
    assert (rows[19]['equal'], rows[19]['infer'], rows[19]['predicted_0']) == ('0', '', '')
    assert float(rows[25]['measured_7']) == pytest.approx(runs[1].joints[5, 7], rel=1e-8)
    assert rows[25]['command_ms'] == ''


@pytest.mark.parametrize(
    ('value', 'text'),
    [(0.0, '0'), (0.0312, '0.031'), (0.62, '0.62'), (15.44, '15.4'), (123.4, '123')],
)
def test_durations_are_written_short(value: float, text: str) -> None:
    assert milliseconds(value) == text


def test_what_was_not_measured_is_a_dash() -> None:
    assert milliseconds(float('nan')) == number(float('nan')) == '-'
