# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import contextlib
import gc
import itertools
import os
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import rclpy
from builders import make_pictures
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.exceptions import InvalidParameterValueException
from rclpy.parameter import Parameter
from ros_world import send_until, until
from sensor_msgs.msg import JointState

from eipl_trt_ros.nodes.managed import ManagedNode
from eipl_trt_ros.nodes.predictor_node import PredictorNode

PICTURE = make_pictures(1, 128, 128)[0]
START_PATIENCE = 90.0  # seconds; a process imports much, which takes long beside ten others
TRANSITIONS = {
    'configure': Transition.TRANSITION_CONFIGURE,
    'activate': Transition.TRANSITION_ACTIVATE,
    'deactivate': Transition.TRANSITION_DEACTIVATE,
    'cleanup': Transition.TRANSITION_CLEANUP,
    'shutdown': Transition.TRANSITION_ACTIVE_SHUTDOWN,
}


class Manager:
    """Changes a node's state over its services, as a lifecycle manager does."""

    def __init__(self, world, name: str = 'predictor') -> None:
        self._node = world.add(rclpy.create_node('manager', **world.settings()))
        self._change = self._node.create_client(ChangeState, f'{name}/change_state')
        self._get = self._node.create_client(GetState, f'{name}/get_state')
        assert self._change.wait_for_service(START_PATIENCE)
        assert self._get.wait_for_service(START_PATIENCE)

    def _call(self, client, request):
        future = client.call_async(request)
        until(future.done, 'an answer')
        return future.result()

    def change(self, transition: str) -> bool:
        request = ChangeState.Request()
        request.transition.id = TRANSITIONS[transition]
        return self._call(self._change, request).success

    @property
    def state(self) -> str:
        return self._call(self._get, GetState.Request()).current_state.label


def inference_threads() -> int:
    return sum(thread.name == 'inference' for thread in threading.enumerate())


def test_a_node_goes_through_its_whole_life(world, random_bundle):
    world.predictor(random_bundle(), active=False)
    manager = Manager(world)
    robot = world.robot()
    assert manager.state == 'unconfigured'
    steps = ['configure', 'activate', 'deactivate', 'activate', 'deactivate', 'cleanup']
    states = ['inactive', 'active', 'inactive', 'active', 'inactive', 'unconfigured']
    for step, state in zip(steps, states, strict=True):
        assert manager.change(step)
        assert manager.state == state
        counts = {
            'image': state == 'active',
            'predictor/predicted_joints': state != 'unconfigured',
        }
        for topic, expected in counts.items():
            name = f'{world.namespace}/{topic}'
            until(
                lambda name=name, expected=expected: (
                    expected
                    == (
                        robot.count_subscribers(name)
                        if 'image' in name
                        else robot.count_publishers(name)
                    )
                ),
                f'{name} of a node that is {state}',
            )
        assert inference_threads() == (state != 'unconfigured')


def test_the_inference_thread_keeps_to_its_cores_and_takes_them_with_it(world, random_bundle):
    cores = os.sched_getaffinity(0)
    core = max(cores)
    node = world.predictor(random_bundle(), cpu_affinity=[core])
    kept = {thread.name: thread.native_id for thread in threading.enumerate()}
    assert os.sched_getaffinity(kept['inference']) == {core}
    assert os.sched_getaffinity(kept['intake']) == cores
    for step in ('deactivate', 'cleanup'):
        assert world.run(getattr(node, f'trigger_{step}')).name == 'SUCCESS'
    assert {'inference', 'intake'}.isdisjoint(thread.name for thread in threading.enumerate())
    any_core = Parameter('cpu_affinity', value=[-1])
    assert world.run(lambda: node.set_parameters([any_core]))[0].successful
    assert world.run(node.bring_up), node.failure
    (thread,) = (thread for thread in threading.enumerate() if thread.name == 'inference')
    assert os.sched_getaffinity(thread.native_id) == cores


def test_cores_that_are_not_there_are_a_clear_failure(world, random_bundle):
    node = world.predictor(random_bundle(), active=False, cpu_affinity=[4096])
    assert not world.run(node.bring_up)
    assert 'cannot be kept to the cores [4096]: this process has the cores' in node.failure
    assert inference_threads() == 0


