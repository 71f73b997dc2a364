# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Small made-up demonstrations: a blob in the picture tells where the joints shall go."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('torch', reason='training needs torch: see requirements/train.txt')


def write_made_up_data(folder: Path, *, size: int = 20, count: int = 6, frames: int = 8) -> None:
    random = np.random.default_rng(0)
    for split in ('train', 'validation'):
        goals = random.uniform(-1, 1, (count, 1, 3))
        joints = goals * np.linspace(0, 1, frames)[None, :, None]
        images = np.full((count, frames, size, size, 3), 60, np.uint8)
        for index, goal in enumerate(goals[:, 0, 0]):
            column = round((goal + 1) / 2 * (size - 5))
            images[index, :, size // 2 : size // 2 + 4, column : column + 4] = 220
        (folder / split).mkdir(parents=True)
        np.save(folder / split / 'images.npy', images)
        np.save(folder / split / 'joints.npy', joints.astype(np.float32))
    np.save(folder / 'joint_bounds.npy', np.array([[-1.2] * 3, [1.2] * 3]))


@pytest.fixture(scope='session')
def small_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('small')
    write_made_up_data(folder)
    return folder


@pytest.fixture(scope='session')
def full_size_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('full')
    write_made_up_data(folder, size=128, count=2, frames=4)
    return folder
