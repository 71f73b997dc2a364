# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The SROS2 policy against what the running nodes really offer and use, by ROS's own graph."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import TransitionEvent
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.srv import GetParameters, SetParameters
from rclpy.node import Node
from ros_world import PATIENCE
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from std_srvs.srv import SetBool, Trigger

from eipl_trt_ros.nodes.power_node import PowerNode
from eipl_trt_ros.nodes.predictor_node import PredictorNode

POLICY = Path(__file__).parents[2] / 'config' / 'sros2' / 'policy.xml'
PREFIX = '/eipl_trt_ros/'
RIGHTS = ('publish', 'subscribe', 'reply', 'request')
ARM = ('/arm_controller/joint_trajectory', '/gripper/close')
REMAPS = (
    'image:=camera/image_raw',
    '~/joint_trajectory:=arm_controller/joint_trajectory',
    '~/gripper_command:=gripper/close',
)

Rights = dict[str, set[str]]


def policy_of(name: str) -> Rights:
    """Return the names that the policy allows a process, by right; as sros2 resolves them."""
    (enclave,) = (one for one in enclaves() if one.get('path') == PREFIX + name)
    (profile,) = enclave.findall('profiles/profile')
    namespace = profile.get('ns', '').rstrip('/')
    rights: Rights = {right: set() for right in RIGHTS}
    for group in profile:
        for right in RIGHTS:
            if group.get(right) == 'ALLOW':
                for entry in group:
                    text = entry.text or ''
                    if text.startswith('~'):
                        text = f'{namespace}/{profile.get("node")}{text[1:]}'
                    elif not text.startswith('/'):
                        text = f'{namespace}/{text}'
                    rights[right].add(text)
    return rights


def enclaves() -> list[ET.Element]:
    root = ET.parse(POLICY).getroot()  # noqa: S314, our own file
    assert (root.tag, root.attrib) == ('policy', {'version': '0.2.0'})
    return root.findall('enclaves/enclave')


def used_by(observer: Node, world: Any, name: str) -> Rights:
    """Return what a running node has, by the right that it needs for it."""
    ways: dict[str, Callable[..., list[tuple[str, list[str]]]]] = {
        'publish': observer.get_publisher_names_and_types_by_node,
        'subscribe': observer.get_subscriber_names_and_types_by_node,
        'reply': observer.get_service_names_and_types_by_node,
        'request': observer.get_client_names_and_types_by_node,
    }
    return {
        right: {found.removeprefix(world.namespace) for found, _ in way(name, world.namespace)}
        for right, way in ways.items()
    }


class Operator(Node):
    """Whoever engages the arm: a panel, a supervisor."""

    def __init__(self, **settings: Any) -> None:
        super().__init__('operator', start_parameter_services=False, **settings)
        for kind, name in (
            (SetBool, 'engage'),
            (Trigger, 'reset'),
            (ChangeState, 'change_state'),
            (GetState, 'get_state'),
            (GetParameters, 'get_parameters'),
            (SetParameters, 'set_parameters'),
        ):
            self.create_client(kind, f'predictor/{name}')
        for kind, topic in (
            (String, 'predictor/command_state'),
            (JointState, 'predictor/predicted_joints'),
            (TransitionEvent, 'predictor/transition_event'),
            (DiagnosticArray, '/diagnostics'),
        ):
            self.create_subscription(kind, topic, lambda _: None, 10)


@pytest.fixture
def nodes(world: Any, random_bundle: Any, tmp_path: Path) -> Node:
    """Bring up each process of the policy; returns a node to look at them with."""
    arguments = ['--ros-args', *(part for rule in REMAPS for part in ('-r', rule))]
    settings = world.settings(bundle=str(random_bundle('sarnn').path))
    node = world.add(PredictorNode(cli_args=arguments, **settings))
    assert world.run(node.bring_up), node.failure
    recording = tmp_path / 'power.csv'
    recording.write_text('time_s,total_mw\n0.0,5000\n60.0,5000\n')
    source = {'source': 'recorded', 'recording': str(recording)}
    world.add(PowerNode(**world.settings(**source)))
    world.add(Operator(**world.settings()))
    return world.add(rclpy.create_node('observer', **world.settings()))


def test_each_process_may_do_what_it_does_and_nothing_else(world: Any, nodes: Node) -> None:
    names = [one.get('path', '').removeprefix(PREFIX) for one in enclaves()]
    assert names == ['predictor', 'power', 'operator']
    for name in names:
        allowed, used = policy_of(name), used_by(nodes, world, name)
        deadline = time.monotonic() + PATIENCE  # the graph fills bit by bit
        while used != allowed and time.monotonic() < deadline:
            time.sleep(0.1)
            used = used_by(nodes, world, name)
        for right in RIGHTS:
            lacking, needless = used[right] - allowed[right], allowed[right] - used[right]
            assert not lacking, f'{name} may not {right} {sorted(lacking)}'
            assert not needless, f'{name} need not {right} {sorted(needless)}'


def test_only_the_predictor_reaches_the_arm_and_only_the_operator_the_predictor() -> None:
    rights = {
        one.get('path', ''): policy_of(one.get('path', '')[len(PREFIX) :]) for one in enclaves()
    }
    for topic in ARM:
        assert [p for p, r in rights.items() if topic in r['publish']] == [f'{PREFIX}predictor']
    for service in rights[f'{PREFIX}predictor']['reply']:
        callers = [path for path, right in rights.items() if service in right['request']]
        assert callers in ([], [f'{PREFIX}operator'])
    assert not rights[f'{PREFIX}predictor']['request']
    assert not rights[f'{PREFIX}power']['request']


def test_no_comment_is_where_sros2_would_take_it_for_an_enclave() -> None:
    builder = ET.TreeBuilder(insert_comments=True)
    root = ET.parse(POLICY, ET.XMLParser(target=builder)).getroot()  # noqa: S314, our own file
    assert all(isinstance(element.tag, str) for element in root.iter())


def test_the_policy_has_no_wildcards() -> None:
    texts = [text for one in enclaves() for text in one.itertext()]
    assert not [text for text in texts if set(text) & set('*?[]')]


def test_with_security_demanded_no_node_runs_without_it(tmp_path: Path) -> None:
    """Where the middleware has no security, or the keystore no keys, the process ends."""
    (tmp_path / 'enclaves' / 'eipl_trt_ros' / 'predictor').mkdir(parents=True)
    command = [sys.executable, '-m', 'eipl_trt_ros.nodes.predictor_node', '--ros-args']
    command += ['--enclave', f'{PREFIX}predictor', '-r', f'__ns:=/t{uuid.uuid4().hex[:8]}']
    security = {
        'ROS_SECURITY_ENABLE': 'true',
        'ROS_SECURITY_STRATEGY': 'Enforce',
        'ROS_SECURITY_KEYSTORE': str(tmp_path),
    }
    done = subprocess.run(
        command,
        env={**os.environ, **security},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    assert 'secur' in done.stderr.lower()
    assert '[FATAL] ' in done.stderr
    assert 'Traceback' not in done.stderr