def test_shutting_down_an_active_node_releases_everything(world, random_bundle):
    world.predictor(random_bundle())
    manager = Manager(world)
    assert manager.state == 'active'
    assert manager.change('shutdown')
    assert manager.state == 'finalized'
    assert inference_threads() == 0


def test_after_a_bad_bundle_the_node_can_be_configured_with_a_good_one(
    world, random_bundle, tmp_path, capfd
):
    node = world.predictor(str(tmp_path / 'nothing'), active=False)
    manager = Manager(world)
    assert not manager.change('configure')
    assert manager.state == 'unconfigured'
    assert 'nothing is not a bundle: it has no bundle.yaml' in node.failure
    assert 'cannot configure: ' in capfd.readouterr().err
    assert inference_threads() == 0
    good = Parameter('bundle', value=str(random_bundle().path))
    assert all(result.successful for result in world.run(lambda: node.set_parameters([good])))
    assert manager.change('configure')
    assert manager.change('activate')
    assert manager.state == 'active'
    assert node.failure is None


class Clumsy(ManagedNode):
    """Fails in the transition it is told to."""

    def __init__(self, **settings) -> None:
        self.fails_in = ''
        self.held = False
        super().__init__('clumsy', **settings)

    def _step(self, name: str) -> None:
        if name == self.fails_in:
            msg = f'stumbled in {name}'
            raise ZeroDivisionError(msg)

    def configure(self) -> None:
        self.held = True
        self._step('configure')

    def activate(self) -> None:
        self._step('activate')

    def deactivate(self) -> None:
        self._step('deactivate')

    def release(self) -> None:
        self.held = False
        self._step('cleanup')


@pytest.mark.parametrize('transition', ['configure', 'activate', 'deactivate', 'cleanup'])
def test_a_failure_in_any_transition_is_logged_and_can_be_recovered_from(world, capfd, transition):
    node = world.add(Clumsy(**world.settings()))
    manager = Manager(world, 'clumsy')
    node.fails_in = transition
    before = {
        'configure': [],
        'activate': ['configure'],
        'deactivate': ['configure', 'activate'],
        'cleanup': ['configure'],
    }
    for step in before[transition]:
        assert manager.change(step)
    assert not manager.change(transition)
    assert manager.state == 'unconfigured'
    assert not node.held
    log = capfd.readouterr().err
    assert f'ZeroDivisionError: stumbled in {transition}' in log
    assert 'Traceback' in log
    node.fails_in = ''
    for step in ('configure', 'activate', 'deactivate', 'cleanup'):
        assert manager.change(step)


@pytest.mark.parametrize(
    ('name', 'value', 'reason'),
    [
        ('precision', 'fp64', 'expected one of auto, fp32, fp16, int8'),
        ('backend', 'abacus', 'expected one of auto'),
        ('input_mixing', 1.5, 'out of range'),
        ('threads', 0, 'out of range'),
        ('slop', -0.1, 'out of range'),
        ('command_type', 'shout', 'expected one of joint_trajectory, float64_multi_array'),
    ],
)
def test_a_bad_value_is_refused_with_its_reason(world, random_bundle, name, value, reason):
    with pytest.raises(InvalidParameterValueException, match=reason):
        PredictorNode(**world.settings(**{name: value}))
    node = world.predictor(random_bundle(), active=False)
    (result,) = world.run(lambda: node.set_parameters([Parameter(name, value=value)]))
    assert not result.successful
    assert reason in result.reason


def test_a_configured_node_says_when_a_parameter_would_take_effect(world, random_bundle):
    node = world.predictor(random_bundle())
    (result,) = world.run(lambda: node.set_parameters([Parameter('slop', value=0.1)]))
    assert not result.successful
    assert 'deactivate, then cleanup' in result.reason


def test_every_parameter_is_described(world, random_bundle):
    node = world.predictor(random_bundle(), active=False)
    for setting in ('autostart', 'bundle', 'slop', 'joint_wait', 'input_mixing', 'threads'):
        assert len(node.describe_parameter(setting).description) > 10
    assert node.describe_parameter('autostart').read_only


