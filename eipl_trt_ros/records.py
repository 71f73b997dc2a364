# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Dataclasses from plain mappings, strictly: every key known, none missing, each type right.

YAML and JSON give dictionaries; a misspelt key in one would otherwise pass for a default.
"""

from __future__ import annotations

import dataclasses
import sys
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from eipl_trt_ros.errors import BundleError

Record = TypeVar('Record')
_GREATEST = int(sys.float_info.max)


def _fit(value: Any, kind: Any, where: str) -> Any:
    """Return the value as the annotated type asks, or raise BundleError."""
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in typing.get_args(kind):
            return None
        (kind,) = (option for option in typing.get_args(kind) if option is not type(None))
        return _fit(value, kind, where)
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            msg = f'{where} is {value!r}, expected a list'
            raise BundleError(msg)
        each = typing.get_args(kind)[0]
        return tuple(_fit(item, each, f'{where}[{i}]') for i, item in enumerate(value))
    if dataclasses.is_dataclass(kind):
        return read_record(kind, value, where)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        if abs(value) > _GREATEST:
            msg = f'{where} is a whole number of {value.bit_length()} bits, expected a float'
            raise BundleError(msg)
        return float(value)
    if isinstance(value, kind) and not (isinstance(value, bool) and kind is not bool):
        return value
    msg = f'{where} is {value!r}, expected {kind.__name__}'
    raise BundleError(msg)


def read_record(cls: Any, data: Any, where: str) -> Any:
    """
    Make an instance of a dataclass from a mapping.

    Args:
        cls: the dataclass; its fields may be int, float, str, bool, another dataclass, a tuple
            of any number of one of these, or one of these or None.
        data: what YAML or JSON gave.
        where: how to name the mapping in an error, such as ``'model'``.

    Returns:
        The instance.

    Raises:
        BundleError: a key is unknown or missing, or a value has another type.

    """
    if not isinstance(data, Mapping):
        msg = f'{where} is {data!r}, expected a mapping'
        raise BundleError(msg)
    fields = {field.name: field for field in dataclasses.fields(cls)}
    unknown = sorted(str(key) for key in data if key not in fields)
    if unknown:
        msg = f'{where} has the unknown key {unknown[0]!r}; known are {", ".join(fields)}'
        raise BundleError(msg)
    missing = [
        name
        for name, field in fields.items()
        if name not in data
        and field.default is dataclasses.MISSING
        and field.default_factory is dataclasses.MISSING
    ]
    if missing:
        msg = f'{where} lacks the key {missing[0]!r}'
        raise BundleError(msg)
    hints = typing.get_type_hints(cls)
    values = {name: _fit(data[name], hints[name], f'{where}.{name}') for name in data}
    return cls(**values)


def write_record(record: Any) -> dict[str, Any]:
    """Return a dataclass as a mapping for `read_record`; fields left at None are not in it."""
    result: dict[str, Any] = {}
    for field in dataclasses.fields(record):
        value = getattr(record, field.name)
        if value is None and field.default is None:
            continue
        result[field.name] = _plain(value)
    return result


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return write_record(value)
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
