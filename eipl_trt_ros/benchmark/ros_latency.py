# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
From the stamp of an image to the command, through real topics: where the time goes.

For every way of sending images a camera process and the predictor node run, as on a robot. The
model steps at the camera's rate, and the whole picture is resized to the model's.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from eipl_trt_ros.bundle import Bundle, write_bundle
from eipl_trt_ros.child_environment import ROOT, child_environment
from eipl_trt_ros.errors import BackendError
from eipl_trt_ros.nodes.child_process import own_domain
from eipl_trt_ros.progress import Progress, untold
from eipl_trt_ros.robot import CameraSpec

if TYPE_CHECKING:  # its module needs ROS
    from eipl_trt_ros.nodes.frame_timing import FrameTiming

_SECONDS = 6.0
_MORE_PATIENCE = 60.0
_FIRST = 5  # frames that are left out: the node's memory is not warm yet
_PROFILE = 'config/fast_dds_large_images.xml'


@dataclass(frozen=True)
class Stream:
    """
    How images are sent.

    Attributes:
        width, height: pixels.
        rate_hz: images a second.
        compressed: whether as JPEG, else raw.
        robots: how many cameras send so at once, each to a node of its own in a namespace.

    """

    width: int
    height: int
    rate_hz: float
    compressed: bool
    robots: int = 1

    @property
    def label(self) -> str:
        """What it is, for people."""
        several = f' x{self.robots}' if self.robots > 1 else ''
        return f'{self.width}x{self.height} {"jpeg" if self.compressed else "raw"}{several}'


SIZES = ((128, 128), (640, 480), (1280, 720), (1920, 1080))
RATES = (10.0, 30.0, 60.0, 100.0)
MATRIX = tuple(
    Stream(*size, rate, compressed)
    for size in SIZES
    for compressed in (False, True)
    for rate in RATES
)
FLEET = tuple(Stream(640, 480, 10.0, False, robots) for robots in (1, 2, 4))


@dataclass(frozen=True)
class Latency:
    """
    What became of a stream; times in milliseconds.

    Attributes:
        stream: how images were sent.
        sent, dropped: images, and those of them that did not become a frame.
        p50, p99: from the image's stamp, taken before it is published, to the published command.
        publish: of this in the camera's ``publish()``, or until the image reached the node, where
            that was sooner; median.
        topic: from there until the image reached the node: transport, waking up, deserialising;
            median.
        wait: from there until the inference thread took it up; median.
        decode: from the message to a picture; median.
        model: steps 1 to 5 of the motion graph; median.
        rest: publishing the command, and what else Python does; median.
        own, own_p99: what the node adds to the camera's ``publish()`` and the model: topic, wait,
            decode and rest of each frame together.
        cpu: the nodes' processor time over the time, 1 being a whole core.

    """

    stream: Stream
    sent: int
    dropped: int
    p50: float
    p99: float
    publish: float
    topic: float
    wait: float
    decode: float
    model: float
    rest: float
    own: float
    own_p99: float
    cpu: float


def time_node(
    bundle: Bundle,
    streams: Sequence[Stream],
    *,
    backend: str = 'onnxruntime',
    threads: int = 1,
    seconds: float = _SECONDS,
    progress: Progress = untold,
) -> list[Latency]:
    """
    Run each stream.

    Args:
        bundle: the model.
        streams: how images are sent.
        backend: what executes the model.
        threads: processor threads for one inference.
        seconds: how long each stream lasts.
        progress: told the share of the streams that are done.

    Raises:
        BackendError: the camera or the node failed; the text ends with its last words.

    """
    found = []
    for index, stream in enumerate(streams):
        progress(index / len(streams))
        with tempfile.TemporaryDirectory(prefix='eipl_trt_') as folder:
            stepped = _stepped_at(bundle, stream.rate_hz, Path(folder) / 'bundle')
            settings = {'backend': backend, 'threads': threads, 'seconds': seconds}
            with ThreadPoolExecutor(stream.robots) as pool:
                robots = [
                    pool.submit(_run, stepped, stream, settings) for _ in range(stream.robots)
                ]
                found.append(summarise(stream, [robot.result() for robot in robots]))
    return found


