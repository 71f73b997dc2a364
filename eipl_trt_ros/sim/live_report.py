# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a live run leaves behind: a page, its films, and the verdicts as JSON."""

from __future__ import annotations

import importlib.resources
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.errors import require
from eipl_trt_ros.files import atomic_write
from eipl_trt_ros.sim.film import Shot, write_film


@dataclass(frozen=True)
class Episode:
    """
    One grasp.

    Attributes:
        verdict: what the robot said of it: ``episode``, ``place``, ``x``, ``y``, ``yaw``,
            ``lifted``, ``seconds``, ``commands`` taken and ``ignored``.
        states: what the predictor said that it did, such as ``'driving'``.
        shots: its frames; none of the episodes that were not to be filmed.
        drivers: of several models side by side, those that drove, in turn.

    """

    verdict: dict[str, Any]
    states: tuple[str, ...]
    shots: tuple[Shot, ...]
    drivers: tuple[str, ...] = ()


def write_live_report(
    folder: Path,
    bundle: Bundle,
    episodes: Sequence[Episode],
    *,
    how: str,
    when: str,
    command: str,
    facts: Mapping[str, str],
) -> None:
    """
    Write ``report.html``, ``episode_<n>.webp`` and ``verdicts.json``.

    Args:
        folder: where to; made if it is not there.
        bundle: what drove the arm.
        episodes: what came of it.
        how: precision and so on, for the title.
        when: date and time.
        command: what repeats it.
        facts: of the machine.

    Raises:
        MissingPackageError: jinja2 or matplotlib is not installed.

    """
    jinja2 = require('jinja2', install='pip install jinja2', needed_for='the report')
    folder.mkdir(parents=True, exist_ok=True)
    title = f'{bundle.name} in closed loop, {how}'
    films = []
    for episode in episodes:
        if not episode.shots:
            continue
        verdict = episode.verdict
        name = f'episode_{verdict["episode"]}.webp'
        lifted = 'lifted' if verdict['lifted'] else 'not lifted'
        text = f'{title}\ncube at {verdict["place"]}: {lifted}'
        write_film(folder / name, text, bundle.joint_names, episode.shots)
        looks = any(shot.points is not None for shot in episode.shots)
        films.append(
            {'number': verdict['episode'], 'place': verdict['place'], 'name': name, 'looks': looks}
        )
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    source = importlib.resources.files(__package__).joinpath('templates/live.html')
    page = environment.from_string(source.read_text(encoding='utf-8')).render(
        title=title,
        when=when,
        command=command,
        facts=facts,
        episodes=episodes,
        films=films,
        lifted=sum(episode.verdict['lifted'] for episode in episodes),
    )
    rows = [
        episode.verdict | {'states': list(episode.states), 'drivers': list(episode.drivers)}
        for episode in episodes
    ]
    for name, text in (('report.html', page), ('verdicts.json', json.dumps(rows, indent=1))):
        with atomic_write(folder / name) as file:
            file.write(text.encode() + b'\n')
