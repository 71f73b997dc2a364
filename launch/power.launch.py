# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Runs the power node, which tells what frames cost; -s lists the arguments."""

from launch import LaunchDescription

from eipl_trt_ros.nodes.power_launching import launch_power


def generate_launch_description() -> LaunchDescription:
    return launch_power()
