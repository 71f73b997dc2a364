# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a class needs to be used in a ``with`` block."""

from __future__ import annotations

from typing import TypeVar

_Self = TypeVar('_Self', bound='Closing')


class Closing:
    """A thing with a ``close`` method, which the end of a ``with`` block calls."""

    def close(self) -> None:
        """Release what is held. A second call does nothing."""
        raise NotImplementedError

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
