# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Runs a node of this package as a process of its own, and ends it for certain."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from eipl_trt_ros.child_environment import child_environment
from eipl_trt_ros.closing import Closing

_PATIENCE = 10.0  # seconds a node gets to end by itself


def own_domain() -> int:
    """Return the ROS domain of this process's own nodes; few other processes have the same."""
    return 1 + os.getpid() % 100


def on_this_host(domain: int) -> dict[str, str]:
    """Return the variables of a node in a ROS domain that only this host's processes see."""
    return {'ROS_DOMAIN_ID': str(domain), 'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST'}


class NodeProcess(Closing):
    """
    A node in a process of its own; use it in a ``with`` block, which ends it.

    Args:
        module: to be run, such as ``'eipl_trt_ros.nodes.predictor_node'``.
        parameters: of the node, by name.
        remaps: remapping rules, such as ``'__ns:=/here'``.
        environment: variables that differ from this process's.

    """

    def __init__(
        self,
        module: str,
        *,
        parameters: Mapping[str, Any],
        remaps: Sequence[str],
        environment: Mapping[str, str],
    ) -> None:
        self.module = module
        self._folder = tempfile.TemporaryDirectory(prefix='eipl_trt_')
        folder = Path(self._folder.name)
        self._log = folder / 'log'
        # a file: on the command line, a path that looks like a number would become one
        file = folder / 'parameters.yaml'
        file.write_text(yaml.safe_dump({'/**': {'ros__parameters': dict(parameters)}}))
        command = [sys.executable, '-m', module, '--ros-args', '--params-file', str(file)]
        for rule in remaps:
            command += ['-r', rule]
        with self._log.open('wb') as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**child_environment(), **environment},
                start_new_session=True,  # Ctrl-C reaches this process alone, which ends the node
            )

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """How it ended; None while it runs."""
        return self._process.poll()

    def last_words(self) -> str:
        """Return the last error that it logged, or else the last line that it wrote."""
        text = self._log.read_text(encoding='utf-8', errors='replace')
        lines = [line for line in text.splitlines() if line.strip()] or ['it wrote nothing']
        errors = [line for line in lines if '[ERROR]' in line or '[FATAL]' in line]
        return (errors or lines)[-1]

    def close(self) -> None:
        """End the process, gently at first, and remove its files. A second call does nothing."""
        for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            if self._process.poll() is not None:
                break
            self._process.send_signal(sign)
            try:
                self._process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                continue
        self._folder.cleanup()
