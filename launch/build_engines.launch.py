# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Builds the TensorRT engines of a bundle, for this machine; -s lists the arguments."""

from launch import LaunchDescription

from eipl_trt_ros.nodes.build_launching import launch_build


def generate_launch_description() -> LaunchDescription:
    return launch_build()
