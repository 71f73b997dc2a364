# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The predictor: one frame after another through the five steps, with the LSTM state carried."""

from __future__ import annotations

import enum
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eipl_trt_ros.backends import Backend, SharedInputs, StepTimes, load_backend
from eipl_trt_ros.bundle import Bundle, load_bundle
from eipl_trt_ros.closing import Closing
from eipl_trt_ros.errors import BackendError, InputError, PredictionError
from eipl_trt_ros.picture import PictureShaper


@dataclass(frozen=True)
class Motion:
    """What the motion graph gives. The arrays are views, valid until the next step."""

    joints: NDArray[np.float32]
    """(D,), joint units (rad): the joints one step later, in the bundle's order."""
    encoder_points: NDArray[np.float32] | None
    """(K, 2), SARNN only: where the model looks, x and y in 0..1."""
    decoder_points: NDArray[np.float32] | None
    """(K, 2), SARNN only: where it expects to look one step later."""


@dataclass(frozen=True)
class PredictorState:
    """Everything that a predictor carries from frame to frame."""

    frame: int
    arrays: Mapping[str, NDArray[np.float32]]
    fed_back: NDArray[np.float32]


class _Image(enum.Enum):
    """Whether the predicted image of the last frame is there."""

    NONE = enum.auto()
    DUE = enum.auto()
    DONE = enum.auto()


