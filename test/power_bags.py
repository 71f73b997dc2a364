# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Bags of what a power node publishes, written without ROS."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

S = 1_000_000_000
STORE = get_typestore(Stores.ROS2_HUMBLE)
KIND = 'diagnostic_msgs/msg/DiagnosticArray'


def status_of(name: str, values: dict[str, str], scope: str = 'board input VDD_IN') -> Any:
    entries = [STORE.types['diagnostic_msgs/msg/KeyValue'](k, v) for k, v in values.items()]
    return STORE.types['diagnostic_msgs/msg/DiagnosticStatus'](0, name, '', scope, entries)


def write_bag(path: Path, statuses: Sequence[tuple[str, Any]], **settings: Any) -> None:
    """Record statuses as messages, each on its topic, half a second apart."""
    plugin = settings.get('plugin', StoragePlugin.MCAP)
    writer = Writer(path, version=8, storage_plugin=plugin)
    if plugin is StoragePlugin.MCAP:
        writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
    time = STORE.types['builtin_interfaces/msg/Time'](1, 0)
    header = STORE.types['std_msgs/msg/Header'](time, '')
    with writer:
        topics = {
            topic: writer.add_connection(topic, KIND, typestore=STORE)
            for topic in dict.fromkeys(topic for topic, _ in statuses)
        }
        for number, (topic, status) in enumerate(statuses):
            message = STORE.types[KIND](header, [status])
            writer.write(topics[topic], number * S // 2, STORE.serialize_cdr(message, KIND))
