# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Evaluates bundles over recorded bags and writes a report; -s lists the arguments."""

from launch import LaunchDescription

from eipl_trt_ros.nodes.evaluate_launching import launch_evaluation


def generate_launch_description() -> LaunchDescription:
    return launch_evaluation()
