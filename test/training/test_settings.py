# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from eipl_trt_ros.training.settings import TrainingError, load_settings

CONFIG = Path(__file__).parents[2] / 'config' / 'training'


@pytest.mark.parametrize('name', ['sarnn', 'sarnn_finish', 'cnnrnn', 'cnnrnnln'])
def test_the_settings_of_the_sample_models_can_be_read(name):
    settings = load_settings(CONFIG / f'{name}.yaml')
    spec = settings.spec(8, 128, 128)
    assert spec.type == name.split('_')[0]
    assert spec.rec_dim == 50


def test_a_setting_can_be_changed_with_a_number_that_yaml_takes_for_text(tmp_path):
    (tmp_path / 's.yaml').write_text('model: sarnn\n', encoding='utf-8')
    changes = {'temperature': '1e-4', 'prediction_joints': '[2]'}
    settings = load_settings(tmp_path / 's.yaml', changes)
    assert settings.temperature == 1e-4
    assert settings.prediction_joints == (2,)


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('model: sarnn\nlerning_rate: 1\n', 'unknown settings'),
        ('seed: 1\n', "'model' is missing"),
        ('- sarnn\n', 'expected a mapping'),
        ('model: [\n', 'cannot read'),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(tmp_path, text, message):
    (tmp_path / 's.yaml').write_text(text, encoding='utf-8')
    with pytest.raises(TrainingError, match=message):
        load_settings(tmp_path / 's.yaml')
