# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Several models on one robot: all see every frame, one drives."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from eipl_trt_ros.arbiter import Arbiter, ArbiterSettings
from eipl_trt_ros.backends import Backend, SharedInputs, StepTimes
from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.closing import Closing
from eipl_trt_ros.errors import BundleError, PredictionError
from eipl_trt_ros.image_errors import ImageErrors
from eipl_trt_ros.predictor import Motion, Predictor
from eipl_trt_ros.robot import JointSpec

Item = TypeVar('Item')


class Ensemble(Closing):
    """
    Steps several predictors with the same inputs, and passes on what the driver predicts.

    It is used like one `Predictor`: its bundle, backend and predicted image are the driver's. Who
    drives is decided by predictions of earlier frames, so the driver runs first and the others
    behind its command, in `finish_frame`. A picture is shaped once for all models that want it
    alike, and where these share their inputs, it is copied to the GPU once, by whoever runs first.
    Every model carries its own state, so whichever takes over has seen all that happened. A
    model that fails while another drives only loses its chance to drive.

    Args:
        predictors: at least one; closed together with this object. Their joints are the same but
            for the bounds, and so are their rates and their cameras' encodings.
        settings: how the driver is chosen.
        shared: what the predictors were opened with; closed after them.

    Raises:
        BundleError: the models do not fit together.

    """

    def __init__(
        self,
        predictors: Sequence[Predictor],
        settings: ArbiterSettings,
        shared: SharedInputs | None = None,
    ) -> None:
        self._shared = shared
        self.predictors = tuple(predictors)
        self.names = tuple(predictor.bundle.path.name for predictor in predictors)
        """Name of each model: its bundle's folder."""
        check_together([predictor.bundle for predictor in predictors])
        self.arbiter = Arbiter(len(self.predictors), settings)
        # each model's picture is shaped by the first that wants the same
        wants = [
            (p.bundle.camera, p.bundle.model.image_height, p.bundle.model.image_width)
            for p in self.predictors
        ]
        self._shapers = [wants.index(want) for want in wants]
        self._sensed = [p.backend.image for p in self.predictors]
        self._image_errors: ImageErrors | None = None
        if settings.by == 'image':
            shapes = [image.shape for image in self._sensed]
            self._image_errors = ImageErrors(shapes, alike=not any(self._shapers))
        count = len(predictors[0].bundle.joints)
        measured = [joint.source == 'joint_states' for joint in predictors[0].bundle.joints]
        self._measured = np.array(measured)
        self._measured_count = max(1, sum(measured))
        self._share = np.zeros(count)
        self._ranges = [p.bundle.joint_maximum - p.bundle.joint_minimum for p in self.predictors]
        self._predicted = [np.full(count, np.nan, np.float32) for _ in self.predictors]
        self._joints = np.zeros(count)
        self._due = False
        self._failed = [False] * len(self.predictors)
        self._images: list[NDArray[np.uint8] | None] = [None for _ in self.predictors]
        self._errors = [math.nan] * len(self.predictors)
        self.driver = self.predictors[0]
        """The model that drove in the last frame."""

    @property
    def bundle(self) -> Bundle:
        """The driver's."""
        return self.driver.bundle

    @property
    def backend(self) -> Backend:
        """The driver's."""
        return self.driver.backend

    @property
    def timing(self) -> StepTimes:
        """The steps of the driver's last frame."""
        return self.driver.timing

    @property
    def input_mixing(self) -> float:
        """The same for all."""
        return self.driver.input_mixing

    @property
    def frame(self) -> int:
        """The driver's frames since the last reset."""
        return self.driver.frame

    def select(self, name: str) -> None:
        """
        Let a model drive from the next frame on, where that is told by topic.

        Raises:
            BundleError: there is no model of that name.

        """
        if name not in self.names:
            msg = f'there is no model {name!r}, expected one of {", ".join(self.names)}'
            raise BundleError(msg)
        self.arbiter.select(self.names.index(name))

    def step(self, picture: NDArray[np.uint8], joints: NDArray[np.floating]) -> Motion:
        """
        Run one frame of the driver; see `Predictor.step`. The others follow in `finish_frame`.

        Raises:
            PredictionError: the driver answered with NaN or infinity.

        """
        self.finish_frame()  # of the frame before, if that went wrong
        for index, shaper in enumerate(self._shapers):
            if shaper == index:
                self.predictors[index].look(picture)
            else:
                self.predictors[index].look(self.predictors[shaper].backend.image, shaped=True)
        self._compare(joints)
        self.driver = self.predictors[self.arbiter.update(self._errors)]
        try:
            motion = self._move(self.driver, joints)
        except PredictionError:
            self._keep(joints)
            raise
        self._keep(joints)
        return motion

    def _keep(self, joints: NDArray[np.floating]) -> None:
        """Keep the joints for the models behind the driver; the driver has found them sound."""
        np.copyto(self._joints, joints)
        self._due = True

    def _move(self, predictor: Predictor, joints: NDArray[np.floating]) -> Motion:
        """Run a frame of one model, and keep what it predicts or that it failed."""
        index = self.predictors.index(predictor)
        try:
            motion = predictor.move(joints)
        except PredictionError:
            self._failed[index] = True
            raise
        self._failed[index] = False
        np.copyto(self._predicted[index], motion.joints)
        return motion

    def _compare(self, joints: NDArray[np.floating]) -> None:
        """Compare the models' last predictions with what is sensed now."""
        if self._image_errors is not None:
            self._image_errors.measure(self._images, self._sensed, self._errors)
        for index, failed in enumerate(self._failed):
            if failed:
                self._errors[index] = math.inf
            elif self._image_errors is None:
                self._errors[index] = self._joint_error(index, joints)

    def _joint_error(self, index: int, joints: NDArray[np.floating]) -> float:
        """Return the mean distance of a model's last prediction, as a share of its range."""
        share = np.subtract(self._predicted[index], joints, out=self._share)
        np.divide(np.abs(share, out=share), self._ranges[index], out=share)
        return float(share.sum(where=self._measured)) / self._measured_count

    def finish_frame(self) -> None:
        """Run the models that do not drive, and do what the next frame needs."""
        if not self._due:
            return
        self._due = False
        for predictor in self.predictors:
            if predictor is not self.driver:
                with contextlib.suppress(PredictionError):  # it has no chance to drive, for now
                    self._move(predictor, self._joints)
        for index, predictor in enumerate(self.predictors):
            failed = self._failed[index]
            if not failed:
                predictor.finish_frame()
            if self._image_errors is not None:
                self._images[index] = None if failed else predictor.predicted_image()

    def predicted_image(self) -> NDArray[np.uint8]:
        """Return the driver's; see `Predictor.predicted_image`."""
        return self.driver.predicted_image()

    def reset(self) -> None:
        """Start a new episode in all models; the driver stays."""
        self.arbiter.reset()
        self._due = False
        for index, predictor in enumerate(self.predictors):
            predictor.reset()
            self._predicted[index].fill(np.nan)
            self._images[index] = None
            self._failed[index] = False

    def close(self) -> None:
        """Close all predictors. A second call does nothing."""
        for predictor in self.predictors:
            predictor.close()
        if self._shared is not None:
            self._shared.close()


