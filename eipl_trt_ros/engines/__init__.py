# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""TensorRT engines of a bundle's graphs: fp32, fp16 and int8, built once and kept beside them."""
