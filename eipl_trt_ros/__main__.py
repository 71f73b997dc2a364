# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""``python -m eipl_trt_ros`` is the program ``eipl_trt``."""

import sys

from eipl_trt_ros.cli import main

sys.exit(main())
