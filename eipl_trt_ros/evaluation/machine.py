# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What an evaluation ran on, so that its figures can be judged and repeated."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
from pathlib import Path

from eipl_trt_ros import __version__
from eipl_trt_ros.files import sha256_of
from eipl_trt_ros.processor import processor_name

_PACKAGES = (
    'numpy',
    'onnxruntime',
    'onnxruntime-gpu',
    'torch',
    'tensorrt',
    'opencv-python-headless',
    'opencv-python',
    'rosbags',
    'mujoco',
    'rclpy',
    'ros-rmw-fastrtps-cpp',
)


def describe_machine() -> dict[str, str]:
    """Return the machine's processor, system and the versions that matter, by label."""
    facts = {
        'Processor': processor_name(),
        'Cores': str(len(os.sched_getaffinity(0))),
        'System': f'{_system()}, Linux {platform.release()} {platform.machine()}',
        'Python': platform.python_version(),
        'eipl_trt_ros': __version__,
    }
    board = _read('/proc/device-tree/model')
    if board:
        facts = {'Board': board} | facts
    for package in _PACKAGES:
        try:
            facts[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    distribution = os.environ.get('ROS_DISTRO')
    if distribution:
        facts['ROS'] = distribution
    return facts


def bag_checksum(path: Path) -> str:
    """
    Return one SHA-256 over the storage files of a recording.

    Args:
        path: the recording's folder, or its only file. ``metadata.yaml`` does not count: tools
            rewrite it without changing what was recorded.

    Returns:
        64 hexadecimal digits.

    """
    if path.is_file():
        return sha256_of(path)
    files = sorted(p for p in path.iterdir() if p.is_file() and p.name != 'metadata.yaml')
    joined = ''.join(f'{file.name} {sha256_of(file)}\n' for file in files)
    return hashlib.sha256(joined.encode()).hexdigest()


def _system() -> str:
    try:
        return platform.freedesktop_os_release().get('PRETTY_NAME', platform.system())
    except OSError:
        return platform.system()


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding='utf-8', errors='replace').strip('\0 \n')
    except OSError:
        return ''