class Predictor(Closing):
    """
    Runs frames and owns the LSTM state.

    All calls come from the thread that made the backend. Use it in a ``with`` block, or call
    `close`.

    Args:
        bundle: the model and its wiring.
        backend: made for the same bundle; closed together with the predictor.
        input_mixing: EIPL's ``input_param``, 0 to 1: from the second frame on the model sees
            this share of the sensed image and joints, and for the rest its own previous
            prediction, in normalised space and not clipped. 1 is the plain open loop.

    """

    def __init__(self, bundle: Bundle, backend: Backend, *, input_mixing: float = 1.0) -> None:
        if not 0.0 <= input_mixing <= 1.0:
            msg = f'input_mixing is {input_mixing}, expected 0 to 1'
            raise InputError(msg)
        if input_mixing != 1.0 and not backend.mixing:
            msg = 'input_mixing below 1 needs a backend made with mixing=True'
            raise BackendError(msg)
        self.bundle = bundle
        self.backend = backend
        self.input_mixing = input_mixing
        self.frame = 0
        """Frames since the last reset."""
        model = bundle.model
        self._shaper = PictureShaper(bundle.camera, model.image_height, model.image_width)
        self._fed_back = np.array([joint.source == 'prediction' for joint in bundle.joints])
        self._any_fed_back = bool(self._fed_back.any())
        self._initial = np.array([joint.initial or 0.0 for joint in bundle.joints], np.float32)
        self._last = self._initial.copy()
        self._input = np.zeros(model.joint_dim, np.float32)
        self._finite = np.zeros(model.joint_dim, np.bool_)
        self._image = _Image.NONE
        self._look_ns = 0
        self._times = backend.timing
        self._motion = Motion(
            backend.predicted_joints, backend.encoder_points, backend.decoder_points
        )

    @property
    def timing(self) -> StepTimes:
        """The steps of the last frame; written again in the next."""
        return self.backend.timing

    def step(self, picture: NDArray[np.uint8], joints: NDArray[np.floating]) -> Motion:
        """
        Run one frame: from what the robot senses now to its joints one step later.

        Args:
            picture: uint8 (h, w, 3) of any size, in the bundle's encoding.
            joints: (D,) in joint units and the bundle's order. Values of joints that are fed
                back (source ``prediction``) are ignored and may be NaN.

        Returns:
            The prediction, valid until the next step.

        Raises:
            InputError: an input has another shape or type, or a joint is NaN or infinite. The
                state is untouched.
            PredictionError: the network answered with NaN or infinity. The state is untouched.
            BackendError: the execution failed. The state is untouched.

        """
        self._take_joints(joints)
        self.look(picture)
        return self._move()

    def look(self, picture: NDArray[np.uint8], *, shaped: bool = False) -> None:
        """
        Take in the picture for the next `move`: a step in two parts, for models side by side.

        Args:
            picture: uint8 (h, w, 3) in the bundle's encoding.
            shaped: whether it is the model's image already, shaped by another model's predictor.

        Raises:
            InputError: the picture has another shape or type.

        """
        if self.input_mixing != 1.0 and self._image is _Image.DUE:
            self.predicted_image()  # of the frame before, which this frame is mixed with
        begin = time.perf_counter_ns()
        image = self.backend.image
        if not shaped:
            self._shaper.shape_into(picture, image)
        elif picture is not image:  # models that share their inputs have the same
            np.copyto(image, picture)
        self.backend.renew_image()
        self._look_ns = time.perf_counter_ns() - begin

    def move(self, joints: NDArray[np.floating]) -> Motion:
        """Run one frame with the picture that was looked at; see `step`."""
        self._take_joints(joints)
        return self._move()

    def _move(self) -> Motion:
        backend = self.backend
        mixing = self.input_mixing != 1.0 and self.frame > 0
        begin = time.perf_counter_ns()
        np.copyto(backend.joints, self._input)
        before = time.perf_counter_ns()
        self._times.clear()
        backend.run_motion(self.input_mixing if mixing else 1.0)
        after = time.perf_counter_ns()
        self._check_prediction()
        backend.advance()
        if self._any_fed_back:
            np.copyto(self._last, backend.predicted_joints)
        self.frame += 1
        self._image = _Image.DUE
        self._times.pre_process += self._look_ns + before - begin
        self._times.post_process += time.perf_counter_ns() - after
        return self._motion

    def _take_joints(self, joints: NDArray[np.floating]) -> None:
        if joints.shape != self._input.shape or joints.dtype.kind != 'f':
            msg = f'joints are {joints.dtype} {joints.shape}, expected float {self._input.shape}'
            raise InputError(msg)
        np.copyto(self._input, joints, casting='same_kind')
        if self._any_fed_back:
            np.copyto(self._input, self._last, where=self._fed_back)
        if not np.isfinite(self._input, out=self._finite).all():
            index = int(np.argmin(self._finite))
            msg = (
                f'joint {self.bundle.joints[index].name!r} is {joints[index]}, expected a finite '
                'number'
            )
            raise InputError(msg)

    def _check_prediction(self) -> None:
        predicted = self.backend.predicted_joints
        if not np.isfinite(predicted, out=self._finite).all():
            index = int(np.argmin(self._finite))
            msg = (
                f'the network predicts {predicted[index]} for joint '
                f'{self.bundle.joints[index].name!r} in frame {self.frame}; the state was kept '
                'as before this frame'
            )
            raise PredictionError(msg)

    def predicted_image(self) -> NDArray[np.uint8]:
        """
        Return the image one step later, uint8 (H, W, 3) in the bundle's encoding.

        It is computed at the first call after a step and valid until the next step.

        Raises:
            PredictionError: no frame was run since the last reset or restore.
            BackendError: the execution failed.

        """
        if self._image is _Image.NONE:
            msg = 'there is no predicted image before the first step after a reset or restore'
            raise PredictionError(msg)
        if self._image is _Image.DUE:
            self._times.clear_image()
            self.backend.run_image()
            self._image = _Image.DONE
        return self.backend.predicted_image

    def finish_frame(self) -> None:
        """Do what the next frame needs, once the command has left: better now than then."""
        if self.input_mixing != 1.0:
            self.predicted_image()

    def reset(self) -> None:
        """Start a new episode: zero state, and initial values for joints that are fed back."""
        self.backend.reset()
        self.frame = 0
        self._image = _Image.NONE
        np.copyto(self._last, self._initial)

    def snapshot(self) -> PredictorState:
        """Return a copy of the state, to go back to with `restore`."""
        if self.backend.mixing and self._image is _Image.DUE:
            self.predicted_image()
        return PredictorState(self.frame, self.backend.get_state(), self._last.copy())

    def restore(self, state: PredictorState) -> None:
        """Go back to a snapshot of this model: the next step runs as it would have then."""
        self.backend.set_state(state.arrays)
        self.frame = state.frame
        self._image = _Image.NONE
        np.copyto(self._last, state.fed_back)

    def close(self) -> None:
        """Release the backend. A second call does nothing."""
        self.backend.close()


def open_predictor(
    bundle: Bundle | Path | str,
    backend: str = 'auto',
    *,
    precision: str = 'fp32',
    threads: int = 1,
    input_mixing: float = 1.0,
    shared: SharedInputs | None = None,
) -> Predictor:
    """
    Load a bundle, make its backend, and put a predictor on top.

    Args:
        bundle: a bundle, or the folder of one.
        backend: name of the backend, see `load_backend`.
        precision: ``fp32``, ``fp16`` or ``int8``.
        threads: CPU threads for one inference.
        input_mixing: see `Predictor`.
        shared: see `load_backend`.

    Returns:
        The predictor, owned by the calling thread.

    """
    loaded = bundle if isinstance(bundle, Bundle) else load_bundle(bundle)
    made = load_backend(
        loaded,
        backend,
        precision=precision,
        threads=threads,
        mixing=input_mixing != 1.0,
        shared=shared,
    )
    try:
        return Predictor(loaded, made, input_mixing=input_mixing)
    except BaseException:
        made.close()
        raise
