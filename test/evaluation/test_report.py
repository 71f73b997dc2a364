# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Tables, page, JSON and CSV of a real evaluation, with and without a live run beside it."""

from __future__ import annotations

import contextlib
import csv
import importlib.resources
import json
import math
import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from rich.console import Console

from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.evaluation.configurations import configurations
from eipl_trt_ros.evaluation.live import LiveRun
from eipl_trt_ros.evaluation.offline import Pass
from eipl_trt_ros.evaluation.report import overview
from eipl_trt_ros.evaluation.report.outputs import record_of, write_frames, write_json, write_times
from eipl_trt_ros.evaluation.report.page import write_report
from eipl_trt_ros.evaluation.report.sheets import Sheet, milliseconds, number, with_spread
from eipl_trt_ros.evaluation.run import Evaluation, Plan, evaluate
from eipl_trt_ros.evaluation.summary import add_live
from eipl_trt_ros.progress import Progress, untold

COMMAND = 'eipl_trt evaluate --bag "a <b> & c"'


@contextlib.contextmanager
def silent(_: str) -> Iterator[Progress]:
    yield untold


def as_if_live(run: Pass, *, lost: int = 0, wrong: int = 0) -> LiveRun:
    """Pretend that the node ran all but the last ``lost`` frames, ``wrong`` ones differently."""
    kept = slice(0, run.frames - lost)
    predicted = run.predicted[kept].copy()
    predicted[:wrong] += 1e-6
    points = run.encoder_points, run.decoder_points
    encoder, decoder = (None if p is None else p[kept] for p in points)
    steps = ('pre_process', 'copy_in', 'infer', 'copy_out', 'post_process')
    images = tuple(f'image_{step}' for step in steps[1:])
    return LiveRun(
        images=run.images,
        stamps_ns=run.stamps_ns[kept],
        predicted=predicted,
        digests=run.digests[kept],
        encoder_points=encoder,
        decoder_points=decoder,
        steps_ms={name: np.full(run.frames - lost, 0.5) for name in (*steps, *images)},
        node_ms=np.linspace(3, 4, run.frames - lost),
        command_ms=np.linspace(20, 30, run.frames - lost),
        dropped={'late': lost} if lost else {},
    )


def plan_of(sarnn: Bundle, cnnrnn: Bundle, bag: Path) -> Plan:
    return Plan(
        bundles=(sarnn.path, cnnrnn.path),
        bags=(bag,),
        wanted=configurations('onnxruntime', ('fp32', 'fp16'), 'torch'),
        frames=60,
    )


@pytest.fixture(scope='module')
def plain(sarnn: Bundle, cnnrnn: Bundle, bag: Path) -> Evaluation:
    return evaluate(plan_of(sarnn, cnnrnn, bag), silent)


@pytest.fixture(scope='module')
def live(sarnn: Bundle, cnnrnn: Bundle, bag: Path) -> Evaluation:
    wanted = configurations('onnxruntime', ('fp32',), None)
    plan = replace(plan_of(sarnn, cnnrnn, bag), wanted=wanted, frames=20)
    return evaluate(plan, silent, lambda _b, _p, run, _s, _t: as_if_live(run))


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


def source_of(path: Path, found: Evaluation) -> str:
    record = record_of(found, COMMAND)
    record['machine'] |= {'Processor': 'Test & Co <fast>'}
    write_report(path / 'report.html', found, record)
    return (path / 'report.html').read_text()


def schema() -> Any:
    data = importlib.resources.files('eipl_trt_ros.evaluation').joinpath('data')
    return json.loads(data.joinpath('report.schema.json').read_text())


def test_the_page_holds_the_figures_of_every_row(tmp_path: Path, plain: Evaluation) -> None:
    page = Page(source_of(tmp_path, plain))
    assert len(plain.rows) == 6
    for row in plain.rows:
        assert row.bundle.name in page.text
        assert row.identity.label in page.text
        assert number(row.accuracy.joint_mse * 1e5) in page.text
        assert number(row.accuracy.joint_mse_persistence * 1e5) in page.text
        for joint in row.accuracy.joints:
            assert joint.name in page.text
            assert number(joint.mse * 1e5) in page.text
        if row.times is not None:
            assert milliseconds(row.times.command.p50.value) in page.text
    for title in ('Table 4', 'Table 5', 'Table 6', 'Table 7', 'Drift of a rollout'):
        assert title in page.text
    assert page.tags.count('canvas') == 4
    assert page.tags.count('svg') == 4 + 8 + 2 * 4  # joints, and two charts a timed row
    assert len(page.ids) == len(set(page.ids))
    assert [a[1:] for a in page.addresses if a[1:] not in page.ids] == []


