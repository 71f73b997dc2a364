# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Power is recorded by a process of its own, beside a loop that is measured."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from eipl_trt_ros.energy.frames import FrameSpan, frame_spans
from eipl_trt_ros.energy.recorder import PowerRecorder
from eipl_trt_ros.energy.sources import find_sensors
from eipl_trt_ros.errors import EnergyError

S = 1_000_000_000


def ramp(path: Path, seconds: float = 60.0, first: float = 4_000.0, slope: float = 2_000.0) -> str:
    """Record a power that rises evenly, in mW and mW per second."""
    times = np.arange(0, seconds, 0.02)
    rows = [f'{t:.6f},{first + slope * t:.6f},{0.25 * first:.6f}' for t in times]
    path.write_text('\n'.join(['time_s,total_mw,rail:SOC', *rows]) + '\n')
    return str(path)


def run_frames(seconds: float) -> list[FrameSpan]:
    """Run frames of about 5 ms back to back."""
    edges = [time.monotonic_ns()]
    while edges[-1] - edges[0] < seconds * S:
        time.sleep(0.005)
        edges.append(time.monotonic_ns())
    return frame_spans(edges[:-1], edges[1:], np.diff(edges) // 2)


def test_a_loop_beside_it_gets_its_energy_both_ways(tmp_path):
    recording = ramp(tmp_path / 'power.csv')
    with PowerRecorder('recorded', recording=recording, interval_s=0.02) as power:
        info = power.wait_for_power()
        assert info.scope == 'recording power.csv'
        idle = power.idle(0.5)
        frames = run_frames(1.5)
        run = power.measure({'a': frames}, idle, warm_up_s=0.3)
    of_a = run.predictors['a']
    settled = frames[0].started_ns + 0.3 * S
    seconds = (frames[-1].finished_ns - settled) / S
    assert run.window.seconds == pytest.approx(seconds)
    assert of_a.energy.frames == sum(span.finished_ns > settled for span in frames)
    # an even rise: its mean over a window is its value in the middle
    middle = (settled + frames[-1].finished_ns) / 2
    risen = run.window.energy.energy_mj / seconds - idle.power_mw
    apart = risen / 2_000
    assert 0.9 < apart < (middle - frames[0].started_ns) / S + 0.6
    assert of_a.energy.integrated_energy_per_frame_mj * of_a.energy.frames == pytest.approx(
        run.window.energy.energy_mj
    )
    assert of_a.above_idle is not None
    assert of_a.above_idle.energy_mj == pytest.approx(risen * seconds / of_a.energy.frames)
    assert of_a.paper is not None
    per_frame = np.mean([span.computed_ns for span in frames[1:]]) / S
    assert of_a.paper.energy_per_frame_mj == pytest.approx(
        of_a.paper.mean_power_mw * per_frame, rel=0.02
    )
    assert of_a.paper.samples == 2
    assert run.window.rails_mw == {'SOC': pytest.approx(1_000)}


def test_several_runs_of_one_recording_each_get_their_own(tmp_path):
    recording = ramp(tmp_path / 'power.csv')
    with PowerRecorder('recorded', recording=recording, interval_s=0.02) as power:
        power.wait_for_power()
        first = power.measure({'a': run_frames(0.4)}, warm_up_s=0.0)
        second = power.measure({'b': run_frames(0.4)}, warm_up_s=0.0)
    assert list(first.predictors) == ['a']
    assert list(second.predictors) == ['b']
    assert second.window.mean_power_mw > first.window.mean_power_mw + 700
    assert first.idle is None
    assert first.predictors['a'].above_idle is None


def test_samples_that_were_refused_are_counted_for_the_run_in_which_they_came(tmp_path):
    path = tmp_path / 'power.csv'
    times = np.arange(0, 60, 0.02)
    rows = [f'{t:.3f},{0 if 0.2 < t < 0.3 else 5000}' for t in times]
    path.write_text('\n'.join(['time_s,total_mw', *rows]) + '\n')
    with PowerRecorder('recorded', recording=str(path), interval_s=0.02) as power:
        power.wait_for_power()
        time.sleep(0.6)
        later = power.measure({'a': run_frames(0.3)}, warm_up_s=0.0)
    assert later.refused == {}
    assert power._refused[-1][1]['zero'] == 4


@pytest.mark.parametrize(
    ('source', 'reason'),
    [
        pytest.param(
            'ina3221',
            'no INA3221 power sensor; on a Jetson',
            marks=pytest.mark.skipif(bool(find_sensors(Path('/'))), reason='it has such a sensor'),
        ),
        ('sun', 'expected one of auto, jtop'),
    ],
)
def test_a_machine_without_power_says_so_at_once(source, reason):
    begin = time.monotonic()
    with PowerRecorder(source) as power, pytest.raises(EnergyError, match=reason) as raised:
        power.wait_for_power(60.0)
    assert time.monotonic() - begin < 30
    assert '60 s' not in str(raised.value)  # it did not wait


def test_a_recording_that_ends_within_the_run_gives_no_energy(tmp_path):
    recording = ramp(tmp_path / 'power.csv', seconds=0.5)
    with PowerRecorder('recorded', recording=recording, interval_s=0.02) as power:
        power.wait_for_power()
        frames = run_frames(1.0)
        with pytest.raises(EnergyError, match=r'of the last frames is not known: .* has ended'):
            power.measure({'a': frames}, warm_up_s=0.0)


def test_a_recording_process_that_dies_is_told(tmp_path):
    recording = ramp(tmp_path / 'power.csv')
    with PowerRecorder('recorded', recording=recording) as power:
        power.wait_for_power()
        power._process.kill()
        with pytest.raises(EnergyError, match='the recording process ended'):
            power.measure({'a': run_frames(0.1)}, warm_up_s=0.0)


def test_the_process_ends_with_the_one_that_began_it(tmp_path):
    recording = ramp(tmp_path / 'power.csv')
    script = (
        'import os, signal\n'
        'from eipl_trt_ros.energy.recorder import PowerRecorder\n'
        f'power = PowerRecorder("recorded", recording={recording!r})\n'
        'power.wait_for_power()\n'
        'print(power._process.pid, flush=True)\n'
        'os.kill(os.getpid(), signal.SIGKILL)\n'
    )
    done = subprocess.run(
        [sys.executable, '-c', script], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    deadline = time.monotonic() + 20
    while _runs(int(done.stdout)):
        assert time.monotonic() < deadline, 'the recording process outlived its parent'
        time.sleep(0.05)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        state = Path(f'/proc/{pid}/stat').read_text().rsplit(')', 1)[1].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False
    return state != 'Z'
