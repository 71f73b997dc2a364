# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Models side by side on one device: the picture is copied in once, and nothing else changes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from builders import SPECS, make_pictures, write_random_bundle
from host_device import HostDevice, Rig, joints_at
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from eipl_trt_ros.arbiter import ArbiterSettings
from eipl_trt_ros.backends import SharedInputs, load_backend
from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.ensemble import Ensemble
from eipl_trt_ros.errors import BackendError, PredictionError
from eipl_trt_ros.predictor import Predictor

PICTURE = 128 * 128 * 3
SMALL = 64 * 64 * 3
REST = 256  # of the joints, in the place that an engine's input takes
PICTURES = make_pictures(8, 128, 128)


@pytest.fixture(scope='module')
def bundles(tmp_path_factory: pytest.TempPathFactory) -> list[Bundle]:
    """Two of the same picture, one of a smaller, and one more of the first two's."""
    folder = tmp_path_factory.mktemp('together')
    small = replace(SPECS['sarnn'], image_height=64, image_width=64)
    specs = {'sarnn': SPECS['sarnn'], 'cnnrnn': SPECS['cnnrnn'], 'small': small}
    specs['cnnrnnln'] = SPECS['cnnrnnln']
    return [write_random_bundle(folder / name, spec) for name, spec in specs.items()]


class Together:
    """Models on streams of one device, with shared inputs."""

    def __init__(
        self,
        bundles: list[Bundle],
        host_memory: list[str],
        *,
        recorded: bool = True,
        mixing: float = 1.0,
    ) -> None:
        self.owner = HostDevice()
        self.owners = [self.owner]

        def open_device() -> HostDevice:
            self.owners.append(HostDevice(beside=self.owner))
            return self.owners[-1]

        self.shared = SharedInputs(open_device)
        self.rigs = [
            Rig(
                bundle,
                mixing=mixing != 1.0,
                recorded=recorded,
                host_memory=place,
                shared=self.shared,
                beside=self.owner,
            )
            for bundle, place in zip(bundles, host_memory, strict=True)
        ]
        predictors = [
            Predictor(bundle, rig.backend, input_mixing=mixing)
            for bundle, rig in zip(bundles, self.rigs, strict=True)
        ]
        self.ensemble = Ensemble(predictors, ArbiterSettings(by='topic'), self.shared)

    def take_copies(self) -> list[int]:
        """Return the sizes of all copies to the device since the last call, sorted."""
        copies = sorted(size for rig in self.rigs for size in rig.device.copied_in)
        for rig in self.rigs:
            rig.device.copied_in.clear()
        return copies


@contextlib.contextmanager
def together(*arguments: object, **settings: object) -> Iterator[Together]:
    made = Together(*arguments, **settings)  # type: ignore[arg-type]
    with made.ensemble:
        made.take_copies()
        yield made


@contextlib.contextmanager
def alone(bundles: list[Bundle], mixing: float = 1.0) -> Iterator[list[Predictor]]:
    """Open predictors of their own, on ONNX Runtime, whose bits are those of the host device."""
    with contextlib.ExitStack() as stack:
        yield [
            stack.enter_context(
                Predictor(
                    bundle,
                    load_backend(bundle, 'onnxruntime', mixing=mixing != 1.0),
                    input_mixing=mixing,
                )
            )
            for bundle in bundles
        ]


