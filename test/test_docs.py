# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the pages point at is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / 'README.md', ROOT / 'CONTRIBUTING.md', *sorted((ROOT / 'docs').glob('*.md'))]
LINK = re.compile(r'\[[^\]]*\]\(([^)\s]+)\)')
LAUNCH = re.compile(r'eipl_trt_ros (\w+\.launch\.py)')
CODE = re.compile(r'`([\w./-]+/[\w./-]*)`')
ROOMS = {path.name for path in (ROOT / 'eipl_trt_ros').iterdir() if path.is_dir()}
FOLDERS = {'config', 'docs', 'eipl_trt_ros', 'launch', 'requirements', 'samples', 'test'}

each_page = pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)


def anchors(page: Path) -> set[str]:
    """Return what headings of a page are called in a link, as GitHub makes it."""
    titles = re.findall(r'^#+ (.*)$', page.read_text(encoding='utf-8'), re.MULTILINE)
    return {re.sub(r'[^\w -]', '', title.lower()).replace(' ', '-') for title in titles}


@each_page
def test_every_relative_link_of_a_page_leads_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text(encoding='utf-8')):
        if target.startswith('https://'):
            continue
        path, _, anchor = target.partition('#')
        place = page.parent / path if path else page
        assert place.exists(), target
        assert not anchor or anchor in anchors(place), target


@each_page
def test_every_path_in_a_page_is_there(page: Path) -> None:
    for path in CODE.findall(page.read_text(encoding='utf-8')):
        top = path.split('/', maxsplit=1)[0]
        if top in FOLDERS or top in ROOMS:
            assert (ROOT / path).exists() or (ROOT / 'eipl_trt_ros' / path).exists(), path


@each_page
def test_every_launch_file_that_a_page_starts_is_there(page: Path) -> None:
    for name in LAUNCH.findall(page.read_text(encoding='utf-8')):
        assert (ROOT / 'launch' / name).exists(), name


def test_the_readme_leads_to_every_page() -> None:
    readme = (ROOT / 'README.md').read_text(encoding='utf-8')
    assert [page.name for page in PAGES[1:] if page.name not in readme] == []
