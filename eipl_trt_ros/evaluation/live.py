# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a run of the real node over ROS gave, and how it compares with the offline pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eipl_trt_ros.evaluation.offline import Pass


@dataclass(frozen=True)
class LiveRun:
    """
    What the node published while a recording was played to it; M frames, D joints, K points.

    Attributes:
        images: how many images were published to the node.
        stamps_ns: int64 (M,), stamps of the frames' images as they are in the recording.
        predicted: float64 (M, D), predicted joints in radians; NaN where none arrived.
        digests: of the predicted images, see `digest_of`; '' where none arrived.
        encoder_points, decoder_points: float32 (M, K, 2), SARNN only; NaN where none arrived.
        steps_ms: float64 (M,) by step name, in milliseconds; NaN where none arrived.
        command_ms: float64 (M,), from the image's stamp to the arrival of the predicted joints,
            in milliseconds; NaN where none arrived. A command follows within one period of the
            controller.
        node_ms: float64 (M,), the part of it that the node took: from the arrival of the image
            to the predicted joints.
        dropped: images that did not become frames, by cause.

    """

    images: int
    stamps_ns: NDArray[np.int64]
    predicted: NDArray[np.float64]
    digests: tuple[str, ...]
    encoder_points: NDArray[np.float32] | None
    decoder_points: NDArray[np.float32] | None
    steps_ms: Mapping[str, NDArray[np.float64]]
    command_ms: NDArray[np.float64]
    node_ms: NDArray[np.float64]
    dropped: dict[str, int]

    @property
    def frames(self) -> int:
        """How many frames ran."""
        return len(self.stamps_ns)


def equal_frames(offline: Pass, live: LiveRun) -> NDArray[np.bool_]:
    """
    Compare frame by frame.

    Args:
        offline: the deterministic pass over the recording.
        live: the node's run of the same bundle over the same recording.

    Returns:
        bool (N,), one for each frame of the offline pass: True where the node ran a frame for
        the same image and its predicted joints, points and predicted image are the same to
        the last bit.

    """
    position = {int(stamp): index for index, stamp in enumerate(live.stamps_ns)}
    equal = np.zeros(offline.frames, np.bool_)
    for index, stamp in enumerate(offline.stamps_ns):
        other = position.get(int(stamp))
        equal[index] = (
            other is not None
            and np.array_equal(offline.predicted[index], live.predicted[other])
            and offline.digests[index] == live.digests[other]
            and _same(offline.encoder_points, live.encoder_points, index, other)
            and _same(offline.decoder_points, live.decoder_points, index, other)
        )
    return equal


def _same(
    offline: NDArray[np.float32] | None, live: NDArray[np.float32] | None, index: int, other: int
) -> bool:
    if offline is None or live is None:
        return offline is live
    return np.array_equal(offline[index], live[other])


def aligned(offline: Pass, live: LiveRun) -> NDArray[np.float64]:
    """
    Put the node's predictions in the places of the offline frames.

    Returns:
        float64 (N, D), NaN where the node ran no frame for the image.

    """
    position = {int(stamp): index for index, stamp in enumerate(live.stamps_ns)}
    predicted = np.full_like(offline.predicted, np.nan)
    for index, stamp in enumerate(offline.stamps_ns):
        other = position.get(int(stamp))
        if other is not None:
            predicted[index] = live.predicted[other]
    return predicted
