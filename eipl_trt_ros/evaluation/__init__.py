# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Runs bundles over recordings and says how well, how fast, and at what cost they predict.

What is read: `bags` a recording, `frames` the frames in it and what is wrong with it. What runs:
`configurations` opened side by side, `offline` passes over a recording, `drift` closed-loop
rollouts, `timing` and `energy_run` loops; `live` is what a run of the node gave. What is made of
it: `metrics` and `accuracy`, `spread`; `clocks` and `machine` say where. `task` is one recording,
`fleet` many, `run` the whole evaluation, `summary` its rows, and `report` all that a person sees.
"""
