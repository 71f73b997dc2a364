# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Lets a model drive the simulated arm; -s lists the arguments."""

from launch import LaunchDescription

from eipl_trt_ros.nodes.sim_launching import launch_sim


def generate_launch_description() -> LaunchDescription:
    return launch_sim()
