# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The predictor node, which tells when it is in mid-frame, and stays there a little."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from eipl_trt_ros.backends.onnxruntime import OnnxRuntimeBackend
from eipl_trt_ros.nodes.predictor_node import main


def lingering(run_motion: Any) -> Any:
    def run(backend: OnnxRuntimeBackend, mix: float) -> None:
        print('a frame begins', flush=True)
        run_motion(backend, mix)
        time.sleep(0.03)
        print('a frame ends', flush=True)

    return run


if __name__ == '__main__':
    OnnxRuntimeBackend.run_motion = lingering(OnnxRuntimeBackend.run_motion)  # type: ignore[method-assign]
    sys.exit(main())
