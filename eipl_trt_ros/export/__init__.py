# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""From a trained model to a bundle: reading checkpoints, writing ONNX graphs."""
