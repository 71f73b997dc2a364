# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Says what is being done, one step after the other."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator

from eipl_trt_ros.errors import require

_log = logging.getLogger(__name__)


@contextlib.contextmanager
def steps(title: str, *, needed_for: str) -> Iterator[Callable[[str], None]]:
    """
    Show the step that is done now: on a terminal in one line that changes, elsewhere in the log.

    Args:
        title: what the steps are for.
        needed_for: the verb, for an error.

    Yields:
        What to call with the next step.

    Raises:
        MissingPackageError: rich is not installed.

    """
    rich = require('rich.console', install='pip install rich', needed_for=needed_for)
    console = rich.Console(stderr=True)
    if not console.is_terminal:
        yield lambda step: _log.info('%s: %s', title, step)
        return
    with console.status(title) as status:
        yield lambda step: status.update(f'{title}: {step}')