def test_the_page_of_a_live_run_tells_how_the_node_fared(tmp_path: Path, live: Evaluation) -> None:
    page = Page(source_of(tmp_path, live))
    assert '40 of 40 frames of the node equal the offline pass' in page.text
    assert '25.0 ms' in page.text
    assert 'image stamp to predicted joints' in page.text


def test_every_text_of_a_chart_has_a_colour_of_the_page(tmp_path: Path, live: Evaluation) -> None:
    texts = re.findall(r'<text [^>]*>', source_of(tmp_path, live))
    assert len(texts) > 100
    assert [text for text in texts if 'fill: var(--' not in text] == []


def test_the_page_needs_nothing_from_outside(tmp_path: Path, plain: Evaluation) -> None:
    source = source_of(tmp_path, plain)
    assert [a for a in Page(source).addresses if not a.startswith('#')] == []
    assert set(re.findall(r'https?://[\w.]+', source)) == {'http://www.w3.org'}  # SVG's names
    assert len(source) < 6_000_000


def test_text_from_outside_is_escaped(tmp_path: Path, plain: Evaluation) -> None:
    source = source_of(tmp_path, plain)
    page = Page(source)
    assert 'Test & Co <fast>' in page.text
    assert 'a <b> & c' in page.text
    assert '<fast>' not in source
    assert '<b> &' not in source


def test_the_films_hold_a_tile_and_points_for_each_frame(tmp_path: Path, live: Evaluation) -> None:
    source = source_of(tmp_path, live)
    films = re.findall(r'<script type="application/json" id="film-\d">(.*?)</script>', source)
    first, second = (json.loads(film) for film in films)
    assert len(first['seconds']) == len(first['frames']) == len(first['encoder']) == 20
    assert np.array(first['decoder']).shape == (20, 3, 2)
    assert second['encoder'] is None
    assert first['equal'] == [True] * 20
    assert first['camera'].startswith('data:image/webp;base64,')


def test_the_overview_of_a_few_models_fits_eighty_characters(live: Evaluation) -> None:
    screen = StringIO()
    Console(file=screen, width=80).print(overview.overview(live.rows).table())
    text = screen.getvalue()
    for row in live.rows:
        assert row.bundle.name in text
        assert f'{row.accuracy.joint_mse * 1e5:.2f}' in text
    assert '20/20' in text
    assert '…' not in text


def test_many_configurations_get_a_line_each(plain: Evaluation) -> None:
    sheet = overview.overview(plain.rows)
    assert len(sheet.rows) == 6
    assert sheet.columns[:3] == ('model', 'backend', 'precision')
    assert [row[1] for row in sheet.rows[:3]] == ['torch', 'onnxruntime', 'onnxruntime']


def test_lost_and_different_frames_are_counted_not_hidden(live: Evaluation) -> None:
    row = replace(live.rows[0])
    add_live(row, as_if_live(row.passes[0], lost=3, wrong=2))
    assert row.live is not None
    assert (row.live.frames, row.live.equal, row.live.expected) == (17, 15, 20)
    assert row.live.dropped == {'late': 3}
    assert row.live.joint_mse != row.accuracy.joint_mse
    assert live.rows[0].live is not None
    assert live.rows[0].live.joint_mse == live.rows[0].accuracy.joint_mse


def test_a_different_picture_or_joint_alone_makes_a_frame_unequal(live: Evaluation) -> None:
    row = replace(live.rows[1])
    run = as_if_live(row.passes[0])
    predicted = run.predicted.copy()
    predicted[4, 0] = 0.0
    changed = replace(run, digests=('', *run.digests[1:]), predicted=predicted)
    add_live(row, changed)
    assert row.equal is not None
    assert np.flatnonzero(~row.equal).tolist() == [0, 4]


