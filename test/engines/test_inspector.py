# Copyright 2026 eipl_trt_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the engine inspector says, as NVIDIA documents it and as TensorRT-RTX said it on a GPU."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from eipl_trt_ros.bundle import Bundle
from eipl_trt_ros.engines.inspector import UNKNOWN, inspect
from eipl_trt_ros.engines.machine import Machine
from eipl_trt_ros.engines.manifest import make_recipe
from eipl_trt_ros.engines.requests import asked_layers
from eipl_trt_ros.errors import EngineError
from eipl_trt_ros.records import read_record, write_record

# of engines that TensorRT-RTX 1.6.1.120 built on an H200; strides and tactics left out
INSPECTED = Path(__file__).parent / 'inspected'
CHW32 = 'Thirty-two wide channel vectorized row major Int8 format'
HWC8 = 'Channel major FP16 format where channel % 8 == 0'
ROWS = 'Row major linear FP32'
ASKED = {'encoder/conv1': 'int8', 'encoder/conv2': 'int8', 'encoder/conv3': 'fp16'}


def old(*formats: str) -> list[dict[str, Any]]:
    """Spell tensors as TensorRT 8 and 10 do."""
    return [{'Name': 't', 'Dimensions': [1, 8], 'Format/Datatype': words} for words in formats]


def new(*tensors: tuple[str, str]) -> list[dict[str, Any]]:
    """Spell tensors as TensorRT 11 does."""
    return [{'Name': 't', 'DataType': kind, 'Format': words} for kind, words in tensors]


def layer(name: str, kind: str, inputs: list, outputs: list, **more: Any) -> dict[str, Any]:
    return {'Name': name, 'LayerType': kind, 'Inputs': inputs, 'Outputs': outputs, **more}


TENSORRT_10 = {
    'Layers': [
        layer(
            'Reformatting CopyNode for Input Tensor 0 to encoder/conv1',
            'Reformat',
            old(ROWS),
            old(CHW32),
            Origin='REFORMAT',
        ),
        layer(
            'encoder/conv1 + encoder/conv1_activation',
            'CaskConvolution',
            old(CHW32),
            old(HWC8),
            Weights={'Type': 'Int8', 'Count': 216},
            Metadata='[ONNX Layer: encoder/conv1]\u001e[ONNX Layer: encoder/conv1_activation]',
        ),
        layer('encoder/conv2', 'CaskConvolution', old(HWC8), old(HWC8)),
        layer('encoder/conv3', 'CaskConvolution', old(ROWS), old(ROWS)),
        layer('lstm/cell', 'PointWiseV2', old(ROWS), old(ROWS)),
    ],
    'Bindings': ['image', 'predicted_joints'],
}
TENSORRT_11 = {
    'Layers': [
        layer(
            '__myl_CastQuan_myl0_1',
            'kgen',
            new(('Float', 'Row major linear FP32 format (kLINEAR)')),
            new(('Int8', 'Row major linear INT8 format (kLINEAR)')),
            Metadata='[ONNX Layer: encoder/quantise]',
        ),
        layer(
            'encoder/conv1+encoder/conv2_myl0_2',
            'conv',
            new(('Int8', 'Row major'), ('Half', 'Row major')),
            new(('Half', 'Row major')),
            Metadata='[ONNX Layer: encoder/conv1]\u001e[ONNX Layer: encoder/conv2]',
        ),
        layer(
            '__myl_Cast_myl0_3',
            'kgen',
            new(('UInt8', 'Row major')),
            new(('Float', 'Row major')),
            Metadata='[ONNX Layer: image/float]',
        ),
        layer('topk', 'topk', new(('Int64', 'Row major')), new(('Int64', 'Row major'))),
    ],
    'I/O Tensors': [{'Name': 'image', 'IOMode': 'Input', 'DataType': 'UInt8'}],
}


def test_tensorrt_10_says_type_and_format_in_one_field() -> None:
    found = inspect(json.dumps(TENSORRT_10), ASKED)
    assert [entry.precision for entry in found.layers] == ['int8', 'int8', 'fp16', 'fp32', 'fp32']
    assert found.layers[1].format == HWC8
    assert found.reformats == 1
    assert [one.got for one in found.asked] == ['int8', 'fp16', 'fp32']
    assert found.summary == (
        '4 layers (2 in fp32, 1 in int8, 1 in fp16); 1 reformats; '
        '1 of 2 fell back from int8 (encoder/conv2 to fp16); '
        '1 of 1 fell back from fp16 (encoder/conv3 to fp32)'
    )


