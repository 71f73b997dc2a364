# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The contract between the predictor and whatever executes a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class StepTimes:
    """
    How long each step of one frame took, in integer nanoseconds.

    The five steps are those of the paper's section 4: (1) pre-process, (2) copy in, (3) infer,
    (4) copy out, (5) post-process. They stand here twice: for the motion graph, which is on the
    way to the command, and for the image graph, which runs behind it (0 where it did not run).
    One object is made per backend and written again in every frame.
    """

    __slots__ = (
        'copy_in',
        'copy_out',
        'image_copy_in',
        'image_copy_out',
        'image_infer',
        'image_post_process',
        'infer',
        'post_process',
        'pre_process',
    )

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Set every step to 0, at the start of a frame."""
        self.pre_process = 0
        self.copy_in = 0
        self.infer = 0
        self.copy_out = 0
        self.post_process = 0
        self.clear_image()

    def clear_image(self) -> None:
        """Set the steps of the image graph to 0."""
        self.image_copy_in = 0
        self.image_infer = 0
        self.image_copy_out = 0
        self.image_post_process = 0

    @property
    def device_total(self) -> int:
        """Steps (2) to (4) of the motion graph: the paper's table 4."""
        return self.copy_in + self.infer + self.copy_out

    @property
    def motion_total(self) -> int:
        """Steps (1) to (5) of the motion graph: from the inputs to the command."""
        return self.pre_process + self.device_total + self.post_process

    @property
    def image_total(self) -> int:
        """What the predicted image cost on top."""
        return (
            self.image_copy_in + self.image_infer + self.image_copy_out + self.image_post_process
        )

    @property
    def total(self) -> int:
        """The whole frame, image included where it was asked for: the paper's table 5."""
        return self.motion_total + self.image_total

    def as_dict(self) -> dict[str, int]:
        """Return the steps by name; allocates, so not for the frame loop."""
        return {name: getattr(self, name) for name in self.STEPS}

    STEPS = (
        'pre_process',
        'copy_in',
        'infer',
        'copy_out',
        'post_process',
        'image_copy_in',
        'image_infer',
        'image_copy_out',
        'image_post_process',
    )


class Backend(Protocol):
    """
    Executes one model, frame by frame, and keeps its LSTM state.

    Lifecycle: made by `load_backend`, with everything that a frame needs allocated; then frames;
    then `close`, after which nothing may be called. All calls come from one thread, the one that
    made the backend: it owns the GPU context where there is one.

    One frame: the caller fills ``image`` and ``joints`` in place and says so of the image with
    ``renew_image``; ``run_motion`` computes the prediction and the next state, without making
    that state current; ``advance`` makes it current, so that a caller who finds the prediction
    unusable leaves the state as it was; ``run_image``, wanted or not, computes the predicted
    image from the state made current.

    The arrays are made once and written again in every frame: whoever keeps one copies it.
    """

    name: str
    """``onnxruntime``, ``torch`` or ``tensorrt``."""
    precision: str
    """``fp32``, ``fp16`` or ``int8``."""
    device: str
    """What it runs on, for people: a processor's or a GPU's name."""
    image: NDArray[np.uint8]
    """Input (H, W, 3)."""
    joints: NDArray[np.float32]
    """Input (D,), joint units (rad)."""
    predicted_joints: NDArray[np.float32]
    """Output (D,), joint units (rad): the joints one step later."""
    predicted_image: NDArray[np.uint8]
    """Output (H, W, 3): the image one step later."""
    encoder_points: NDArray[np.float32] | None
    """Output (K, 2), SARNN only: where the model looks, x and y in 0..1 of the feature map."""
    decoder_points: NDArray[np.float32] | None
    """Output (K, 2), SARNN only: where it expects to look one step later."""
    mixing: bool
    """Whether the backend was made for closed-loop mixing."""
    notes: Mapping[str, str]
    """What else to tell people of how it runs, such as what it had to do without."""

    @property
    def timing(self) -> StepTimes:
        """
        The steps, always in the same object: each call adds its own, and the caller clears them.

        Ask for them behind the command: the clocks of a GPU are read only then.
        """

    def renew_image(self) -> None:
        """Take note that ``image`` was written, for those that copy an image only once."""

    def run_motion(self, mix: float = 1.0) -> None:
        """
        Compute the prediction of this frame and the next state.

        Args:
            mix: share of the sensed image and joints in the model's input; the rest is the
                previous prediction (EIPL's ``input_param``). Other than 1 only where the backend
                was made with ``mixing``.

        Raises:
            BackendError: execution failed; the current state is as before.

        """

    def advance(self) -> None:
        """Make the state that ``run_motion`` computed the current one."""

    def run_image(self) -> None:
        """Compute the predicted image of the frame that ``advance`` closed."""

    def reset(self) -> None:
        """Set the state to zeros, as at the start of an episode."""

    def get_state(self) -> dict[str, NDArray[np.float32]]:
        """
        Return a copy of everything carried from frame to frame, on the host.

        Keys: ``h`` and ``c`` (R,); with mixing also ``previous_joints`` (D,) and
        ``previous_image`` (3, H, W), normalised and not clipped.
        """

    def set_state(self, state: Mapping[str, NDArray[np.float32]]) -> None:
        """Replace the state by what `get_state` once gave."""

    def close(self) -> None:
        """Release everything. A second call does nothing."""