@pytest.mark.parametrize('recorded', [True, False])
@pytest.mark.parametrize('mixing', [1.0, 0.8])
@given(data=st.data())
@settings(max_examples=3, deadline=None, phases=[Phase.generate])
def test_whoever_drives_each_model_predicts_what_it_predicts_alone_from_one_copy_a_picture(
    bundles: list[Bundle], recorded: bool, mixing: float, data: st.DataObject
) -> None:
    places = data.draw(st.lists(st.sampled_from(['copied', 'mapped']), min_size=4, max_size=4))
    drivers = data.draw(st.lists(st.integers(0, 3), min_size=4, max_size=6))
    sharing = [index for index in (0, 1, 3) if places[index] == 'copied']
    rest = REST if mixing == 1.0 else 2 * REST
    expected = [SMALL + rest] if places[2] == 'copied' else []
    if sharing:
        expected += [PICTURE + rest, *[rest] * (len(sharing) - 1)]
    with (
        together(bundles, places, recorded=recorded, mixing=mixing) as one,
        alone(bundles, mixing) as others,
    ):
        for frame, driver in enumerate(drivers):
            picture, joints = PICTURES[frame], joints_at(bundles[0], frame)
            one.ensemble.select(bundles[driver].path.name)
            if data.draw(st.booleans(), label='reset'):
                for each in (one.ensemble, *others):
                    each.reset()
            motion = one.ensemble.step(picture, joints)
            wanted = [other.step(picture, joints).joints for other in others]
            np.testing.assert_array_equal(motion.joints, wanted[driver])
            one.ensemble.finish_frame()
            for other, predictor in zip(others, one.ensemble.predictors, strict=True):
                np.testing.assert_array_equal(
                    predictor.backend.predicted_joints, other.backend.predicted_joints
                )
                np.testing.assert_array_equal(predictor.predicted_image(), other.predicted_image())
            assert one.take_copies() == sorted(expected)


def test_models_of_the_same_picture_have_one_of_it_and_no_others(bundles: list[Bundle]) -> None:
    turned = replace(bundles[1], camera=replace(bundles[1].camera, flip='vertical'))
    with together([bundles[0], turned, *bundles[2:]], ['copied'] * 4) as one:
        images = [rig.backend.image for rig in one.rigs]
        assert images[0] is images[3]
        assert len({id(image) for image in images}) == 3
        one.ensemble.step(PICTURES[0], joints_at(bundles[0], 0))
        one.ensemble.finish_frame()
        np.testing.assert_array_equal(images[1], images[0][::-1])
        assert one.take_copies() == sorted([PICTURE + REST, REST, PICTURE + REST, SMALL + REST])


def test_in_mapped_memory_all_engines_read_the_same_picture(bundles: list[Bundle]) -> None:
    with together(bundles[:2], ['mapped'] * 2) as one:
        one.ensemble.step(PICTURES[0], joints_at(bundles[0], 0))
        one.ensemble.finish_frame()
        places = [rig.engines['motion']._places['image'] for rig in one.rigs]
        assert places == [one.rigs[0].backend.image.ctypes.data] * 2
        assert one.take_copies() == []


def test_a_picture_is_copied_again_for_the_others_if_the_driver_failed_on_it(
    bundles: list[Bundle],
) -> None:
    """What failed may have failed before or in the copy."""
    with (
        together(bundles[:2], ['copied'] * 2, recorded=False) as one,
        alone(bundles[:2]) as others,
    ):
        for predictor in (one.ensemble, *others):
            predictor.step(PICTURES[0], joints_at(bundles[0], 0))
        one.ensemble.finish_frame()
        before = [rig.backend.get_state() for rig in one.rigs]
        one.take_copies()
        one.rigs[0].device.broken = 'out of order'
        with pytest.raises(BackendError, match='out of order'):
            one.ensemble.step(PICTURES[1], joints_at(bundles[0], 1))
        one.rigs[0].device.broken = None
        for rig, states in zip(one.rigs, before, strict=True):
            for name, array in rig.backend.get_state().items():
                np.testing.assert_array_equal(array, states[name])
        # the other takes the picture that is there, without a new look
        joints = one.ensemble.predictors[1].move(joints_at(bundles[0], 1)).joints
        wanted = others[1].step(PICTURES[1], joints_at(bundles[0], 1)).joints
        np.testing.assert_array_equal(joints, wanted)
        assert one.take_copies() == [PICTURE + REST]


