# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Puts this folder on the import path, so that tests in folders below find `builders`.

What a shell lets its background jobs ignore, and nohup, is undone: nodes that tests start would
inherit it, and ignore what the tests tell them.
"""

import signal

signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