def _stepped_at(bundle: Bundle, rate_hz: float, path: Path) -> Bundle:
    shutil.copytree(bundle.path, path)
    camera = CameraSpec(bundle.camera.encoding, 1, None, 'none')
    draft = dataclasses.replace(bundle, path=path, rate_hz=rate_hz, camera=camera)
    return write_bundle(draft, list(bundle.files))


def _run(bundle: Bundle, stream: Stream, chosen: Mapping[str, Any]) -> Mapping[str, Any]:
    settings = {
        **chosen,
        'bundle': str(bundle.path),
        'width': stream.width,
        'height': stream.height,
        'rate_hz': stream.rate_hz,
        'compressed': stream.compressed,
        'domain': own_domain(),
    }
    environment = child_environment() | {'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST'}
    profile = ROOT / _PROFILE
    if profile.is_file():  # beside the package in a checkout; else what the user has set counts
        environment.setdefault('FASTRTPS_DEFAULT_PROFILES_FILE', str(profile))
    command = [sys.executable, '-m', 'eipl_trt_ros.nodes.latency_camera', json.dumps(settings)]
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter and module
            command,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=chosen['seconds'] + _MORE_PATIENCE,
        )
        return json.loads(done.stdout.splitlines()[-1])
    except subprocess.CalledProcessError as error:
        reason = ([line for line in error.stderr.splitlines() if line.strip()] or ['silent'])[-1]
    except subprocess.TimeoutExpired:
        reason = 'it did not come to an end'
    msg = f'the camera for {stream.label} at {stream.rate_hz:g} Hz failed: {reason}'
    raise BackendError(msg)


def summarise(stream: Stream, results: Sequence[Mapping[str, Any]]) -> Latency:
    """
    Describe what the nodes told of their frames.

    Args:
        stream: how images were sent.
        results: what each camera process wrote.

    Raises:
        BackendError: hardly an image became a frame.

    """
    from eipl_trt_ros.nodes.frame_timing import FrameTiming  # noqa: PLC0415

    sent = sum(int(result['sent']) for result in results)
    dropped = sent - sum(len(result['frames']) for result in results)
    rows = []
    for result in results:
        published = dict(result['published'])
        frames = [FrameTiming(*values) for values in result['frames'][_FIRST:]]
        rows += [_parts(frame, published[frame.stamp]) for frame in frames]
    if not rows:
        msg = f'{stream.label} at {stream.rate_hz:g} Hz: {sent - dropped} of {sent} arrived'
        raise BackendError(msg)
    parts = np.array(rows) / 1e6
    p50, publish, topic, wait, decode, model, rest, own = (
        float(x) for x in np.median(parts, axis=0)
    )
    p99, own_p99 = (float(x) for x in np.percentile(parts[:, [0, -1]], 99, axis=0))
    return Latency(
        stream=stream,
        sent=sent,
        dropped=dropped,
        p50=p50,
        p99=p99,
        publish=publish,
        topic=topic,
        wait=wait,
        decode=decode,
        model=model,
        rest=rest,
        own=own,
        own_p99=own_p99,
        cpu=sum(float(result['cpu']) for result in results),
    )


def _parts(frame: FrameTiming, publish: int) -> tuple[int, ...]:
    """Take a frame apart, in ns: whole, publish, topic, wait, decode, model, rest, own."""
    arrival = frame.stamp_to_command - frame.receive_to_command
    publish = min(publish, arrival)
    rest = frame.commanded - frame.started - frame.decode - frame.motion_total
    return (
        frame.stamp_to_command,
        publish,
        arrival - publish,
        frame.started - frame.received,
        frame.decode,
        frame.motion_total,
        rest,
        frame.stamp_to_command - publish - frame.motion_total,
    )
