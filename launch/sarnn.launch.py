# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Runs SARNN on a robot's camera images and joint states; -s lists the arguments."""

from launch import LaunchDescription

from eipl_trt_ros.nodes.launching import launch_predictor


def generate_launch_description() -> LaunchDescription:
    return launch_predictor('sarnn')
