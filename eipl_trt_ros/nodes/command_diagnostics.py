# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the predictor node says of its commands on ``/diagnostics``."""

from __future__ import annotations

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from eipl_trt_ros.command.watchdog import Phase
from eipl_trt_ros.nodes.command_stream import StreamReport

_WORTH_A_WARNING = (Phase.HOLDING, Phase.STOPPED)


def command_status(name: str, report: StreamReport) -> DiagnosticStatus:
    """
    Return the status of the commands.

    Args:
        name: the node's name, first part of the status' name.
        report: how the stream is.

    """
    status = DiagnosticStatus(name=f'{name.lstrip("/")}: command')
    warned = report.phase in _WORTH_A_WARNING
    status.level = DiagnosticStatus.WARN if warned else DiagnosticStatus.OK
    status.message = report.state
    values = {
        'engaged': str(report.phase is not Phase.OFF),
        'messages sent': str(report.sent),
        'periods missed': str(report.missed),
        **{
            f'interventions: {kind.value}': str(count)
            for kind, count in report.interventions.items()
        },
    }
    if report.problem is not None:
        values['cannot be engaged'] = report.problem
    if report.lateness is not None:
        values['lateness p50 (ms)'] = f'{report.lateness.p50:.3f}'
        values['lateness p99 (ms)'] = f'{report.lateness.p99:.3f}'
        values['lateness max (ms)'] = f'{report.lateness.maximum:.3f}'
    status.values = [KeyValue(key=key, value=value) for key, value in values.items()]
    return status
