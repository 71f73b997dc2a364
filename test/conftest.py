# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Puts this folder on the import path, so that tests in folders below find `builders`."""
