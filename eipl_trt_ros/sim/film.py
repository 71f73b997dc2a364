# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""An episode as a moving picture: camera with attention points, predicted image, joints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from eipl_trt_ros.errors import require
from eipl_trt_ros.files import atomic_write

Picture = NDArray[np.uint8]
Points = NDArray[np.float32]

_DPI = 90
_SIZE = 8.0, 7.9  # inches
_QUALITY = 72
_LAST_MS = 1500  # the last frame stays
_SEEN, _EXPECTED = (53, 162, 255), (255, 90, 79)  # of the points, as in the evaluation's report
_MEASURED, _PREDICTED, _NOW = '#aeb9c4', '#0b62d6', (21, 25, 30)
_INSTALL = 'pip install matplotlib'


@dataclass(frozen=True)
class Shot:
    """
    One frame of an episode.

    Attributes:
        seconds: since the first.
        camera: uint8 (H, W, 3), RGB.
        expected: uint8 (H, W, 3), RGB, the predicted image; ``None`` if it did not arrive.
        points: float32 (2, K, 2), where the model looks and expects to look next, x and y in
            0..1; ``None`` for a model without, or if they did not arrive.
        measured: float64 (D,), the joints.
        predicted: float64 (D,), the joints one frame later.

    """

    seconds: float
    camera: Picture
    expected: Picture | None
    points: Points | None
    measured: NDArray[np.float64]
    predicted: NDArray[np.float64]


@dataclass(frozen=True)
class _Sheet:
    """What stays the same in every frame, and where what changes goes, in pixels."""

    background: Picture
    pictures: tuple[tuple[int, int, int, int], ...]
    """Left, top, width, height: of the camera's picture and of the predicted image."""
    charts: tuple[tuple[float, float, int, int], ...]
    """Of each joint's chart: column of time 0, columns a second, first row, row after the last."""


def write_film(path: Path, title: str, names: Sequence[str], shots: Sequence[Shot]) -> None:
    """
    Write an animated WebP that plays in a browser, as fast as the episode went.

    Args:
        path: the file.
        title: one or two lines over it.
        names: of the joints.
        shots: the episode, at least one.

    Raises:
        MissingPackageError: matplotlib, or Pillow which comes with it, is not installed.

    """
    image = require('PIL.Image', install=_INSTALL, needed_for='the film')
    sheet = _sheet(title, names, shots)
    frames = [image.fromarray(_frame(sheet, shot)) for shot in shots]
    lengths = np.diff([shot.seconds for shot in shots]) * 1000
    durations = [max(10, round(length)) for length in lengths] + [_LAST_MS]
    with atomic_write(path) as file:
        frames[0].save(
            file,
            'WEBP',
            save_all=True,
            append_images=frames[1:],
            duration=durations,
            loop=0,
            quality=_QUALITY,
            method=4,
        )


def _sheet(title: str, names: Sequence[str], shots: Sequence[Shot]) -> _Sheet:
    """Draw everything but what moves."""
    figures = require('matplotlib.figure', install=_INSTALL, needed_for='the film')
    agg = require('matplotlib.backends.backend_agg', install=_INSTALL, needed_for='the film')
    matplotlib = require('matplotlib', install=_INSTALL, needed_for='the film')
    style = {'font.size': 8.0, 'axes.spines.top': False, 'axes.spines.right': False}
    with matplotlib.rc_context(style):
        figure = figures.Figure(figsize=_SIZE, dpi=_DPI, layout='constrained')
        canvas = agg.FigureCanvasAgg(figure)
        figure.suptitle(title, fontsize=10)
        rows = -(-len(names) // 4)
        grid = figure.add_gridspec(1 + rows, 4, height_ratios=[4.2] + [1.0] * rows)
        tops = [figure.add_subplot(grid[0, :2]), figure.add_subplot(grid[0, 2:])]
        captions = 'camera' + ', and where the model looks' * _looks(shots), 'predicted image'
        for axes, caption in zip(tops, captions, strict=True):
            axes.imshow(np.zeros_like(shots[0].camera))
            axes.set_axis_off()
            axes.set_title(caption, fontsize=9)
        charts = _charts(figure, grid, names, shots)
        canvas.draw()
    background = np.asarray(canvas.buffer_rgba())[..., :3].copy()
    height = background.shape[0]
    boxes = [axes.get_window_extent() for axes in tops]
    pictures = tuple(
        (round(b.x0), round(height - b.y1), round(b.width), round(b.height)) for b in boxes
    )
    return _Sheet(background, pictures, tuple(_place(axes, height) for axes in charts))


def _place(axes: Any, height: int) -> tuple[float, float, int, int]:
    """Tell where a chart is in a picture of so many rows; see `_Sheet.charts`."""
    zero, one = (float(axes.transData.transform((second, 0.0))[0]) for second in (0.0, 1.0))
    return zero, one - zero, round(height - axes.bbox.y1), round(height - axes.bbox.y0)


def _charts(figure: Any, grid: Any, names: Sequence[str], shots: Sequence[Shot]) -> list[Any]:
    seconds = np.array([shot.seconds for shot in shots])
    measured = np.array([shot.measured for shot in shots])
    predicted = np.array([shot.predicted for shot in shots])
    period = float(np.median(np.diff(seconds))) if len(seconds) > 1 else 0.0
    charts = []
    for index, name in enumerate(names):
        axes = figure.add_subplot(grid[1 + index // 4, index % 4])
        axes.plot(seconds, measured[:, index], color=_MEASURED, linewidth=2.4)
        axes.plot(seconds + period, predicted[:, index], color=_PREDICTED, linewidth=1.0)
        axes.set_title(name, fontsize=8, loc='left')
        axes.locator_params(nbins=4)
        charts.append(axes)
    charts[0].legend(['measured', 'predicted'], fontsize=6, frameon=False, loc='best')
    return charts


def _looks(shots: Sequence[Shot]) -> bool:
    return any(shot.points is not None for shot in shots)


def _frame(sheet: _Sheet, shot: Shot) -> Picture:
    frame = sheet.background.copy()
    for picture, box in zip((shot.camera, shot.expected), sheet.pictures, strict=True):
        if picture is None:
            continue
        left, top, width, height = box
        large = cv2.resize(picture, (width, height), interpolation=cv2.INTER_CUBIC)
        if picture is shot.camera and shot.points is not None:
            _mark(large, shot.points)  # type: ignore[arg-type]
        frame[top : top + height, left : left + width] = large
    for zero, rate, top, bottom in sheet.charts:
        frame[top:bottom, round(zero + rate * shot.seconds)] = _NOW
    return frame


def _mark(picture: Picture, points: Points) -> None:
    """Draw rings where the model looks, and crosses where it expects to look next."""
    height, width = picture.shape[:2]
    places = np.rint(points * [width - 1, height - 1]).astype(int).tolist()
    for colour, thickness in (((255, 255, 255), 4), (_SEEN, 2)):
        for x, y in places[0]:
            cv2.circle(picture, (x, y), 8, colour, thickness, cv2.LINE_AA)
    for colour, thickness in (((255, 255, 255), 4), (_EXPECTED, 2)):
        for x, y in places[1]:
            for step in (6, -6):
                ends = (x - 6, y - step), (x + 6, y + step)
                cv2.line(picture, *ends, colour, thickness, cv2.LINE_AA)
