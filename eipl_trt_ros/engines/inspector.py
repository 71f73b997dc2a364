# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Which precision and format each layer of an engine really got, from TensorRT's engine inspector.

A builder may leave a layer in a higher precision than it was asked for, and puts reformats between
layers that do not agree; both eat what a low precision gains. The inspector's JSON has two
spellings: up to TensorRT 10 a tensor has one field ``Format/Datatype``, which holds a sentence or
a type; from 11 on it has ``Format`` and ``DataType``. TensorRT-RTX follows one or the other.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eipl_trt_ros.errors import EngineError

UNKNOWN = 'unknown'
_PRECISIONS = ('int8', 'fp16', 'fp32')  # the narrowest that a layer takes is what it computes in
# Words of either spelling, the first that is found; "UInt8" holds "Int8", so it goes before it.
_TYPES = (
    (r'uint8', 'uint8'),
    (r'int8', 'int8'),
    (r'bf16|bfloat16', 'bf16'),
    (r'fp16|half', 'fp16'),
    (r'fp8', 'fp8'),
    (r'fp32|float', 'fp32'),
    (r'int32', 'int32'),
    (r'int64', 'int64'),
    (r'bool', 'bool'),
)
_ONNX_LAYER = re.compile(r'\[ONNX Layer: ([^\]]+)\]')


@dataclass(frozen=True)
class EngineLayer:
    """
    A layer of an engine.

    Attributes:
        name: TensorRT's name, often of several layers of the graph that it fused.
        kind: TensorRT's word for what it is, such as ``CaskConvolution`` or ``Reformat``.
        precision: what it computes in: ``fp32``, ``fp16``, ``int8``; or what else it gives.
        format: how its first output lies in memory, in TensorRT's words.

    """

    name: str
    kind: str
    precision: str
    format: str


@dataclass(frozen=True)
class AskedLayer:
    """A layer of the graph, the precision that was asked for, and the one that it got."""

    layer: str
    asked: str
    got: str


@dataclass(frozen=True)
class Inspection:
    """
    What became of an engine.

    Attributes:
        summary: one line.
        layers: of the engine.
        asked: the convolutions and linear layers that a lower precision was asked for.
        reformats: how many layers only change a format or type.

    """

    summary: str
    layers: tuple[EngineLayer, ...]
    asked: tuple[AskedLayer, ...]
    reformats: int


def inspect(text: str, asked: Mapping[str, str]) -> Inspection:
    """
    Read what the engine inspector says of an engine.

    Args:
        text: its JSON.
        asked: a precision by the name of a layer of the graph.

    Raises:
        EngineError: it is not such JSON.

    """
    try:
        entries = json.loads(text)['Layers']
        layers = [_layer(entry) for entry in entries]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        msg = f'the engine inspector gave no list of layers: {error!r}'
        raise EngineError(msg) from None
    got: dict[str, set[str]] = {}
    for entry, layer in zip(entries, layers, strict=True):
        if not _reformats(layer):
            for node in _nodes(entry):
                got.setdefault(node, set()).add(layer.precision)
    found = tuple(
        AskedLayer(name, precision, _narrowest(got.get(name, ())))
        for name, precision in asked.items()
    )
    reformats = sum(map(_reformats, layers))
    return Inspection(_summary(layers, found, reformats), tuple(layers), found, reformats)


def _summary(layers: Sequence[EngineLayer], asked: Sequence[AskedLayer], reformats: int) -> str:
    counts = Counter(layer.precision for layer in layers if not _reformats(layer))
    parts = ', '.join(f'{count} in {precision}' for precision, count in counts.most_common())
    words = [f'{len(layers) - reformats} layers ({parts})', f'{reformats} reformats']
    for precision in _PRECISIONS:
        wanted = [one for one in asked if one.asked == precision]
        fell = [one for one in wanted if one.got not in (precision, UNKNOWN)]
        unknown = sum(one.got == UNKNOWN for one in wanted)
        if wanted:
            words.append(f'{len(fell)} of {len(wanted)} fell back from {precision}')
            if fell:
                words[-1] += f' ({", ".join(f"{one.layer} to {one.got}" for one in fell)})'
            if unknown:
                words[-1] += f', {unknown} cannot be told'
    return '; '.join(words)


def _layer(entry: Any) -> EngineLayer:
    if isinstance(entry, str):  # an engine that was built to keep names only
        return EngineLayer(entry, UNKNOWN, UNKNOWN, UNKNOWN)
    outputs = entry.get('Outputs', [])
    given = [_type(tensor) for tensor in outputs]
    taken = [_type(tensor) for tensor in entry.get('Inputs', [])]
    taken += [_type(tensor) for tensor in entry.get('Constants', [])]
    weights = entry.get('Weights')
    if isinstance(weights, Mapping):
        taken.append(_type_in(str(weights.get('Type', ''))))
    kind = str(entry.get('LayerType', UNKNOWN))
    layer = EngineLayer(
        str(entry.get('Name', '')), kind, UNKNOWN, _format(outputs[0]) if outputs else UNKNOWN
    )
    # what a layer gives may be the next one's: kernels round to a type after computing in another
    precision = UNKNOWN if _reformats(layer) else _narrowest(taken)
    if precision == UNKNOWN:
        precision = _narrowest(given)
    if precision == UNKNOWN and given:
        precision = given[0]  # whole numbers, such as an index
    return EngineLayer(layer.name, kind, precision, layer.format)


def _narrowest(types: Collection[str]) -> str:
    return next((one for one in _PRECISIONS if one in types), UNKNOWN)


def _reformats(layer: EngineLayer) -> bool:
    return layer.kind.lower() == 'reformat' or layer.name.startswith('Reformatting CopyNode')


def _type(tensor: Mapping[str, Any]) -> str:
    """Give the type of a tensor in either spelling."""
    for field in ('DataType', 'Datatype', 'Format/Datatype', 'Format'):
        found = _type_in(str(tensor.get(field, '')))
        if found != UNKNOWN:
            return found
    return UNKNOWN


def _type_in(words: str) -> str:
    lower = words.lower()
    return next((name for pattern, name in _TYPES if re.search(pattern, lower)), UNKNOWN)


def _format(tensor: Mapping[str, Any]) -> str:
    return str(tensor.get('Format') or tensor.get('Format/Datatype') or UNKNOWN)


def _nodes(entry: Any) -> Iterable[str]:
    """Name the layers of the graph that are in a layer of an engine."""
    if isinstance(entry, str):
        return entry.split(' + ')
    told = _ONNX_LAYER.findall(str(entry.get('Metadata', '')))
    return told or str(entry.get('Name', '')).split(' + ')