@pytest.mark.parametrize('which', ['plain', 'live'])
def test_json_is_as_its_schema_says(
    tmp_path: Path, which: str, request: pytest.FixtureRequest
) -> None:
    found = request.getfixturevalue(which)
    write_json(tmp_path / 'report.json', record_of(found, COMMAND))
    data = json.loads((tmp_path / 'report.json').read_text(), parse_constant=pytest.fail)
    jsonschema.Draft202012Validator.check_schema(schema())
    jsonschema.validate(data, schema())
    first = data['rows'][0]
    assert first['accuracy']['joint_mse'] == found.rows[0].accuracy.joint_mse
    assert first['times']['frame']['p99']['value'] == found.rows[0].times.frame.p99.value
    assert (first['live'] is None) is (which == 'plain')
    assert len(data['bags'][0]['sha256']) == 64
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data | {'rows': [first | {'new': 1}]}, schema())


def test_two_evaluations_give_the_same_accuracy_to_the_last_digit(
    sarnn: Bundle, cnnrnn: Bundle, bag: Path, plain: Evaluation
) -> None:
    again = evaluate(plan_of(sarnn, cnnrnn, bag), silent)

    def figures(found: Evaluation) -> list[Any]:
        rows = record_of(found, COMMAND)['rows']
        return [{k: row[k] for k in ('accuracy', 'drift', 'bags')} for row in rows]

    assert figures(again) == figures(plain)


def test_speeds_are_against_baseline_and_fp32(plain: Evaluation) -> None:
    torch, single, half = plain.rows[:3]
    assert torch.times is not None
    assert single.times is not None
    assert half.times is None  # imitated arithmetic
    assert single.times.speed_frame['fp32'].value == 1.0
    assert torch.times.speed_frame['baseline'].value == 1.0
    expected = torch.times.frame.p50.value / single.times.frame.p50.value
    assert single.times.speed_frame['baseline'].value == pytest.approx(expected)


def test_csv_holds_each_frame_with_its_joints(tmp_path: Path, live: Evaluation) -> None:
    row = replace(live.rows[0])
    add_live(row, as_if_live(row.passes[0], lost=1))
    write_frames(tmp_path / 'frames.csv', [row, replace(live.rows[1], live_run=None)])
    with (tmp_path / 'frames.csv').open(newline='') as file:
        lines = list(csv.DictReader(file))
    run, other = row.passes[0], live.rows[1].passes[0]
    assert len(lines) == 40
    assert (lines[0]['bundle'], lines[0]['precision']) == (run.bundle.name, 'fp32')
    assert int(lines[3]['stamp_ns']) == run.stamps_ns[3]
    assert float(lines[0]['predicted_2']) == pytest.approx(run.predicted[0, 2], rel=1e-8)
    assert lines[0]['measured_7'] == ''
    assert (lines[19]['equal'], lines[19]['command_ms']) == ('0', '')
    assert float(lines[25]['measured_7']) == pytest.approx(other.joints[5, 7], rel=1e-8)
    assert lines[25]['command_ms'] == ''


def test_csv_holds_the_steps_of_each_timed_frame(tmp_path: Path, plain: Evaluation) -> None:
    write_times(tmp_path / 'times.csv', plain.rows)
    with (tmp_path / 'times.csv').open(newline='') as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 4 * 60
    log = plain.rows[0].log
    assert log is not None
    assert float(lines[7]['infer']) == pytest.approx(log.milliseconds('infer')[7], abs=1e-6)


@pytest.mark.parametrize(
    ('value', 'text'),
    [
        (0.0, '0'),
        (0.0312, '0.031'),
        (0.62, '0.620'),
        (6.2, '6.20'),
        (15.44, '15.4'),
        (123.4, '123'),
    ],
)
def test_durations_are_written_short(value: float, text: str) -> None:
    assert milliseconds(value) == text


def test_what_was_not_measured_is_a_dash() -> None:
    assert milliseconds(math.nan) == number(math.nan) == milliseconds(None) == '-'


def test_a_spread_has_the_digits_of_its_figure() -> None:
    assert with_spread(17.24, 3.2) == '17.2 ±3.2'
    assert with_spread(0.1534, 0.004) == '0.153 ±0.004'
    assert with_spread(17.24, None) == '17.2'


def test_a_sheet_turns_over() -> None:
    sheet = Sheet('t', ('a', 'b'), (('1', '2'), ('3', '4')))
    assert sheet.transposed().columns == ('a', '1', '3')
    assert sheet.transposed().rows == (('b', '2', '4'),)
