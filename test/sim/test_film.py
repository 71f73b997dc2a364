# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
import json
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from eipl_trt_ros.sim.film import Shot, write_film
from eipl_trt_ros.sim.live_report import Episode, write_live_report

image = pytest.importorskip('PIL.Image', reason='Pillow is not installed')

NAMES = tuple(f'joint{index}' for index in range(8))


def shots(count: int, *, points: bool = True, expected: bool = True) -> list[Shot]:
    grey = np.full((32, 32, 3), 90, np.uint8)
    return [
        Shot(
            seconds=0.1 * index,
            camera=grey,
            expected=grey // 2 if expected else None,
            points=np.full((2, 3, 2), 0.5, np.float32) if points else None,
            measured=np.full(8, 0.01 * index),
            predicted=np.full(8, 0.01 * index + 0.01),
        )
        for index in range(count)
    ]


def frames(path: Path) -> list[np.ndarray]:
    film = image.open(path)
    found = []
    for index in range(film.n_frames):
        film.seek(index)
        found.append(np.asarray(film.convert('RGB')).astype(int))
    return found


def test_a_film_has_a_frame_a_shot_and_a_line_that_moves_on(tmp_path):
    write_film(tmp_path / 'film.webp', 'a title', NAMES, shots(3))
    found = frames(tmp_path / 'film.webp')
    assert len(found) == 3
    assert all(np.abs(a - b).max() > 60 for a, b in pairwise(found))


def test_points_are_drawn_into_the_cameras_picture_only(tmp_path):
    for name, points in (('with', True), ('without', False)):
        write_film(tmp_path / f'{name}.webp', 'a title', NAMES, shots(1, points=points))
    with_points, without = (frames(tmp_path / f'{n}.webp')[0] for n in ('with', 'without'))
    rows, columns = np.nonzero(np.abs(with_points - without).max(axis=2)[80:] > 60)
    assert len(rows)
    assert columns.max() < with_points.shape[1] / 2


def test_a_film_does_not_need_every_predicted_image(tmp_path):
    write_film(tmp_path / 'film.webp', 'a title', NAMES, shots(2, expected=False))
    assert len(frames(tmp_path / 'film.webp')) == 2


def test_the_report_tells_of_every_episode_and_shows_those_with_shots(tmp_path):
    bundle = SimpleNamespace(name='<sarnn>', joint_names=NAMES)
    verdict = {'place': 'unseen 4', 'x': 0.5, 'y': 0.1, 'commands': 90, 'ignored': 0}
    episodes = [
        Episode(verdict | {'episode': n, 'lifted': n == 1}, ('driving',), tuple(shots(4 - 2 * n)))
        for n in (1, 2)
    ]
    write_live_report(
        tmp_path,
        bundle,
        episodes,
        how='int8',
        when='today',
        command='the command',
        facts={'Processor': 'A & B'},
    )
    page = (tmp_path / 'report.html').read_text()
    assert '1 of\n2</strong>' in page
    assert '&lt;sarnn&gt; in closed loop, int8' in page
    assert 'A &amp; B' in page
    assert 'episode_1.webp' in page
    assert 'episode_2.webp' not in page
    assert len(frames(tmp_path / 'episode_1.webp')) == 2
    verdicts = json.loads((tmp_path / 'verdicts.json').read_text())
    assert [v['lifted'] for v in verdicts] == [True, False]
