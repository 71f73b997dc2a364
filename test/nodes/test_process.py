# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed: pip install -r requirements/base.txt')


def test_a_node_under_nohup_outlives_its_terminal() -> None:
    program = """
        import os, signal
        from eipl_trt_ros.nodes.process import run_node
        from rclpy.node import Node

        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does

        def work(node):
            os.kill(os.getpid(), signal.SIGHUP)
            print('lives', signal.getsignal(signal.SIGHUP) is signal.SIG_IGN)

        run_node(lambda: Node('one'), work, before_end=lambda node: print('ends'))
    """
    command = [sys.executable, '-c', textwrap.dedent(program)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == 'lives True\n'
