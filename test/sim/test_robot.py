# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from types import SimpleNamespace

import numpy as np
import pytest

from eipl_trt_ros.errors import InputError
from eipl_trt_ros.sim.controllers import ForwardController
from eipl_trt_ros.sim.environment import PandaEnvironment
from eipl_trt_ros.sim.positions import Placement
from eipl_trt_ros.sim.robot import ARM, Rates, SimulatedRobot
from eipl_trt_ros.sim.scene import JOINT_NAMES

START = 10**18
AHEAD = Placement(0.5, 0.0, 0.0)


def made(environment: PandaEnvironment, rates: Rates) -> SimulatedRobot:
    simulated = SimulatedRobot(environment, ForwardController(JOINT_NAMES[ARM]), rates, START)
    simulated.reset(AHEAD)
    return simulated


def drive(simulated: SimulatedRobot, periods: int) -> None:
    for _ in range(periods):
        simulated.advance()


def test_without_a_command_it_holds_and_the_clock_goes_on(robot: PandaEnvironment):
    simulated = made(robot, Rates(control=50.0, joints=50.0))
    before = simulated.joints
    drive(simulated, 25)
    np.testing.assert_allclose(simulated.joints, before, atol=1e-3)
    assert simulated.now_ns == START + 500_000_000
    assert simulated.elapsed == 0.0


def test_it_follows_commands_and_counts_from_the_first(robot: PandaEnvironment):
    simulated = made(robot, Rates())
    drive(simulated, 10)
    target = simulated.joints[ARM]
    for _ in range(50):
        target = target + 0.002
        simulated.command(SimpleNamespace(data=target))
        simulated.advance()
    assert simulated.elapsed == pytest.approx(0.5)
    assert simulated.accepted == 50
    np.testing.assert_allclose(simulated.joints[ARM], target, atol=5e-3)
    np.testing.assert_allclose(simulated.arm.velocities, 0.2, atol=0.05)


def test_a_command_that_the_controller_ignores_is_counted_and_told(robot: PandaEnvironment):
    simulated = made(robot, Rates())
    with pytest.raises(InputError, match='2 numbers for 7 joints'):
        simulated.command(SimpleNamespace(data=(0.0, 0.0)))
    assert (simulated.accepted, simulated.rejected, simulated.elapsed) == (0, 1, 0.0)


def test_the_gripper_closes_and_a_reset_opens_it(robot: PandaEnvironment):
    simulated = made(robot, Rates())
    simulated.command_gripper(closed=True)
    drive(simulated, 10)
    assert simulated.joints[-1] == 1.0
    simulated.reset(AHEAD)
    drive(simulated, 10)
    assert simulated.joints[-1] == 0.0


def test_a_reset_puts_everything_back_but_the_clock(robot: PandaEnvironment):
    simulated = made(robot, Rates())
    home = simulated.joints
    simulated.command(SimpleNamespace(data=home[ARM] + 0.05))
    drive(simulated, 30)
    now_ns = simulated.now_ns
    simulated.reset(Placement(0.48, 0.1, 0.0))
    np.testing.assert_allclose(simulated.joints, home, atol=1e-3)
    np.testing.assert_allclose(simulated.cube_position[:2], [0.48, 0.1], atol=1e-3)
    assert simulated.now_ns == now_ns
    drive(simulated, 10)
    np.testing.assert_allclose(simulated.joints, home, atol=1e-3)  # the old command is forgotten


def test_sensors_measure_at_their_rates(robot: PandaEnvironment):
    simulated = made(robot, Rates(control=100.0, joints=50.0, camera=10.0))
    seen = {'joints': 0, 'camera': 0}
    for _ in range(100):
        simulated.advance()
        for sensor in seen:
            seen[sensor] += simulated.due(sensor)
    assert seen == {'joints': 50, 'camera': 10}


@pytest.mark.parametrize(
    'rates', [{'joints': 300.0}, {'camera': 15.0}, {'control': 50.0}, {'joints': 40.0}]
)
def test_rates_that_do_not_divide_are_refused(rates):
    with pytest.raises(InputError, match='divided by a whole number'):
        Rates(**rates)


def test_a_control_rate_that_the_physics_cannot_step_is_refused(robot: PandaEnvironment):
    with pytest.raises(InputError, match='control_rate is 60 Hz, expected 500 Hz divided'):
        made(robot, Rates(control=60.0, joints=60.0))


def test_a_clock_that_was_late_goes_on_from_where_it_is_moved_to(robot: PandaEnvironment):
    simulated = made(robot, Rates())
    simulated.shift_clock(7)
    simulated.advance()
    assert simulated.now_ns == START + 7 + 10_000_000
