# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The exceptions of this package, one per kind of cause, and the check for optional packages."""

from __future__ import annotations

import importlib
from types import ModuleType


class EiplTrtError(Exception):
    """Base of every error raised on purpose here; its text is one line that says what to do."""


class BundleError(EiplTrtError):
    """A bundle is missing a part, has a changed part, or contradicts itself."""


class CheckpointError(EiplTrtError):
    """A training checkpoint cannot be turned into a bundle."""


class ExportError(EiplTrtError):
    """A model cannot be written as ONNX graphs."""


class BackendError(EiplTrtError):
    """A backend cannot be made, or failed while it ran a graph."""


class EvaluationError(EiplTrtError):
    """An evaluation cannot be carried out, or its report cannot be read."""


class EngineError(EiplTrtError):
    """A TensorRT engine cannot be built, or does not fit the bundle or this machine."""


class InputError(EiplTrtError):
    """A picture or a joint vector has the wrong shape or type, or holds NaN or infinity."""


class PredictionError(EiplTrtError):
    """A network answered with NaN or infinity."""


class LimitsError(EiplTrtError):
    """A limit of a joint is unknown, or what tells it cannot be read or contradicts itself."""


class BagError(EiplTrtError):
    """A bag cannot be read, or does not hold what is needed."""


class EnergyError(EiplTrtError):
    """A power source cannot be used as asked, or an energy was not measured."""


class MissingPackageError(EiplTrtError):
    """An optional package is needed for what was asked and is not installed."""


def require(module: str, *, install: str, needed_for: str) -> ModuleType:
    """
    Import an optional module, or say in one line how to install it.

    Args:
        module: name to import, such as ``'torch'``.
        install: the command that installs it.
        needed_for: what the user asked for, such as ``'the torch backend'``.

    Returns:
        The imported module.

    Raises:
        MissingPackageError: the module is not installed.

    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and module.split('.', maxsplit=1)[0] != error.name.split('.')[0]:
            raise  # the module is there; something that it imports is not
        msg = f'{needed_for} needs the package {module!r}, which is not installed: {install}'
        raise MissingPackageError(msg) from None