def open_ensemble(
    models: Iterable[Item],
    settings: ArbiterSettings,
    open_one: Callable[[Item, SharedInputs], Predictor],
) -> Ensemble:
    """
    Open the predictors of several models, and put them together; if one fails, none stays open.

    Args:
        models: what names each, such as a bundle's folder.
        settings: how the driver is chosen.
        open_one: opens a predictor with the shared inputs.

    Raises:
        BundleError: the models do not fit together.

    """
    with contextlib.ExitStack() as opened:
        shared = opened.enter_context(SharedInputs())
        predictors = [opened.enter_context(open_one(model, shared)) for model in models]
        made = Ensemble(predictors, settings, shared)
        opened.pop_all()
    return made


AnyPredictor = Predictor | Ensemble
"""One model or several: both are stepped alike."""


def check_together(bundles: Sequence[Bundle]) -> None:
    """
    Check that models can run side by side.

    Raises:
        BundleError: they cannot; the text says which and why.

    """
    names = [bundle.path.name for bundle in bundles]
    if len(set(names)) != len(names):
        msg = f'two models have folders of the same name: {", ".join(names)}; rename one'
        raise BundleError(msg)
    first = bundles[0]
    for other in bundles[1:]:
        for what, one, two in (
            ('joints', _wiring(first), _wiring(other)),
            ('rate_hz', first.rate_hz, other.rate_hz),
            ('camera.encoding', first.camera.encoding, other.camera.encoding),
        ):
            if one != two:
                msg = (
                    f'{first.path.name} and {other.path.name} cannot run side by side: their '
                    f'{what} differ'
                )
                raise BundleError(msg)


def _wiring(bundle: Bundle) -> list[JointSpec]:
    """Return the joints without what each model has of its own."""
    return [replace(j, minimum=-1e9, maximum=1e9) for j in bundle.joints]


def common_joints(bundles: Sequence[Bundle]) -> tuple[JointSpec, ...]:
    """Return the joints of models that run side by side, in the range that any of them knows."""
    return tuple(
        replace(
            same[0],
            minimum=min(joint.minimum for joint in same),
            maximum=max(joint.maximum for joint in same),
        )
        for same in zip(*(bundle.joints for bundle in bundles), strict=True)
    )