@pytest.mark.parametrize('error', [BackendError('no'), KeyboardInterrupt()])
@pytest.mark.parametrize('fails', [0, 1])
def test_after_a_failure_in_a_frame_the_next_frames_are_as_if_it_had_not_been(
    bundles: list[Bundle], fails: int, error: BaseException
) -> None:
    """The driver fails before the others ran; one behind it, after."""
    with together(bundles[:2], ['copied'] * 2) as one, alone(bundles[:2]) as others:
        one.ensemble.step(PICTURES[0], joints_at(bundles[0], 0))
        one.ensemble.finish_frame()
        for other in others:
            other.step(PICTURES[0], joints_at(bundles[0], 0))
        device = one.rigs[fails].device
        wait = device.synchronize

        def broken() -> None:
            device.synchronize = wait  # type: ignore[method-assign]
            raise error

        device.synchronize = broken  # type: ignore[method-assign]

        def frame_one() -> None:
            one.ensemble.step(PICTURES[1], joints_at(bundles[0], 1))
            one.ensemble.finish_frame()

        with pytest.raises(type(error)):
            frame_one()
        if fails == 1:  # the driver was done, and the command had left
            others[0].step(PICTURES[1], joints_at(bundles[0], 1))
        for frame in (2, 3):
            joints = joints_at(bundles[0], frame)
            found = one.ensemble.step(PICTURES[frame], joints).joints
            wanted = [other.step(PICTURES[frame], joints).joints for other in others]
            np.testing.assert_array_equal(found, wanted[0])
            one.ensemble.finish_frame()
            np.testing.assert_array_equal(one.rigs[1].backend.predicted_joints, wanted[1])


def test_a_driver_that_answers_with_nan_leaves_its_picture_to_the_others(
    bundles: list[Bundle],
) -> None:
    with together(bundles[:2], ['copied'] * 2) as one, alone(bundles[1:2]) as (other,):
        state = one.rigs[0].backend.get_state()
        one.rigs[0].backend.set_state({name: value * np.nan for name, value in state.items()})
        one.take_copies()
        with pytest.raises(PredictionError):
            one.ensemble.step(PICTURES[0], joints_at(bundles[0], 0))
        one.ensemble.finish_frame()
        wanted = other.step(PICTURES[0], joints_at(bundles[0], 0)).joints
        np.testing.assert_array_equal(one.rigs[1].backend.predicted_joints, wanted)
        assert one.take_copies() == [REST, PICTURE + REST]


def test_a_state_that_was_kept_can_be_gone_back_to(bundles: list[Bundle]) -> None:
    with together(bundles[:2], ['copied'] * 2) as one:
        predictors = one.ensemble.predictors

        def run(frame: int) -> list[np.ndarray]:
            one.ensemble.step(PICTURES[frame], joints_at(bundles[0], frame))
            one.ensemble.finish_frame()
            return [predictor.backend.predicted_joints.copy() for predictor in predictors]

        run(0)
        kept = [predictor.snapshot() for predictor in predictors]
        first = run(1)
        run(2)
        for predictor, state in zip(predictors, kept, strict=True):
            predictor.restore(state)
        np.testing.assert_array_equal(run(1), first)


def test_nothing_is_allocated_in_a_frame(bundles: list[Bundle]) -> None:
    with together(bundles, ['copied'] * 4) as one:
        devices = [*one.owners, *(rig.device for rig in one.rigs)]
        before = [device.allocations for device in devices]
        for frame in range(3):
            one.ensemble.step(PICTURES[frame], joints_at(bundles[0], frame))
            one.ensemble.finish_frame()
        assert [device.allocations for device in devices] == before


@pytest.mark.parametrize('order', [(0, 1), (1, 0)])
def test_models_close_in_any_order_and_the_inputs_stay_until_the_last(
    bundles: list[Bundle], order: tuple[int, int]
) -> None:
    with together(bundles[:2], ['copied'] * 2) as one:
        first, last = (one.ensemble.predictors[index] for index in order)
        wanted = last.step(PICTURES[0], joints_at(bundles[0], 0)).joints.copy()
        last.reset()
        first.close()
        joints = last.step(PICTURES[0], joints_at(bundles[0], 0)).joints
        np.testing.assert_array_equal(joints, wanted)
        assert all(device.open for device in one.owners)
    assert not any(device.open for device in one.owners[1:])
    assert not any(rig.device.open for rig in one.rigs)
    one.ensemble.close()


def test_a_model_by_itself_copies_all_its_inputs_at_once_in_every_frame(
    bundles: list[Bundle],
) -> None:
    rig = Rig(bundles[1], host_memory='copied')
    with Predictor(bundles[1], rig.backend) as predictor:
        rig.device.copied_in.clear()
        for frame in range(3):
            predictor.step(PICTURES[frame], joints_at(bundles[1], frame))
            predictor.predicted_image()
        assert rig.device.copied_in == [PICTURE + REST] * 3
