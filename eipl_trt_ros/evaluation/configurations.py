# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What is compared: backends and precisions, opened side by side for one bundle."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.closing import Closing
from eipl_trt_ros.errors import BackendError, EiplTrtError, EngineError, MissingPackageError
from eipl_trt_ros.predictor import Predictor, open_predictor

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Configuration:
    """
    What somebody asked to have compared.

    Attributes:
        backend: name of the backend, see `load_backend`.
        precision: ``fp32``, ``fp16``, ``int8``.
        baseline: whether ratios are taken against it, as the paper's against PyTorch.

    """

    backend: str
    precision: str
    baseline: bool = False

    @property
    def label(self) -> str:
        """Its name for people."""
        return f'{self.backend} {self.precision}'


@dataclass(frozen=True)
class Identity:
    """
    What a configuration turned out to be.

    Attributes:
        backend, precision, device: what runs.
        baseline: see `Configuration`.
        exact: it imitates the precision's arithmetic; its errors are right, its times are not.

    """

    backend: str
    precision: str
    device: str
    baseline: bool
    exact: bool

    @property
    def label(self) -> str:
        """Its name for people."""
        return f'{self.backend} {self.precision}'


@dataclass(frozen=True)
class Opened:
    """A configuration at work."""

    identity: Identity
    predictor: Predictor


def configurations(
    backend: str, precisions: Sequence[str], baseline: str | None
) -> tuple[Configuration, ...]:
    """
    List what to compare, the baseline first.

    Args:
        backend: what runs the bundle.
        precisions: in the order of the tables.
        baseline: a backend to compare with, in fp32; None for none.

    """
    first = [] if baseline is None else [Configuration(baseline, 'fp32', baseline=True)]
    return (*first, *(Configuration(backend, precision) for precision in precisions))


@dataclass
class Lineup(Closing):
    """
    The configurations of one bundle that run on this machine.

    Attributes:
        opened: one for each, in the order asked for.
        notes: what is left out, and why; a line each.

    """

    opened: list[Opened] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    _stack: ExitStack = field(default_factory=ExitStack)

    def close(self) -> None:
        """Close the predictors."""
        self._stack.close()

    @property
    def reference(self) -> int | None:
        """
        Place of the fp32 configuration that error rates are taken against; None: there is none.

        It is the bundle's own, and the baseline only where nothing else runs in fp32.
        """
        places = [i for i, one in enumerate(self.opened) if one.identity.precision == 'fp32']
        own = [i for i in places if not self.opened[i].identity.baseline]
        return next(iter(own or places), None)

    def add(self, bundle: Bundle, wanted: Configuration, threads: int, mixing: float) -> None:
        """Open a configuration, or note why it is left out."""
        try:
            identity, predictor = _open(bundle, wanted, threads, mixing)
        except EiplTrtError as error:
            self.notes.append(f'{bundle.name}, {wanted.label}: left out: {error}')
            return
        found = (identity.backend, identity.precision)
        if found in {(one.identity.backend, one.identity.precision) for one in self.opened}:
            predictor.close()
            self.notes.append(
                f'{bundle.name}, {wanted.label}: left out: it would run as {identity.label}, '
                'which is compared already'
            )
            return
        self._stack.callback(predictor.close)
        self.opened.append(Opened(identity, predictor))


def _open(
    bundle: Bundle, wanted: Configuration, threads: int, mixing: float
) -> tuple[Identity, Predictor]:
    with _untold():
        predictor = _predictor(bundle, wanted, threads, mixing)
    backend = predictor.backend
    exact = backend.name == 'onnxruntime' and backend.precision != 'fp32'
    identity = Identity(backend.name, backend.precision, backend.device, wanted.baseline, exact)
    return identity, predictor


@contextlib.contextmanager
def _untold() -> Iterator[None]:
    """Keep back the warning about imitated arithmetic: every table marks it."""
    logger = logging.getLogger('eipl_trt_ros.backends.onnxruntime')
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def _predictor(bundle: Bundle, wanted: Configuration, threads: int, mixing: float) -> Predictor:
    """
    Open a predictor.

    ``auto`` is engines where they run, else ONNX Runtime in the precision asked for: not, as in
    the node, in fp32, since here the precision's errors are the question.
    """
    backend = wanted.backend
    if backend == 'auto':
        try:
            return open_predictor(
                bundle, 'tensorrt', precision=wanted.precision, input_mixing=mixing
            )
        except (BackendError, EngineError, MissingPackageError) as error:
            _log.info('%s does not run on TensorRT: %s', bundle.name, error)
            backend = 'onnxruntime'
    return open_predictor(
        bundle, backend, precision=wanted.precision, threads=threads, input_mixing=mixing
    )


def open_lineup(
    bundle: Bundle,
    wanted: Sequence[Configuration],
    *,
    threads: int = 1,
    mixing: float = 1.0,
) -> Lineup:
    """
    Open the configurations of a bundle side by side.

    Args:
        bundle: the model.
        wanted: what to compare.
        threads: CPU threads for one inference.
        mixing: EIPL's ``input_param`` for all of them.

    Returns:
        Those that run here, and notes on the others; to be closed by the caller.

    Raises:
        EiplTrtError: none of them runs here; the text is that of the only one, or of all.

    """
    lineup = Lineup()
    try:
        for one in wanted:
            lineup.add(bundle, one, threads, mixing)
        if not lineup.opened:
            # not caught in `add`, so that the error keeps its class and its text
            for one in wanted:
                _open(bundle, one, threads, mixing)[1].close()
    except BaseException:
        lineup.close()
        raise
    return lineup
