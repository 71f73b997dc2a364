# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed: pip install -r requirements/base.txt')


def run(program: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, '-c', textwrap.dedent(program)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_node_under_nohup_outlives_its_terminal() -> None:
    done = run("""
        import os, signal
        from eipl_trt_ros.nodes.process import run_node
        from rclpy.node import Node

        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does

        def work(node):
            os.kill(os.getpid(), signal.SIGHUP)
            print('lives', signal.getsignal(signal.SIGHUP) is signal.SIG_IGN)

        run_node(lambda: Node('one'), work, before_end=lambda node: print('ends'))
    """)
    assert done.stdout == 'lives True\n'


def test_ctrl_c_ends_a_node_that_a_script_started_in_the_background() -> None:
    done = run("""
        import os, signal
        from eipl_trt_ros.nodes.process import run_node, spin
        from rclpy.node import Node

        signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a shell does

        def work(node):
            os.kill(os.getpid(), signal.SIGINT)
            spin(node)

        run_node(lambda: Node('one'), work, before_end=lambda node: print('ends'))
    """)
    assert (done.returncode, done.stdout) == (0, 'ends\n')


@pytest.mark.parametrize(('shut_down', 'code'), [(True, 0), (False, 1)])
def test_only_what_fails_because_the_node_was_told_to_end_is_no_error(
    shut_down: bool, code: int
) -> None:
    done = run(f"""
        import sys
        import rclpy
        from eipl_trt_ros.nodes.process import run_node
        from rclpy.context import Context
        from rclpy.node import Node
        from std_msgs.msg import String

        def work(node):
            other = Context()
            rclpy.init(context=other)
            publisher = Node('two', context=other).create_publisher(String, 'topic', 1)
            rclpy.shutdown(context=other)
            if {shut_down}:
                rclpy.shutdown()
            publisher.publish(String())

        sys.exit(run_node(lambda: Node('one'), work))
    """)
    assert done.returncode == code
    assert ('context is invalid' in done.stderr) is not shut_down


@pytest.mark.parametrize('ends_by', ['a signal', 'itself'])
def test_no_thread_touches_ros_while_the_node_is_destroyed(ends_by: str) -> None:
    done = run(f"""
        import os, signal, sys, threading
        import rclpy
        from eipl_trt_ros.nodes.process import run_node, spin
        from rclpy.node import Node
        from rclpy.signals import SignalHandlerOptions, get_current_signal_handlers_options

        class One(Node):
            def destroy_node(self):
                print([thread.name for thread in threading.enumerate()])
                print(get_current_signal_handlers_options() == SignalHandlerOptions.NO)
                super().destroy_node()

        def work(node):
            if {ends_by!r} == 'a signal':
                os.kill(os.getpid(), signal.SIGINT)
                spin(node)

        def before_end(node):
            print('ends', rclpy.ok())

        sys.exit(run_node(lambda: One('one'), work, before_end=before_end))
    """)
    told = 'ends True\n' if ends_by == 'a signal' else ''
    assert done.stdout == f"{told}['MainThread']\nTrue\n", done.stderr
    assert done.returncode == 0