def test_tensorrt_11_says_them_in_two() -> None:
    found = inspect(json.dumps(TENSORRT_11), ASKED)
    assert [entry.precision for entry in found.layers] == ['fp32', 'int8', 'fp32', 'int64']
    assert found.layers[0].format == 'Row major linear FP32 format (kLINEAR)'.replace(
        'FP32', 'INT8'
    )
    assert found.reformats == 0
    assert [one.got for one in found.asked] == ['int8', 'int8', UNKNOWN]
    assert '0 of 2 fell back from int8; 0 of 1 fell back from fp16, 1 cannot be told' in (
        found.summary
    )


def test_a_real_engine_in_fp16_tells_which_layers_are_and_which_fell_back() -> None:
    asked = [*(f'pos_encoder/conv{number}' for number in (1, 2, 3)), 'lstm/from_input']
    text = (INSPECTED / 'sarnn-motion-fp16.json').read_text()
    found = inspect(text, dict.fromkeys(asked, 'fp16'))
    assert [one.got for one in found.asked] == ['fp16', 'fp16', 'fp16', 'fp32']
    assert [layer.precision for layer in found.layers] == ['fp16'] * 5 + ['fp32'] * 7
    assert found.layers[1].kind == 'runtime_fusion'
    assert found.layers[1].format == '(NHWC) Channel major format'
    assert found.summary == (
        '12 layers (7 in fp32, 5 in fp16); 0 reformats; '
        '1 of 4 fell back from fp16 (lstm/from_input to fp32)'
    )


def test_a_kernel_that_only_rounds_to_int8_is_not_in_int8_in_a_real_engine() -> None:
    linear = [f'encoder_image/linear{number}' for number in (1, 2)]
    linear += ['lstm/from_input', 'lstm/from_state']
    asked = [*linear, 'decoder_joint/linear', 'encoder_image/conv5']
    text = (INSPECTED / 'cnnrnn-motion-int8.json').read_text()
    found = inspect(text, dict.fromkeys(asked, 'int8'))
    assert [one.got for one in found.asked] == ['int8'] * 4 + ['fp32', 'fp16']
    whole = [layer.name for layer in found.layers if layer.precision == 'int8']
    assert [name.partition('_myl')[0] for name in whole] == linear
    (rounding,) = (one for one in found.layers if one.name.startswith('__myl_MulMinMaxRounCast'))
    assert rounding.precision == 'fp32'
    assert found.reformats == 0


def test_an_engine_that_kept_only_names_tells_no_precision() -> None:
    text = json.dumps({'Layers': ['encoder/conv1 + relu', 'encoder/conv2'], 'Bindings': []})
    found = inspect(text, ASKED)
    assert {entry.precision for entry in found.layers} == {UNKNOWN}
    assert {one.got for one in found.asked} == {UNKNOWN}


def test_it_fits_into_a_manifest() -> None:
    found = inspect(json.dumps(TENSORRT_10), ASKED)
    again = read_record(type(found), json.loads(json.dumps(write_record(found))), 'inspection')
    assert again == found


@pytest.mark.parametrize('text', ['', '{', '[]', '{}', '{"Layers": 3}', '{"Layers": [3]}', 'null'])
def test_what_is_no_list_of_layers_is_refused(text: str) -> None:
    with pytest.raises(EngineError, match='the engine inspector gave no list of layers'):
        inspect(text, {})


def test_asked_are_the_layers_that_a_precision_is_for(bundle: Bundle) -> None:
    machine = Machine('TensorRT', '10.3')

    def asked(precision: str, *layers: str) -> dict[str, str]:
        recipe = make_recipe(bundle, 'motion', precision, machine)
        return asked_layers(bundle, recipe, layers)

    assert asked('fp32') == {}
    half = asked('fp16')
    assert set(half.values()) == {'fp16'}
    assert all('encoder' in name for name in half)
    first = next(iter(half))
    assert asked('int8', first, 'lstm/from_input') == {
        **half,
        first: 'int8',
        'lstm/from_input': 'int8',
    }