def test_a_precision_that_does_not_run_yet_is_warned_of_once(world, random_bundle, capfd):
    node = world.predictor(random_bundle(), precision='fp16')
    assert capfd.readouterr().err.count('fp32 on ONNX Runtime') == 1
    assert node.failure is None


def test_activating_a_hundred_times_leaves_nothing_behind(world, random_bundle):
    node = world.predictor(random_bundle(), active=False)

    def cycle(count: int) -> None:
        for _ in range(count):
            assert node.trigger_activate().name == 'SUCCESS'
            assert node.trigger_deactivate().name == 'SUCCESS'

    assert world.run(node.trigger_configure).name == 'SUCCESS'
    process = psutil.Process()
    world.run(lambda: cycle(20), patience=60)
    gc.collect()
    files, threads, memory = process.num_fds(), process.num_threads(), process.memory_info().rss
    subscriptions = len(list(node.subscriptions))
    world.run(lambda: cycle(100), patience=200)
    gc.collect()
    assert process.num_fds() <= files
    assert process.num_threads() <= threads
    assert len(list(node.subscriptions)) == subscriptions
    assert process.memory_info().rss - memory < 4e6


@contextlib.contextmanager
def autostarted(world, bundle, *arguments) -> Iterator[tuple[subprocess.Popen, Callable[[], str]]]:
    """A node as a process, active; what it logs is returned by the function that ends it."""
    command = [sys.executable, '-m', 'eipl_trt_ros.nodes.predictor_node', '--ros-args']
    command += ['-p', 'autostart:=true', '-p', f'bundle:={bundle.path}']
    command += [*arguments, '-r', f'__ns:={world.namespace}']
    environment = {**os.environ, 'ROS_DOMAIN_ID': str(world.domain)}

    def end() -> str:
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=START_PATIENCE)
        assert process.returncode == 0, errors
        return errors

    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            manager = Manager(world)
            until(lambda: manager.state == 'active', 'the node', START_PATIENCE)
            yield process, end
        finally:
            process.kill()


def test_a_node_with_autostart_comes_up_as_a_process_and_leaves_quietly(world, random_bundle):
    with autostarted(world, random_bundle()) as (_, end):
        robot = world.robot()
        inbox = robot.listen(JointState, 'predicted_joints')
        robot.meet()
        names = random_bundle().joint_names
        stamps = itertools.count(1_700_000_000 * 10**9, 10**8)

        def send() -> None:
            stamp = next(stamps)
            robot.send_joints(stamp, names, [0.0] * 8)
            robot.send_picture(stamp, PICTURE)

        send_until(send, lambda: not inbox.empty())
        assert inbox.get().name == list(names)
        assert 'Traceback' not in end()


def test_a_process_runs_at_the_priority_or_says_how_to_allow_it(world, random_bundle):
    with autostarted(world, random_bundle(), '-p', 'priority:=3') as (process, end):
        threads = [int(task.name) for task in Path(f'/proc/{process.pid}/task').iterdir()]
        found = {
            (os.sched_getscheduler(thread), os.sched_getparam(thread).sched_priority)
            for thread in threads
        }
        errors = end()
    refused = 'priority 3 was refused' in errors
    assert found == ({(os.SCHED_OTHER, 0)} if refused else {(os.SCHED_FIFO, 3)})
    assert errors.count('[WARN]') == refused


@pytest.mark.parametrize(
    'argument',
    ['precision:=fp64', 'slop:=-1.0', 'threads:=many', 'priority:=100', 'cpu_affinity:=[0.5]'],
)
def test_a_process_with_a_bad_parameter_ends_with_one_line(argument):
    command = [sys.executable, '-m', 'eipl_trt_ros.nodes.predictor_node', '--ros-args']
    command += ['-p', argument, '-r', f'__ns:=/t{uuid.uuid4().hex[:8]}']
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert argument.split(':')[0] in done.stderr
    assert 'Traceback' not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
