# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A bar on the terminal for work that takes a while."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from eipl_trt_ros.errors import require
from eipl_trt_ros.progress import Progress, untold

_STEP = 0.01


@contextlib.contextmanager
def progress_bar(title: str) -> Iterator[Progress]:
    """
    Show a title and, where standard error is a terminal, a bar that fills.

    The bar is drawn by the calls alone, a hundred times at most and by no thread of its own, so
    that it does not disturb what is being timed between them.

    Args:
        title: what is being done.

    Yields:
        What to call with the share that is done.

    """
    package = {'install': 'pip install rich', 'needed_for': 'eipl_trt'}
    console = require('rich.console', **package).Console(stderr=True)
    if not console.is_terminal:
        console.print(title, markup=False, highlight=False)
        yield untold
        return
    shown = 0.0
    with require('rich.progress', **package).Progress(
        console=console, auto_refresh=False, transient=True
    ) as bar:
        task = bar.add_task(title, total=1.0)
        bar.refresh()

        def tell(share: float) -> None:
            nonlocal shown
            if share >= shown + _STEP:
                shown = share
                bar.update(task, completed=share, refresh=True)

        yield tell
