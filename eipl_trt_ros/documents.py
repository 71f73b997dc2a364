# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""YAML, JSON and arrays from files that anybody may have written, with one kind of error."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

_TOO_DEEP = 'it is nested too deeply'


def read_yaml(path: Path) -> Any:
    """
    Return what a YAML file holds.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not text, or not YAML of plain values; the text is one line.

    """
    return parse_yaml(path.read_text(encoding='utf-8'))


def parse_yaml(text: str) -> Any:
    """
    Return what YAML of plain values says.

    Raises:
        ValueError: it is none; the text is one line.

    """
    try:
        return yaml.safe_load(text)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    # beside its own errors PyYAML lets those of the conversions through: 2026-99-99, !!int x
    except (yaml.YAMLError, ValueError, AttributeError) as error:
        raise ValueError(' '.join(str(error).split())) from None


def read_json(path: Path, refuse: Callable[[str], Any] | None = None) -> Any:
    """
    Return what a JSON file holds.

    Args:
        path: the file.
        refuse: called with NaN, Infinity or -Infinity, which Python reads though JSON has none of
            them; raises ValueError. None takes them.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not text, or not JSON.

    """
    return parse_json(path.read_bytes(), refuse)


def parse_json(data: bytes, refuse: Callable[[str], Any] | None = None) -> Any:
    """Return what JSON says; see `read_json`."""
    try:
        return json.loads(data, parse_constant=refuse)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None


def read_array(path: Path) -> NDArray[Any]:
    """
    Return the array in a .npy file.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no such file; the text is one line.

    """
    try:
        found = np.load(path, allow_pickle=False)
    except OSError:
        raise
    except Exception as error:  # of a damaged header: what the tokenizer or a comparison raises
        raise ValueError(' '.join(str(error).split()) or type(error).__name__) from None
    if not isinstance(found, np.ndarray):
        msg = f'it holds {type(found).__name__}, expected one array'
        raise ValueError(msg)
    return found
