# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Plays a recording to the real predictor node, in real time over DDS, and records what it publishes.

`predictor_node` and `replay_node` run as processes of their own, as on a robot; this process
brings the node up by its lifecycle services and listens. The replay moves all stamps to now, so
the time from an image's stamp to its command can be measured.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from lifecycle_msgs.msg import Transition
from rclpy.executors import SingleThreadedExecutor

from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.errors import BackendError, BagError
from eipl_trt_ros.evaluation.bags import Bag, ImageEvent
from eipl_trt_ros.evaluation.live import LiveRun
from eipl_trt_ros.evaluation.offline import Pass, PassSettings
from eipl_trt_ros.nodes.child_process import NodeProcess, on_this_host, own_domain
from eipl_trt_ros.nodes.listening import (
    START_PATIENCE,
    Lifecycle,
    check,
    listen,
    listening,
)
from eipl_trt_ros.nodes.live_recorder import LiveRecorder, gather
from eipl_trt_ros.progress import Progress, untold

_QUIET = 0.5  # seconds without a message after which nothing more is expected
# A DDS reader may hear of a writer seconds after the writer heard of it: Fast DDS repeats what was
# lost of its discovery every 3 s. What is sent in between is lost, and only the reader knows.
_SETTLE = 3.5
_LOST = 'no frame from the node'


def run_live(
    bundle: Bundle,
    bag_path: Path,
    offline: Pass,
    settings: PassSettings,
    progress: Progress = untold,
) -> LiveRun:
    """
    Play a recording to the node and collect what it publishes.

    Args:
        bundle: what the node is to run.
        bag_path: the recording.
        offline: the pass of the same bundle over the same recording; its topics are played, and
            an image that became a frame there but not in the node counts as dropped.
        settings: backend, precision and synchronizer's limits.
        progress: told the share of the images that were played.

    Returns:
        What arrived, with the stamps of the recording.

    Raises:
        BackendError: the node did not come up, or ended; the text ends with its last words.
        BagError: the replay ended early.

    """
    stamps, compressed = _image_stamps(bag_path, offline)
    place = f'/eipl_trt_live_{os.getpid()}'
    domain = own_domain()
    environment = on_this_host(domain)
    remaps = [f'__ns:={place}', f'image:={place}/image', f'joint_states:={place}/joint_states']
    parameters = {
        'bundle': str(bundle.path.resolve()),
        'backend': settings.backend,
        'precision': settings.precision,
        'threads': settings.threads,
        'slop': settings.slop,
        # recorded joints are there before their image; only on a machine too busy to deliver in
        # order is there anything to wait for, and then equal frames are what is asked for
        'joint_wait': 0.1,
        'image_transport': 'compressed' if compressed else 'raw',
        'image_reliability': 'reliable',
    }
    image_topic = f'{place}/image' + '/compressed' * compressed
    with (
        listening(domain) as (context, executor),
        NodeProcess(
            'eipl_trt_ros.nodes.predictor_node',
            parameters=parameters,
            remaps=remaps,
            environment=environment,
        ) as predictor,
        NodeProcess(
            'eipl_trt_ros.nodes.replay_node',
            parameters={
                'bag': str(bag_path.resolve()),
                'topics': f'{offline.image_topic},{offline.joint_topic}',
                'restamp': True,
                'subscribers': 2,  # we, and the predictor once it is active
                'wait_for_subscribers': 2 * START_PATIENCE,
            },
            remaps=[
                f'{offline.image_topic}:={image_topic}',
                f'{offline.joint_topic}:={place}/joint_states',
            ],
            environment=environment,
        ) as replay,
    ):
        recorder = LiveRecorder(context, bundle, place, compressed=compressed)
        executor.add_node(recorder)
        lifecycle = Lifecycle(recorder, executor, predictor, f'{place}/predictor')
        lifecycle.change(Transition.TRANSITION_CONFIGURE)
        _connect(recorder, executor, (predictor, replay))
        lifecycle.change(Transition.TRANSITION_ACTIVATE)
        _play(
            recorder,
            executor,
            (predictor, replay),
            lambda: progress(len(recorder.heard.images) / len(stamps)),
        )
    live = gather(recorder.heard, stamps, bundle)
    expected = set(offline.stamps_ns.tolist())
    lost = len(expected - set(live.stamps_ns.tolist()))
    if lost:
        live.dropped[_LOST] = lost
    return live


def _image_stamps(bag_path: Path, offline: Pass) -> tuple[list[int], bool]:
    """Read the stamps of all images, in the order of the log, and whether they are compressed."""
    with Bag(
        bag_path,
        joint_names=(),
        image_topic=offline.image_topic,
        joint_topic=offline.joint_topic,
    ) as bag:
        kind = next(topic.type for topic in bag.topics if topic.name == bag.image_topic)
        stamps = [event.stamp_ns for event in bag.events() if isinstance(event, ImageEvent)]
    return stamps, kind.endswith('CompressedImage')


def _connect(
    recorder: LiveRecorder, executor: SingleThreadedExecutor, processes: Sequence[NodeProcess]
) -> None:
    """Wait until all three processes know of each other, so that no first message is lost."""
    deadline = time.monotonic() + START_PATIENCE
    while not recorder.connected():
        for process in processes:
            check(process, BackendError, deadline)
        listen(executor, 0.05)
    listen(executor, _SETTLE)


def _play(
    recorder: LiveRecorder,
    executor: SingleThreadedExecutor,
    processes: tuple[NodeProcess, NodeProcess],
    tell: Callable[[], None],
) -> None:
    """Listen until the replay has ended and nothing more comes."""
    predictor, replay = processes
    while replay.exit_code is None:
        tell()
        check(predictor, BackendError)
        listen(executor, 0.1)
    if replay.exit_code != 0:
        check(replay, BagError)
    heard = -1
    while recorder.heard.messages != heard:
        heard = recorder.heard.messages
        listen(executor, _QUIET)
