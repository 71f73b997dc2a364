# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Messages without stamps find their frame by the time of their arrival."""

from __future__ import annotations

import numpy as np
import pytest
from builders import write_weights_only_bundle

pytest.importorskip('rclpy', reason='ROS 2 is not installed')

from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.errors import BagError
from eipl_trt_ros.nodes.frame_timing import FIELDS, FrameTiming
from eipl_trt_ros.nodes.live_recorder import Heard, gather
from eipl_trt_ros.spec import ModelSpec

SARNN = ModelSpec('sarnn', 16, 16, 2, 5, k_dim=3, temperature=1e-2, heatmap_size=0.1)
BAG = [1_000, 2_000, 3_000]  # stamps in the recording
MOVED = 500_000  # by the replay


def timing(stamp: int, started: int) -> FrameTiming:
    values = dict.fromkeys(FIELDS, 0) | {'infer': 2_000_000}
    values |= {'stamp': stamp, 'started': started, 'received': started - 10}
    return FrameTiming(**values | {'commanded': started + 4_000_000})


@pytest.fixture(scope='module')
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return write_weights_only_bundle(tmp_path_factory.mktemp('sarnn'), SARNN)


def heard_frames(*places: int) -> Heard:
    """Let the frames at some places of the recording run, each 100 us after the one before."""
    heard = Heard(images=[stamp + MOVED for stamp in BAG])
    for place in places:
        stamp, started = BAG[place] + MOVED, 10_000_000 + 100_000 * place
        heard.timings[stamp] = timing(stamp, started)
        heard.joints[stamp] = np.array([place, 0.5])
        heard.predicted_images[stamp] = f'digest {place}'
        heard.arrived[stamp] = stamp + 7_000_000
        heard.points.append((started + 60_000, np.full((2, 3, 2), place, np.float32)))
    return heard


def test_everything_is_put_to_its_frame_under_the_stamp_of_the_recording(bundle: Bundle) -> None:
    live = gather(heard_frames(0, 1, 2), BAG, bundle)
    assert live.stamps_ns.tolist() == BAG
    assert live.predicted.tolist() == [[0, 0.5], [1, 0.5], [2, 0.5]]
    assert live.command_ms.tolist() == [7, 7, 7]
    assert live.node_ms == pytest.approx([4.00001] * 3)
    assert live.digests == ('digest 0', 'digest 1', 'digest 2')
    assert live.encoder_points is not None
    assert live.encoder_points[:, 2, 1].tolist() == [0, 1, 2]
    assert live.steps_ms['infer'].tolist() == [2, 2, 2]


def test_what_did_not_arrive_is_missing_in_its_frame_only(bundle: Bundle) -> None:
    heard = heard_frames(0, 2)
    del heard.arrived[BAG[0] + MOVED], heard.points[0], heard.joints[BAG[2] + MOVED]
    live = gather(heard, BAG, bundle)
    assert live.stamps_ns.tolist() == [BAG[0], BAG[2]]
    assert np.isnan(live.command_ms).tolist() == [True, False]
    assert np.isnan(live.predicted[:, 0]).tolist() == [False, True]
    assert live.decoder_points is not None
    assert np.isnan(live.decoder_points[:, 0, 0]).tolist() == [True, False]


def test_images_sent_before_we_were_connected_do_not_shift_the_stamps(bundle: Bundle) -> None:
    heard = heard_frames(1, 2)
    del heard.images[0]
    assert gather(heard, BAG, bundle).stamps_ns.tolist() == BAG[1:]


def test_images_of_another_recording_are_refused(bundle: Bundle) -> None:
    heard = heard_frames(0)
    heard.images[0] += 1
    with pytest.raises(BagError, match='do not have the stamps'):
        gather(heard, BAG, bundle)
    with pytest.raises(BagError, match='none of the 3 images'):
        gather(Heard(), BAG, bundle)
