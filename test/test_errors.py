# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from eipl_trt_ros.errors import MissingPackageError, require


def test_a_missing_package_says_what_needs_it_and_how_to_install_it() -> None:
    with pytest.raises(
        MissingPackageError, match=r"the moon needs the package 'luna_x', .*: pip install luna_x"
    ):
        require('luna_x', install='pip install luna_x', needed_for='the moon')


def test_a_package_that_is_there_is_returned() -> None:
    assert require('json', install='', needed_for='a test').dumps([]) == '[]'
